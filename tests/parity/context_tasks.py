# SPDX-License-Identifier: MIT
# A task has a copy of the context as it was when the task was made; what it sets, it sets for
# itself and for those that it makes. A coroutine that is awaited shares its caller's.
import asyncio
import contextvars
import virtual
from virtual import say

name = contextvars.ContextVar("name", default="nobody")


async def called():
    say(f"called: {name.get()}")
    name.set("the called")


async def child():
    say(f"child: {name.get()}")
    name.set("the child")
    await asyncio.create_task(called())
    say(f"child after a task: {name.get()}")
    await called()
    say(f"child after a call: {name.get()}")


async def main():
    say(f"main: {name.get()}")
    name.set("main")
    task = asyncio.create_task(child())
    name.set("main, later")
    await task
    say(f"main at the end: {name.get()}")


virtual.run(main())
