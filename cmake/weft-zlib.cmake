# find_package(weft COMPONENTS zlib) gives weft::zlib (shared) and weft::zlib_static.
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib>=1.2)
include(${CMAKE_CURRENT_LIST_DIR}/weft-zlib-targets.cmake)
