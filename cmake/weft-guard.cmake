# find_package(weft COMPONENTS guard) gives weft::guard: link it beside weft::weft or weft::weft_static.
include(${CMAKE_CURRENT_LIST_DIR}/weft-guard-targets.cmake)
