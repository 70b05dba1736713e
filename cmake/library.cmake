# The two libraries, and what is installed: headers, CMake package, pkg-config file.
add_library(weft SHARED $<TARGET_OBJECTS:weft_objects>)
add_library(weft_static STATIC $<TARGET_OBJECTS:weft_objects>)
set_target_properties(weft PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION 0 LINKER_LANGUAGE C)
set_target_properties(weft_static PROPERTIES OUTPUT_NAME weft LINKER_LANGUAGE C)
target_link_libraries(weft PRIVATE $<BUILD_INTERFACE:weft_flags>)
foreach(library weft weft_static)
  add_library(weft::${library} ALIAS ${library})
  target_include_directories(${library} INTERFACE
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(${library} PRIVATE PkgConfig::LIBEVENT_CORE Threads::Threads)
endforeach()
