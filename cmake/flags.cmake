# weft_flags: warnings, sanitizers. Everything built here links it; nothing installed does.
add_library(weft_flags INTERFACE)
target_compile_options(weft_flags INTERFACE
  -Wall
  -Wextra
  -Wshadow
  -Wstrict-prototypes
  -Wmissing-prototypes
  -Wundef
  -Wvla
  -Wwrite-strings
  -Wformat=2
  -Wconversion
  -Wpedantic
  $<$<C_COMPILER_ID:GNU>:-Wjump-misses-init>
  $<$<C_COMPILER_ID:Clang>:-Wthread-safety>
  $<$<C_COMPILER_ID:Clang>:-Wimplicit-fallthrough>
  $<$<BOOL:${WEFT_WERROR}>:-Werror>)

if(WEFT_SANITIZE)
  target_compile_options(weft_flags INTERFACE
    -fsanitize=${WEFT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(weft_flags INTERFACE -fsanitize=${WEFT_SANITIZE})
endif()
