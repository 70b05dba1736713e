# Servers, and the clients that ask them.
pkg_check_modules(MHD IMPORTED_TARGET libmicrohttpd)

weft_add_peer(http weft weft_static)
weft_add_peer(http raw_epoll)
weft_add_peer(http libevent_event PkgConfig::LIBEVENT_CORE)
weft_add_peer(http libevent_bufferevent PkgConfig::LIBEVENT_THREADS)
weft_add_peer(http evhttp PkgConfig::LIBEVENT_THREADS)
weft_add_peer(http libuv PkgConfig::LIBUV)
weft_add_peer(http asio asio::asio)
weft_add_peer(http mhd PkgConfig::MHD)

weft_add_peer(mixed client m)
weft_add_peer(mixed weft weft_static)
find_path(NODE_INCLUDE node_api.h PATH_SUFFIXES node nodejs/src)
if(NODE_INCLUDE)
  add_library(mixed_node_block MODULE EXCLUDE_FROM_ALL mixed/node_block.c)
  set_target_properties(mixed_node_block PROPERTIES PREFIX "" SUFFIX .node 
    C_VISIBILITY_PRESET default)
  target_include_directories(mixed_node_block SYSTEM PRIVATE ${NODE_INCLUDE})
  target_compile_definitions(mixed_node_block PRIVATE _GNU_SOURCE)
  target_link_libraries(mixed_node_block PRIVATE weft_flags)
else()
  message(STATUS "no node_api.h: node has nothing that blocks (Debian: libnode-dev)")
endif()

weft_add_peer(echo client)
weft_add_peer(echo weft weft_static)
weft_add_peer(echo libevent PkgConfig::LIBEVENT_CORE)
weft_add_peer(echo libuv PkgConfig::LIBUV)
weft_add_peer(echo asio asio::asio)

weft_add_peer(scaling serve weft_static)
weft_add_peer(scaling loops weft_static)
weft_add_peer(scaling growth weft_static)

# How long libcurl's calls hold the loop: a figure for docs/design/http_client.md, without peers.
if(TARGET weft_http_client_static)
  weft_add_peer(http_client calls weft_http_client_static PkgConfig::LIBCURL)
  foreach(function multi_socket_action multi_add_handle multi_remove_handle easy_cleanup)
    target_link_options(http_client_calls PRIVATE -Wl,--wrap=curl_${function})
  endforeach()
endif()
