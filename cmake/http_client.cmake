# weft_http_client, beside weft: find_package(weft COMPONENTS http_client) gives weft::http_client and
# weft::http_client_static; pkg-config knows it as weft_http_client.
if(NOT TARGET weft_http_client_objects)
  return()
endif()

add_library(weft_http_client SHARED $<TARGET_OBJECTS:weft_http_client_objects>)
add_library(weft_http_client_static STATIC $<TARGET_OBJECTS:weft_http_client_objects>)
set_target_properties(weft_http_client PROPERTIES
  VERSION ${PROJECT_VERSION} SOVERSION 0 EXPORT_NAME http_client)
set_target_properties(weft_http_client_static PROPERTIES
  OUTPUT_NAME weft_http_client EXPORT_NAME http_client_static)
target_link_libraries(weft_http_client PUBLIC weft PRIVATE $<BUILD_INTERFACE:weft_flags>)
target_link_libraries(weft_http_client_static PUBLIC weft_static)
add_library(weft::http_client ALIAS weft_http_client)
add_library(weft::http_client_static ALIAS weft_http_client_static)
foreach(library weft_http_client weft_http_client_static)
  set_target_properties(${library} PROPERTIES LINKER_LANGUAGE C)
  target_link_libraries(${library} PRIVATE PkgConfig::LIBCURL PkgConfig::LIBEVENT_CORE)
  if(LIBSSL_FOUND)
    target_link_libraries(${library} PRIVATE PkgConfig::LIBSSL)
  endif()
endforeach()

install(TARGETS weft_http_client weft_http_client_static EXPORT weft_http_client)
install(FILES include/weft/http_client.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/weft)
install(EXPORT weft_http_client NAMESPACE weft:: FILE weft-http_client-targets.cmake DESTINATION ${package})
install(FILES cmake/weft-http_client.cmake DESTINATION ${package})
# By their libraries, not by their packages: those name what static ones of them need.
list(JOIN LIBCURL_LDFLAGS " " http_client_libs)
if(LIBSSL_FOUND)
  list(JOIN LIBSSL_LDFLAGS " " more)
  string(APPEND http_client_libs " ${more}")
endif()
configure_file(cmake/weft_http_client.pc.in weft_http_client.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/weft_http_client.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
