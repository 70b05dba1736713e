# SPDX-License-Identifier: MIT
# A task is cancelled while it sleeps, and cleans up.
import asyncio
import virtual
from virtual import say


async def cancel_me():
    say("cancel_me: before the sleep")
    try:
        await asyncio.sleep(3600)
    finally:
        say("cancel_me: after the sleep")


async def main():
    task = asyncio.create_task(cancel_me())
    await asyncio.sleep(1)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        say("main: cancel_me is cancelled now")


virtual.run(main())
