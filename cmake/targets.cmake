# How programs are declared: weft_add_suite, weft_add_parity, weft_add_example,
# weft_add_program, weft_add_fuzzer, weft_add_peer.
set(WEFT_RUN ${PROJECT_SOURCE_DIR}/tests/support/run)

# In every test and example that runs a loop libweftguard looks for calls that block it; tests/support/run
# fails when it found one.
set(WEFT_GUARDED "")
if(WEFT_TESTS AND WEFT_GUARD_TESTS AND TARGET weftguard)
  set(WEFT_GUARDED weft::guard)
endif()

# weft_add_suite(UNIT [SOURCE...]): tests/test_UNIT.c, a Criterion suite with private symbols, as
# the ctest test "unit.UNIT".
function(weft_add_suite unit)
  add_executable(test_${unit} test_${unit}.c ${ARGN})
  target_link_libraries(test_${unit} PRIVATE weft_objects weft_test_support)
  add_test(NAME unit.${unit}
    COMMAND ${WEFT_RUN} "--sanitize=${WEFT_SANITIZE}" $<TARGET_FILE:test_${unit}> -j1)
  set_tests_properties(unit.${unit} PROPERTIES TIMEOUT 300)
endfunction()

# weft_add_parity(NAME): NAME.py and NAME.c, the same program for asyncio and for weft; the ctest test
# "parity.NAME" compares what they print.
function(weft_add_parity name)
  add_executable(parity_${name} ${name}.c)
  target_link_libraries(parity_${name} PRIVATE weft_parity)
  add_test(NAME parity.${name}
    COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/compare "--sanitize=${WEFT_SANITIZE}"
            ${CMAKE_CURRENT_SOURCE_DIR}/${name}.py $<TARGET_FILE:parity_${name}>)
  set_tests_properties(parity.${name} PROPERTIES TIMEOUT 300 SKIP_RETURN_CODE 77)
endfunction()

# weft_add_example(NAME [VIRTUAL] [LIBRARY...]): NAME.c, built as a user would, against the public
# headers only. If NAME.out exists, a ctest test "example.NAME" runs it and compares what it prints.
# VIRTUAL: what it prints depends on time; the test runs a second build, on virtual time.
function(weft_add_example name)
  cmake_parse_arguments(PARSE_ARGV 1 arg VIRTUAL "" "")
  add_executable(${name} ${name}.c)
  target_link_libraries(${name} PRIVATE ${WEFT_GUARDED} weft_static weft_flags ${arg_UNPARSED_ARGUMENTS})
  if(NOT WEFT_TESTS OR NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${name}.out)
    return()
  endif()
  set(tested ${name})
  if(arg_VIRTUAL)
    set(tested ${name}_virtual)
    add_executable(${tested} ${name}.c ${PROJECT_SOURCE_DIR}/tests/support/virtual_time.c)
    target_include_directories(${tested} PRIVATE ${PROJECT_SOURCE_DIR})
    target_link_libraries(${tested} PRIVATE ${WEFT_GUARDED} weft_static weft_flags ${arg_UNPARSED_ARGUMENTS})
    target_link_options(${tested} PRIVATE LINKER:--wrap=weft_loop_new,--wrap=thrd_sleep)
  endif()
  add_test(NAME example.${name}
    COMMAND ${WEFT_RUN} "--sanitize=${WEFT_SANITIZE}"
            --expect=${CMAKE_CURRENT_SOURCE_DIR}/${name}.out $<TARGET_FILE:${tested}>)
  set_tests_properties(example.${name} PROPERTIES TIMEOUT 300)
endfunction()

# weft_add_program(NAME SOURCE... [LIBRARIES LIBRARY...]): a larger example, in a folder of its own; the
# program stands beside the others.
function(weft_add_program name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" LIBRARIES)
  add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  target_compile_definitions(${name} PRIVATE _GNU_SOURCE)
  target_link_libraries(${name} PRIVATE ${WEFT_GUARDED} weft_static weft_flags ${arg_LIBRARIES})
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/docs/examples)
endfunction()

# weft_add_fuzzer(NAME): fuzz_NAME.c with its LLVMFuzzerTestOneInput, private symbols and inputs in
# corpus/NAME. A fuzzer in the fuzz preset; elsewhere the ctest test "fuzz.NAME" replays the corpus.
function(weft_add_fuzzer name)
  add_executable(fuzz_${name} fuzz_${name}.c)
  target_link_libraries(fuzz_${name} PRIVATE weft_objects)
  if(WEFT_FUZZ)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(fuzz_${name} PRIVATE replay.c)
    add_test(NAME fuzz.${name}
      COMMAND ${WEFT_RUN} "--sanitize=${WEFT_SANITIZE}"
              $<TARGET_FILE:fuzz_${name}> ${CMAKE_CURRENT_SOURCE_DIR}/corpus/${name})
  endif()
endfunction()

# weft_add_peer(FOLDER PEER [LIBRARY...]): bench/FOLDER/PEER.c or PEER.cpp as the program FOLDER_PEER.
# There is none if one of the libraries was not found. Not part of `all`: bench/harness asks for those
# that it runs.
function(weft_add_peer folder peer)
  foreach(library IN LISTS ARGN)
    if(library MATCHES "::" AND NOT TARGET ${library})
      message(STATUS "no ${library}: ${folder}_${peer} is not built")
      return()
    endif()
  endforeach()
  set(source ${folder}/${peer}.c)
  set(flags weft_flags)
  if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/${peer}.cpp)
    if(NOT CMAKE_CXX_COMPILER)
      message(STATUS "no C++ compiler: ${folder}_${peer} is not built")
      return()
    endif()
    set(source ${folder}/${peer}.cpp)
    set(flags "")
  endif()
  add_executable(${folder}_${peer} EXCLUDE_FROM_ALL ${source})
  target_compile_definitions(${folder}_${peer} PRIVATE _GNU_SOURCE)
  if(source MATCHES "cpp$")
    target_compile_features(${folder}_${peer} PRIVATE cxx_std_20)
    target_compile_options(${folder}_${peer} PRIVATE
      -Wall -Wextra $<$<BOOL:${WEFT_WERROR}>:-Werror>)
  endif()
  target_link_libraries(${folder}_${peer} PRIVATE ${flags} Threads::Threads ${ARGN})
endfunction()
