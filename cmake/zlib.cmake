# weft_zlib, beside weft: find_package(weft COMPONENTS zlib) gives weft::zlib and
# weft::zlib_static; pkg-config knows it as weft_zlib.
if(NOT TARGET weft_zlib_objects)
  return()
endif()

add_library(weft_zlib SHARED $<TARGET_OBJECTS:weft_zlib_objects>)
add_library(weft_zlib_static STATIC $<TARGET_OBJECTS:weft_zlib_objects>)
set_target_properties(weft_zlib PROPERTIES
  VERSION ${PROJECT_VERSION} SOVERSION 0 EXPORT_NAME zlib)
set_target_properties(weft_zlib_static PROPERTIES
  OUTPUT_NAME weft_zlib EXPORT_NAME zlib_static)
target_link_libraries(weft_zlib PUBLIC weft PRIVATE $<BUILD_INTERFACE:weft_flags>)
target_link_libraries(weft_zlib_static PUBLIC weft_static)
add_library(weft::zlib ALIAS weft_zlib)
add_library(weft::zlib_static ALIAS weft_zlib_static)
foreach(library weft_zlib weft_zlib_static)
  set_target_properties(${library} PROPERTIES LINKER_LANGUAGE C)
  target_link_libraries(${library} PRIVATE PkgConfig::ZLIB Threads::Threads)
endforeach()

install(TARGETS weft_zlib weft_zlib_static EXPORT weft_zlib)
install(FILES include/weft/http_compress.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/weft)
install(EXPORT weft_zlib NAMESPACE weft:: FILE weft-zlib-targets.cmake DESTINATION ${package})
install(FILES cmake/weft-zlib.cmake DESTINATION ${package})
configure_file(cmake/weft_zlib.pc.in weft_zlib.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/weft_zlib.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
