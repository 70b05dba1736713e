#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""client.py SERVER: talk to tests/websocket/echo.c by Python's websockets (Debian: python3-websockets)."""
import asyncio
import subprocess
import sys

try:
    import websockets
except ImportError:
    print("skipped: there is no module websockets (Debian: python3-websockets)")
    sys.exit(77)


async def messages(url):
    async with websockets.connect(url, compression=None, max_size=None) as socket:
        for size in 0, 1, 125, 126, 65535, 65536, 1000000:
            for message in "ä" * (size // 2), bytes(size):
                await socket.send(message)
                assert await socket.recv() == message, size
        await socket.send(["in ", "three ", "parts"])
        assert await socket.recv() == "in three parts"
        await (await socket.ping())
        await socket.send("ping")
        assert await socket.recv() == "ping"
    assert socket.close_code == 1000


async def many(url):
    async with websockets.connect(url) as socket:  # compression is offered, and not accepted
        async def send():
            for i in range(2000):
                await socket.send(str(i) * 100)
        task = asyncio.ensure_future(send())
        for i in range(2000):
            assert await socket.recv() == str(i) * 100
        await task


async def handshakes(url):
    async with websockets.connect(url, subprotocols=["echo.v1", "echo.v2"]) as socket:
        assert socket.subprotocol == "echo.v2"
    async with websockets.connect(url, origin="https://good.example"):
        pass
    try:
        async with websockets.connect(url, origin="https://bad.example"):
            raise AssertionError("a foreign origin")
    except websockets.InvalidStatusCode as refusal:
        assert refusal.status_code == 403


async def closes(url):
    async with websockets.connect(url) as socket:
        await socket.send("close")
        await socket.wait_closed()
        assert (socket.close_code, socket.close_reason) == (4000, "as told")
    async with websockets.connect(url) as socket:
        await socket.close(3001, "mine")
        assert socket.close_code == 3001
    async with websockets.connect(url, max_size=None, compression=None) as socket:
        try:
            await socket.send(bytes(8 * 1024 * 1024 + 1))
            await socket.recv()
        except websockets.ConnectionClosed:
            pass
        assert socket.close_code == 1009, socket.close_code


async def stops(url):
    async with websockets.connect(url) as one, websockets.connect(url) as other:
        await other.send("stop")
        await one.wait_closed()
        assert one.close_code == 1001


async def talk(url):
    for part in messages, many, handshakes, closes:
        await part(url)
    await asyncio.gather(*(messages(url) for _ in range(10)))
    await stops(url)


def main():
    with subprocess.Popen([sys.argv[1]], stdout=subprocess.PIPE, text=True) as server:
        try:
            asyncio.run(talk(f"ws://127.0.0.1:{int(server.stdout.readline())}/"))
            assert server.wait() == 0
        finally:
            server.kill()


main()
