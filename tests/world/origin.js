// SPDX-License-Identifier: MIT
// origin.js CERTIFICATE KEY: an origin in Node, by http: and https:; prints its two ports.
'use strict';
const fs = require('fs');
const http = require('http');
const https = require('https');
const zlib = require('zlib');

const block = Buffer.alloc(65521);
for (let i = 0; i < block.length; i++)
    block[i] = Number(((BigInt(i) * 2654435761n) & 0xffffffffn) >> 17n & 0xffn);
const text = (size) => Buffer.alloc(size, block);

function answer(request, response) {
    const [, what, size] = request.url.split(/[/?]/);
    const type = {'Content-Type': 'a/b'};
    if (what === 'text' && request.url.endsWith('chunked')) {
        response.writeHead(200, {...type, Trailer: 'Sum'});
        const data = text(+size);
        for (let at = 0; at < data.length; at += 50021)
            response.write(data.subarray(at, at + 50021));
        response.addTrailers({Sum: '1'});
        response.end();
    } else if (what === 'text') {
        response.writeHead(200, {...type, 'Content-Length': size});
        response.end(text(+size));
    } else if (what === 'echo') {
        response.writeHead(200, type);
        request.pipe(response);
    } else if (what === 'redirect') {
        response.writeHead(302, {Location: +size ? `/redirect/${size - 1}` : '/text/10'});
        response.end('elsewhere');
    } else if (what === 'gzip') {
        response.writeHead(200, {...type, 'Content-Encoding': 'gzip'});
        response.end(zlib.gzipSync(text(+size)));
    } else if (what === 'close') {
        response.writeHead(200, {...type, Connection: 'close'});
        response.end(text(+size));
    } else if (what === 'short') {
        response.writeHead(200, {...type, 'Content-Length': 1000});
        response.write(text(500), () => request.socket.destroy());
    } else {
        response.writeHead(404, type);
        response.end('none');
    }
    request.resume();
}

const [certificate, key] = process.argv.slice(2).map((path) => fs.readFileSync(path));
const servers = [http.createServer(answer), https.createServer({cert: certificate, key}, answer)];
let listening = 0;
for (const server of servers)
    server.listen(0, '127.0.0.1', () => {
        if (++listening === servers.length)
            console.log(servers.map((one) => one.address().port).join(' '));
    });
// a connection that was idle for so long is closed, whoever is about to use it
process.on('SIGUSR2', () => servers.forEach((server) => (server.keepAliveTimeout = 1)));
