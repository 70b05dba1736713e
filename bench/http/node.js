// SPDX-License-Identifier: MIT
'use strict';
// node's http. /slow sleeps in libuv's pool, as an addon's napi_async_work (mixed/node_block.c).
const http = require('http');
const path = require('path');

const answer = (response) => {
  response.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': 13 });
  response.end('Hello, World!');
};

const [port, pool] = process.argv.slice(2).map(Number);
const block = pool ? require(path.join(__dirname, '../../build/release/bench/mixed_node_block.node')).block : null;

const server = http.createServer((request, response) => {
  if (request.url[1] === 's' && block) block(() => answer(response));
  else answer(response);
});
server.keepAliveTimeout = 0; // connections may be idle
server.listen(port, '127.0.0.1', 4096, () => console.log(`listening on 127.0.0.1:${port}`));
