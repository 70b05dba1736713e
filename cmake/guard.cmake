# libweftguard, beside weft: find_package(weft COMPONENTS guard) gives weft::guard; pkg-config knows it as
# weft_guard. It needs nothing of weft but its headers, and goes with the shared and the static library.
if(NOT TARGET weftguard)
  return()
endif()

install(TARGETS weftguard EXPORT weft_guard)
install(FILES include/weft/guard.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/weft)
install(EXPORT weft_guard NAMESPACE weft:: FILE weft-guard-targets.cmake DESTINATION ${package})
install(FILES cmake/weft-guard.cmake DESTINATION ${package})
configure_file(cmake/weft_guard.pc.in weft_guard.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/weft_guard.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
