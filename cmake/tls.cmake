# weft_tls, beside weft: find_package(weft COMPONENTS tls) gives weft::tls and
# weft::tls_static; pkg-config knows it as weft_tls.
if(NOT TARGET weft_tls_objects)
  return()
endif()

add_library(weft_tls SHARED $<TARGET_OBJECTS:weft_tls_objects>)
add_library(weft_tls_static STATIC $<TARGET_OBJECTS:weft_tls_objects>)
set_target_properties(weft_tls PROPERTIES
  VERSION ${PROJECT_VERSION} SOVERSION 0 EXPORT_NAME tls)
set_target_properties(weft_tls_static PROPERTIES
  OUTPUT_NAME weft_tls EXPORT_NAME tls_static)
target_link_libraries(weft_tls PUBLIC weft PRIVATE $<BUILD_INTERFACE:weft_flags>)
target_link_libraries(weft_tls_static PUBLIC weft_static)
add_library(weft::tls ALIAS weft_tls)
add_library(weft::tls_static ALIAS weft_tls_static)
foreach(library weft_tls weft_tls_static)
  set_target_properties(${library} PROPERTIES LINKER_LANGUAGE C)
  target_link_libraries(${library} PRIVATE PkgConfig::OPENSSL Threads::Threads)
endforeach()

install(TARGETS weft_tls weft_tls_static EXPORT weft_tls)
install(FILES include/weft/tls.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/weft)
install(EXPORT weft_tls NAMESPACE weft:: FILE weft-tls-targets.cmake DESTINATION ${package})
install(FILES cmake/weft-tls.cmake DESTINATION ${package})
configure_file(cmake/weft_tls.pc.in weft_tls.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/weft_tls.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
