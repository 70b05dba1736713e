# The suites of weft_tls.
function(weft_add_tls_suite unit)
  weft_add_suite(${unit} support/tls.c support/net.c ${ARGN})
  target_link_libraries(test_${unit} PRIVATE weft_tls_objects)
endfunction()

weft_add_tls_suite(elsewhere_tls)
weft_add_tls_suite(https)
weft_add_tls_suite(tls)
weft_add_tls_suite(tls_connect support/names.c support/tree.c)
weft_add_tls_suite(tls_context)
weft_add_tls_suite(tls_end)
weft_add_tls_suite(tls_memory)
weft_add_tls_suite(tls_refusal)
weft_add_tls_suite(tls_start)
weft_add_tls_suite(tls_world support/process.c)

if(TARGET weftguard) # it looks at the lock of a context, too
  target_link_libraries(test_tls_context PRIVATE weft::guard)
  target_compile_definitions(test_tls_context PRIVATE WEFT_TEST_HAS_GUARD)
endif()
