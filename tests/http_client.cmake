# The suites of weft_http_client.
function(weft_add_http_client_suite unit)
  weft_add_suite(${unit} support/http_client.c ${ARGN})
  target_link_libraries(test_${unit} PRIVATE weft_http_client_objects)
endfunction()

weft_add_http_client_suite(elsewhere_http_client)
weft_add_http_client_suite(http_client)
weft_add_http_client_suite(http_client_end)
weft_add_http_client_suite(http_client_many)
weft_add_http_client_suite(http_client_memory)
weft_add_http_client_suite(http_client_policy)
weft_add_http_client_suite(http_client_stream)
