# SPDX-License-Identifier: MIT
"""aiohttp, on asyncio's loop or, with LOOP=uvloop, on that. /slow goes to a pool of POOL threads."""
import asyncio
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web

port, threads = int(sys.argv[1]), int(sys.argv[2])
pool = ThreadPoolExecutor(max(1, threads))


async def handle(request):
    if request.path.startswith("/s"):
        await asyncio.get_running_loop().run_in_executor(pool, time.sleep, 0.01)
    return web.Response(text="Hello, World!")


if os.environ.get("LOOP") == "uvloop":
    import uvloop

    uvloop.install()
app = web.Application()
app.router.add_get("/{path:.*}", handle)
web.run_app(app, host="127.0.0.1", port=port, access_log=None, backlog=4096, keepalive_timeout=3600,
            print=lambda *_: print(f"listening on 127.0.0.1:{port}", flush=True))
