# What can be said of the sources and of the finished library. One plain build of each compiler is
# enough.
if(CMAKE_C_COMPILER_ID STREQUAL GNU)
  find_program(WEFT_CXX_COMPILER g++ REQUIRED)
else()
  find_program(WEFT_CXX_COMPILER clang++ REQUIRED)
endif()

set(checks ${CMAKE_CURRENT_SOURCE_DIR})
add_test(NAME check.headers
  COMMAND ${checks}/check_headers ${CMAKE_C_COMPILER} ${WEFT_CXX_COMPILER} ${WEFT_WARNINGS})
add_test(NAME check.bench COMMAND python3 ${checks}/bench/test_figures.py)
add_test(NAME check.bench_network COMMAND python3 ${checks}/bench/test_network.py)
add_test(NAME check.dev COMMAND ${checks}/check_dev)
add_test(NAME check.layers COMMAND ${checks}/check_layers)
add_test(NAME check.memory COMMAND ${checks}/check_memory)
add_test(NAME check.threads COMMAND ${checks}/check_threads)
add_test(NAME check.mutations COMMAND ${checks}/mutation/run --list)
add_test(NAME check.needs
  COMMAND ${checks}/check_needs $<TARGET_FILE:weft> ${CMAKE_C_COMPILER})
add_test(NAME check.banned COMMAND ${checks}/check_banned)
add_test(NAME check.without COMMAND ${checks}/check_without ${CMAKE_C_COMPILER})
add_test(NAME check.docs COMMAND ${checks}/check_docs)
add_test(NAME check.docs_finds_faults COMMAND ${checks}/check_docs tests/harness/page.md)
set_tests_properties(check.docs_finds_faults PROPERTIES PASS_REGULAR_EXPRESSION
  ":4: this does not.*:9: a block of C.*:14: this does not.*:19: there is no.*:22: the link.*:24: a block that.*weft_no_such_name")
add_test(NAME check.semantics COMMAND ${checks}/check_semantics)
add_test(NAME check.semantics_finds_faults COMMAND ${checks}/check_semantics tests/harness/rules.md)
set_tests_properties(check.semantics_finds_faults PROPERTIES PASS_REGULAR_EXPRESSION
  "rules.md:6: there is no test order.nobody.*:7: a rule without.*:8: there is no test parity.nobody")
add_test(NAME check.symbols
  COMMAND ${checks}/check_symbols $<TARGET_FILE:weft> symbols.txt)
if(TARGET weftguard)
  add_test(NAME check.symbols_guard
    COMMAND ${checks}/check_symbols $<TARGET_FILE:weftguard> symbols_guard.txt)
endif()
if(TARGET weft_http_client)
  add_test(NAME check.symbols_http_client
    COMMAND ${checks}/check_symbols $<TARGET_FILE:weft_http_client> symbols_http_client.txt)
endif()
if(TARGET weft_sqlite)
  add_test(NAME check.symbols_sqlite
    COMMAND ${checks}/check_symbols $<TARGET_FILE:weft_sqlite> symbols_sqlite.txt)
endif()
if(TARGET weft_tls)
  add_test(NAME check.symbols_tls
    COMMAND ${checks}/check_symbols $<TARGET_FILE:weft_tls> symbols_tls.txt)
endif()
if(TARGET weft_zlib)
  add_test(NAME check.symbols_zlib
    COMMAND ${checks}/check_symbols $<TARGET_FILE:weft_zlib> symbols_zlib.txt)
endif()
add_subdirectory(compile_fail)
add_subdirectory(install)
