// SPDX-License-Identifier: MIT
// node.js TEST URL HTTPS_URL CERTIFICATE: one of the tests below; its exit status says how it went.
'use strict';
const assert = require('assert');
const fs = require('fs');
const http = require('http');
const https = require('https');

const [test, url, secureUrl, certificate] = process.argv.slice(2);
const ca = fs.readFileSync(certificate);
const block = Buffer.alloc(65521);
for (let i = 0; i < block.length; i++)
    block[i] = Number(((BigInt(i) * 2654435761n) & 0xffffffffn) >> 17n & 0xffn);

// The same text as the server's.
const text = (size) => Buffer.alloc(size, block);
// A Promise of the answer, with its body, to a request that `send` completes.
const ask = (agent, base, path, options = {}, send = (request) => request.end()) =>
    new Promise((resolve, reject) => {
        const request = (base === url ? http : https).request(base + path, {agent, ca, ...options}, (answer) => {
            const pieces = [];
            answer.on('data', (piece) => pieces.push(piece));
            answer.on('end', () => resolve(Object.assign(answer, {body: Buffer.concat(pieces)})));
            answer.on('error', reject);
        });
        request.on('error', reject);
        send(request);
    });
const newAgent = (base, options) =>
    new (base === url ? http : https).Agent({keepAlive: true, ca, ...options});

const tests = {
    async agent() {
        for (const base of [url, secureUrl]) {
            const agent = newAgent(base, {maxSockets: 10});
            const sockets = new Set();
            agent.on('free', (socket) => sockets.add(socket));
            await Promise.all(Array.from({length: 1000}, async (_, i) => {
                const data = text(i);
                const answers = await [
                    () => ask(agent, base, `/text/${i}`),
                    () => ask(agent, base, `/text/${i}?chunked`),
                    () => ask(agent, base, '/echo', {method: 'POST'}, (request) => request.end(data)),
                    () => ask(agent, base, '/echo', {method: 'PUT'}, (request) => {
                        request.write(data.subarray(0, i / 2));
                        request.end(data.subarray(i / 2));
                    })
                ][i % 4]();
                assert.equal(answers.statusCode, 200);
                assert(answers.body.equals(data), `${base} ${i}: ${answers.body.length} bytes`);
            }));
            assert(sockets.size <= 10, `${sockets.size} connections`);
            agent.destroy();
        }
    },

    async streams() {
        for (const base of [url, secureUrl]) {
            const agent = newAgent(base);
            const data = text(30 << 20);
            const answer = await ask(agent, base, '/echo', {method: 'POST'}, (request) => {
                let at = 0;
                const more = () => {
                    while (at < data.length)
                        if (!request.write(data.subarray(at, at += 100003)))
                            return request.once('drain', more);
                    return request.end();
                };
                more();
            });
            assert(answer.body.equals(data));
            await new Promise((resolve, reject) => http.get(`${url}/text/${5 << 20}?chunked`, (slow) => {
                const pieces = [];
                slow.on('error', reject);
                slow.on('readable', () => setImmediate(() => { // a piece a turn
                    const piece = slow.read(16384) || slow.read();
                    if (piece)
                        pieces.push(piece);
                }));
                slow.on('end', () => {
                    assert(Buffer.concat(pieces).equals(text(5 << 20)));
                    assert.match(slow.trailers.sum, /^\d+$/);
                    resolve();
                });
            }));
            agent.destroy();
        }
    },

    async expects() {
        const agent = newAgent(url);
        const headers = {Expect: '100-continue', 'Content-Length': 5};
        let told = 0;
        const answer = await ask(agent, url, '/echo', {method: 'POST', headers}, (request) => {
            request.flushHeaders();
            request.on('continue', () => {
                told++;
                request.end('hello');
            });
        });
        assert.equal(told, 1);
        assert.equal(answer.body.toString(), 'hello');
        const refused = await ask(agent, url, '/echo', {method: 'POST', headers: {...headers, Expect: 'x'}},
            (request) => request.end('hello'));
        assert.equal(refused.statusCode, 417);
        agent.destroy();
    },

    async aborts() {
        for (const base of [url, secureUrl]) {
            const agent = newAgent(base);
            const waiting = Array.from({length: 10}, () => {
                const request = (base === url ? http : https).get(`${base}/wait`, {agent, ca});
                request.on('error', (error) => assert.equal(error.code, 'ECONNRESET'));
                return request;
            });
            while (!(await ask(agent, base, '/gate')).body.toString().startsWith('10 waiting'));
            waiting.forEach((request) => request.destroy());
            while (!(await ask(agent, base, '/gate')).body.toString().startsWith('0 waiting'));
            // in the middle of the answer's body, and of the request's
            await new Promise((resolve) => (base === url ? http : https).get(`${base}/text/${1 << 30}`, {ca}, (answer) => {
                answer.once('data', () => answer.destroy());
                answer.on('close', resolve);
            }));
            await new Promise((resolve) => {
                const request = (base === url ? http : https).request(`${base}/sum`,
                    {ca, method: 'POST', headers: {'Content-Length': 1 << 30}});
                request.on('error', () => 0);
                request.on('close', resolve);
                request.write(text(1 << 20), () => request.destroy());
            });
            assert((await ask(agent, base, '/text/9')).body.equals(text(9)));
            agent.destroy();
        }
    },

    async broken() {
        for (const base of [url, secureUrl])
            for (const path of ['/broken', '/broken?chunked'])
                await assert.rejects(ask(undefined, base, path), /aborted|ECONNRESET/);
    },

    async fetches() {
        const form = new FormData();
        form.append('name', 'wört "x"');
        form.append('file', new Blob([text(3 << 20)], {type: 'a/b'}), 'x y.bin');
        const said = await (await fetch(`${url}/upload`, {method: 'POST', body: form})).text();
        assert.match(said, /^name=wört "x"\nfile: x y.bin, a\/b, 3145728, \d+\n$/);
        const query = new URLSearchParams({a: 'ü & =', b: ''});
        assert.equal(await (await fetch(`${url}/form`, {method: 'POST', body: query})).text(), 'a=ü & =\nb=\n');
        assert.match(await (await fetch(`${url}/redirect/5`)).text(), /^GET \/tell\n/);
        const stream = new Blob([text(5 << 20)]).stream();
        const echo = await fetch(`${url}/echo`, {method: 'POST', body: stream, duplex: 'half'});
        assert(Buffer.from(await echo.arrayBuffer()).equals(text(5 << 20)));
        const stop = new AbortController();
        const waiting = fetch(`${url}/wait`, {signal: stop.signal});
        while (!(await (await fetch(`${url}/gate`)).text()).startsWith('1 waiting'));
        stop.abort();
        await assert.rejects(waiting, {name: 'AbortError'});
        while (!(await (await fetch(`${url}/gate`)).text()).startsWith('0 waiting'));
    }
};

tests[test]();
