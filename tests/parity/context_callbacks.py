# SPDX-License-Identifier: MIT
# Callbacks of every kind, and jobs in threads, see the context as it was when they were asked for.
import asyncio
import contextvars
import virtual
from virtual import say

name = contextvars.ContextVar("name")


def tell(what):
    say(f"{what}: {name.get()}")
    name.set("set by a callback, for itself")


def job():
    return name.get()


async def main():
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    name.set("soon")
    loop.call_soon(tell, "call_soon")
    name.set("later")
    loop.call_later(1, tell, "call_later")
    name.set("when done")
    future.add_done_callback(lambda _: tell("done"))
    name.set("in a thread")
    thread = asyncio.create_task(asyncio.to_thread(job))
    name.set("main's")
    future.set_result(None)
    await asyncio.sleep(2)
    say(f"job: {await thread}")
    say(f"main: {name.get()}")


virtual.run(main())
