# weft_sqlite, beside weft: find_package(weft COMPONENTS sqlite) gives weft::sqlite and
# weft::sqlite_static; pkg-config knows it as weft_sqlite.
if(NOT TARGET weft_sqlite_objects)
  return()
endif()

add_library(weft_sqlite SHARED $<TARGET_OBJECTS:weft_sqlite_objects>)
add_library(weft_sqlite_static STATIC $<TARGET_OBJECTS:weft_sqlite_objects>)
set_target_properties(weft_sqlite PROPERTIES
  VERSION ${PROJECT_VERSION} SOVERSION 0 EXPORT_NAME sqlite)
set_target_properties(weft_sqlite_static PROPERTIES
  OUTPUT_NAME weft_sqlite EXPORT_NAME sqlite_static)
target_link_libraries(weft_sqlite PUBLIC weft PRIVATE $<BUILD_INTERFACE:weft_flags>)
target_link_libraries(weft_sqlite_static PUBLIC weft_static)
add_library(weft::sqlite ALIAS weft_sqlite)
add_library(weft::sqlite_static ALIAS weft_sqlite_static)
foreach(library weft_sqlite weft_sqlite_static)
  set_target_properties(${library} PROPERTIES LINKER_LANGUAGE C)
  target_link_libraries(${library} PRIVATE PkgConfig::SQLITE3)
endforeach()

install(TARGETS weft_sqlite weft_sqlite_static EXPORT weft_sqlite)
install(FILES include/weft/sqlite.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/weft)
install(EXPORT weft_sqlite NAMESPACE weft:: FILE weft-sqlite-targets.cmake DESTINATION ${package})
install(FILES cmake/weft-sqlite.cmake DESTINATION ${package})
configure_file(cmake/weft_sqlite.pc.in weft_sqlite.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/weft_sqlite.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
