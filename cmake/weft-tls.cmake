# find_package(weft COMPONENTS tls) gives weft::tls (shared) and weft::tls_static.
pkg_check_modules(OPENSSL REQUIRED IMPORTED_TARGET openssl>=3.0)
include(${CMAKE_CURRENT_LIST_DIR}/weft-tls-targets.cmake)
