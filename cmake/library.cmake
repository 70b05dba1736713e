# The two libraries, and what is installed: headers, CMake package, pkg-config file.
include(CMakePackageConfigHelpers)

add_library(weft SHARED $<TARGET_OBJECTS:weft_objects>)
add_library(weft_static STATIC $<TARGET_OBJECTS:weft_objects>)
set_target_properties(weft PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION 0)
set_target_properties(weft_static PROPERTIES OUTPUT_NAME weft)
if(WEFT_LTO AND CMAKE_C_COMPILER_ID STREQUAL GNU)
  set_target_properties(weft PROPERTIES
    INTERPROCEDURAL_OPTIMIZATION_RELEASE ON INTERPROCEDURAL_OPTIMIZATION_RELWITHDEBINFO ON)
  # The static one has machine code only: what else is in the objects only this very compiler reads.
  add_custom_command(TARGET weft_static POST_BUILD COMMAND
    ${CMAKE_OBJCOPY} --wildcard --remove-section=.gnu.lto_* --strip-symbol=__gnu_lto_*
    $<TARGET_FILE:weft_static> VERBATIM)
endif()
target_link_libraries(weft PRIVATE $<BUILD_INTERFACE:weft_flags>)
target_link_options(weft PRIVATE LINKER:--version-script=${PROJECT_SOURCE_DIR}/cmake/weft.map)
set_property(TARGET weft APPEND PROPERTY LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/weft.map)
foreach(library weft weft_static)
  set_target_properties(${library} PROPERTIES LINKER_LANGUAGE C)
  add_library(weft::${library} ALIAS ${library})
  target_include_directories(${library} INTERFACE
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(${library} PRIVATE PkgConfig::LIBEVENT_CORE Threads::Threads)
endforeach()

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/weft)
install(TARGETS weft weft_static EXPORT weft)
install(DIRECTORY include/weft TYPE INCLUDE FILES_MATCHING PATTERN "*.h"
  PATTERN guard.h EXCLUDE PATTERN http_client.h EXCLUDE PATTERN http_compress.h EXCLUDE
  PATTERN sqlite.h EXCLUDE PATTERN tls.h EXCLUDE) # see cmake/{guard,http_client,sqlite,tls,zlib}.cmake
install(FILES tools/gdb/weft-gdb.py DESTINATION ${CMAKE_INSTALL_DATADIR}/weft)
install(FILES tools/trace/viewer.html DESTINATION ${CMAKE_INSTALL_DATADIR}/weft RENAME trace-viewer.html)
install(EXPORT weft NAMESPACE weft:: FILE weft-targets.cmake DESTINATION ${package})

write_basic_package_version_file(${PROJECT_BINARY_DIR}/weft-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES cmake/weft-config.cmake ${PROJECT_BINARY_DIR}/weft-config-version.cmake
  DESTINATION ${package})

# Found from where the file lies, so that an installed tree can be moved.
file(RELATIVE_PATH prefix_from_pc /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(cmake/weft.pc.in weft.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/weft.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
