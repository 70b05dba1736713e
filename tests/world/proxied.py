# SPDX-License-Identifier: MIT
"""What holds through a proxy as it does without one: the tests that nginx and haproxy share."""
import asyncio
import http.client
import os
import re
import subprocess
import threading

from world import LIMIT_S, run, same, sum_of, text, write

import websockets


def link_to(address, source=None):
    return http.client.HTTPConnection(*address, timeout=LIMIT_S, source_address=source)


def ask(link, method, path, body=None, headers=None):
    link.request(method, path, body, headers or {})
    answer = link.getresponse()
    return answer.status, answer.read()


def told(said):
    """What /tell told: the client's address, and the fields by their names in small letters."""
    line, *fields = said.decode("latin-1").splitlines()[1:]
    return line.split(" from ")[1], {name.lower(): value for name, value in (field.split(": ", 1) for field in fields)}


def keeps_connections(address):
    """600 requests come by as few connections as the proxy keeps for them: how many"""
    link = link_to(address)
    peers = set()
    for i in range(300):
        status, said = ask(link, "GET", "/tell")
        same(status, 200)
        peers.add(told(said)[0])
        same(ask(link, "POST", "/sum", text(i)), (200, sum_of(text(i))))
    link.close()
    return len(peers)


def passes_answers(address, folder):
    """every length, with a length and in chunks; HEAD, ranges, conditions, redirects"""
    link = link_to(address)
    for size in 0, 1, 4095, 4096, 65536, 1000003, 5000000:
        for how in "", "?chunked":
            same(ask(link, "GET", f"/text/{size}{how}"), (200, text(size)), f"{size}{how}")
            same(ask(link, "HEAD", f"/text/{size}{how}"), (200, b""), "HEAD")
    write(f"{folder}/file", text(300001))
    same(ask(link, "GET", "/files/file"), (200, text(300001)))
    same(ask(link, "GET", "/files/file", headers={"Range": "bytes=100-65635"}), (206, text(65536, 100)))
    same(ask(link, "GET", "/files/file", headers={"Range": "bytes=300001-"})[0], 416)
    link.request("GET", "/files/file")
    answer = link.getresponse()
    same(len(answer.read()), 300001)
    same(ask(link, "GET", "/files/file", headers={"If-None-Match": answer.headers["ETag"]}), (304, b""))
    same(ask(link, "GET", "/redirect/1")[0], 302)
    same(ask(link, "GET", "/none")[0], 404)
    link.close()


def passes_uploads(address, folder, megabytes):
    """by curl, with a length and in chunks, counted and echoed; and a form with a file"""
    url = "http://%s:%d" % address
    data = text(megabytes << 20)
    path = write(f"{folder}/upload", data)
    for options in [], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"]:
        same(run("curl", "-sS", "-T", path, *options, f"{url}/sum"), sum_of(data), f"{options}")
    data = text(3 << 20)
    path = write(f"{folder}/upload", data)
    for options in [], ["-H", "Transfer-Encoding: chunked"]:
        same(run("curl", "-sS", "-T", path, *options, f"{url}/echo"), data, f"echo {options}")
    size, crc = sum_of(data).decode().split()
    same(run("curl", "-sS", "-F", "a=b", "-F", f"file=@{path}", f"{url}/upload").decode(),
         f"a=b\nfile: upload, application/octet-stream, {size}, {crc}\n")


def breaks_off(address):
    """an answer that is broken off does not look whole"""
    for path in "/broken", "/broken?chunked":
        done = subprocess.run(["curl", "-sS", "-o", os.devnull, "http://%s:%d%s" % (*address, path)], capture_output=True,
                              check=False)
        assert done.returncode in (18, 52, 56), done


def cancels(address, server):
    """a client that goes away is gone for the handler behind the proxy, too"""
    clients = [subprocess.Popen(["curl", "-s", "http://%s:%d/wait" % address]) for _ in range(10)]
    server.gate(waiting=10)
    for client in clients:
        client.kill()
        client.wait()
    server.gate(waiting=0, cancelled=10)


def sends_events(address):
    """server-sent events: each connection has its three, by the last id that it says"""
    link = link_to(address)
    status, said = ask(link, "GET", "/events", headers={"Last-Event-ID": "2"})
    same((status, re.findall(rb"id: (\d)", said)), (200, [b"3", b"4", b"5"]))
    link.close()


async def talk(url, **options):
    """A WebSocket: messages of all sizes, in fragments, pings both ways, a close that says why."""
    async with websockets.connect(url, max_size=None, open_timeout=LIMIT_S, **options) as socket:
        assert not socket.extensions, socket.extensions
        for size in 0, 1, 125, 126, 65535, 65536, 1 << 20, 4 << 20:
            await socket.send(text(size))
            assert await socket.recv() == text(size), size
        await socket.send([text(70000), b"", text(70000), b"x"])
        assert await socket.recv() == text(70000) * 2 + b"x"
        await (await socket.ping())
        await socket.send("ping")
        assert await socket.recv() == "ping"
        await socket.send("close")
        await socket.wait_closed()
        assert (socket.close_code, socket.close_reason) == (4000, "as told")


def passes_sockets(address):
    """some WebSockets at a time"""
    async def all_of_them():
        await asyncio.gather(*(talk("ws://%s:%d/socket" % address) for _ in range(3)))
    asyncio.run(all_of_them())


class Traffic:
    """Clients that ask until they are told to stop, and count what goes wrong, by method."""

    def __init__(self, address, clients=8):
        self.address, self.stopping = address, False
        self.done, self.failed = {"GET": 0, "POST": 0}, {"GET": [], "POST": []}
        self.mutex = threading.Lock()
        self.threads = [threading.Thread(target=self.work) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def work(self):
        link, number = link_to(self.address), 0
        while not self.stopping:
            number += 1
            method = "POST" if number % 2 else "GET"
            try:
                found = ask(link, method, "/echo" if method == "POST" else "/text/999", text(999) if method == "POST" else None)
                wrong = None if found == (200, text(999)) else f"{found[0]}"
            except (OSError, http.client.HTTPException) as error:
                wrong = repr(error)
                link.close()
            with self.mutex:
                self.done[method] += 1
                if wrong:
                    self.failed[method].append(wrong)

    def more(self, count):
        """Wait for so many more requests."""
        until = sum(self.done.values()) + count
        while sum(self.done.values()) < until:
            if not any(thread.is_alive() for thread in self.threads):
                raise AssertionError("no client is left")

    def end(self):
        self.stopping = True
        for thread in self.threads:
            thread.join()


def drains(address, servers):
    """
    While eight clients ask, all servers but the last end one after the other, each with 0: {method: what failed}.
    """
    traffic = Traffic(address)
    for server in servers[:-1]:
        traffic.more(500)
        server.stop()
        same(server.said(), "", "it says")
    traffic.more(500)
    traffic.end()
    print(f"  {len(servers) - 1} drains under {traffic.done}: failed {traffic.failed}", flush=True)
    return traffic.failed
