# The servers and clients: FOLDER/PEER.c or .cpp is the target and the program FOLDER_PEER.

# weft_add_server(FOLDER PEER [LIBRARY...])
function(weft_add_server folder peer)
  add_executable(${folder}_${peer} ${folder}/${peer}.c)
  target_compile_definitions(${folder}_${peer} PRIVATE _GNU_SOURCE)
  target_link_libraries(${folder}_${peer} PRIVATE weft_flags Threads::Threads ${ARGN})
endfunction()

weft_add_server(http raw_epoll)
weft_add_server(http weft weft_static)
weft_add_server(http libevent_event PkgConfig::LIBEVENT_CORE)

weft_add_server(echo client)
weft_add_server(echo weft weft_static)
weft_add_server(echo libevent PkgConfig::LIBEVENT_CORE)
if(LIBUV_FOUND)
  weft_add_server(echo libuv PkgConfig::LIBUV)
endif()
