# What is not built since something was not found is said at the end of the configuration, where it is read.
function(weft_without text)
  set_property(GLOBAL APPEND PROPERTY WEFT_WITHOUT "${text}")
endfunction()

function(weft_say_without)
  get_property(texts GLOBAL PROPERTY WEFT_WITHOUT)
  foreach(text IN LISTS texts)
    message(STATUS "${text}")
  endforeach()
endfunction()
