# The suites of weft_zlib.
function(weft_add_zlib_suite unit)
  weft_add_suite(${unit} support/http.c support/http_handlers.c support/zlib.c ${ARGN})
  target_link_libraries(test_${unit} PRIVATE weft_zlib_objects)
endfunction()

weft_add_zlib_suite(http_compress)
weft_add_zlib_suite(http_compress_end)
