# find_package(weft COMPONENTS sqlite) gives weft::sqlite (shared) and weft::sqlite_static.
pkg_check_modules(SQLITE3 REQUIRED IMPORTED_TARGET sqlite3>=3.37)
include(${CMAKE_CURRENT_LIST_DIR}/weft-sqlite-targets.cmake)
