# weft_flags: warnings, sanitizers. Everything built here links it; nothing installed does.
set(WEFT_WARNINGS
  -Wall
  -Wextra
  -Wshadow
  -Wundef
  -Wvla
  -Wwrite-strings
  -Wformat=2
  -Wconversion
  -Wpedantic
  -Wstrict-prototypes
  -Wmissing-prototypes)
if(CMAKE_C_COMPILER_ID STREQUAL GNU)
  list(APPEND WEFT_WARNINGS -Wjump-misses-init)
else()
  list(APPEND WEFT_WARNINGS -Wthread-safety -Wimplicit-fallthrough)
endif()

add_library(weft_flags INTERFACE)
target_compile_options(weft_flags INTERFACE ${WEFT_WARNINGS} $<$<BOOL:${WEFT_WERROR}>:-Werror>)
if(WEFT_SANITIZE)
  target_compile_options(weft_flags INTERFACE
    -fsanitize=${WEFT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(weft_flags INTERFACE -fsanitize=${WEFT_SANITIZE})
endif()
