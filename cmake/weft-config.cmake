# find_package(weft) gives weft::weft (shared) and weft::weft_static.
include(CMakeFindDependencyMacro)
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_dependency(Threads)
find_dependency(PkgConfig)
pkg_check_modules(LIBEVENT_CORE REQUIRED IMPORTED_TARGET libevent_core>=2.1.12)
include(${CMAKE_CURRENT_LIST_DIR}/weft-targets.cmake)
