# The suites of weft_http_client.
function(weft_add_http_client_suite unit)
  weft_add_suite(${unit} support/http_client.c ${ARGN})
  target_link_libraries(test_${unit} PRIVATE weft_http_client_objects)
endfunction()

weft_add_http_client_suite(elsewhere_http_client)
weft_add_http_client_suite(http_client)
weft_add_http_client_suite(http_client_end)
weft_add_http_client_suite(http_client_libcurl)
weft_add_http_client_suite(http_client_many)
weft_add_http_client_suite(http_client_memory)
weft_add_http_client_suite(http_client_policy)
weft_add_http_client_suite(http_client_stream)

if(TARGET weft_tls_objects)
  weft_add_suite(http_client_tls support/net.c support/tls.c)
  target_link_libraries(test_http_client_tls PRIVATE weft_http_client_objects weft_tls_objects)
endif()
