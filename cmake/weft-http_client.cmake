# find_package(weft COMPONENTS http_client) gives weft::http_client (shared) and
# weft::http_client_static.
pkg_check_modules(LIBCURL REQUIRED IMPORTED_TARGET libcurl>=7.88)
pkg_check_modules(LIBSSL IMPORTED_TARGET libssl>=3.0 libcrypto>=3.0)
include(${CMAKE_CURRENT_LIST_DIR}/weft-http_client-targets.cmake)
