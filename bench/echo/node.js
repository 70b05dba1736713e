// SPDX-License-Identifier: MIT
'use strict';
// node's streams.
const net = require('net');

const port = Number(process.argv[2]);
const server = net.createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => socket.destroy());
  socket.pipe(socket);
});
server.listen(port, '127.0.0.1', 4096, () => console.log(`listening on 127.0.0.1:${port}`));
