# SPDX-License-Identifier: MIT
# A task that is cancelled before its first step never runs, nor does its finally.
import asyncio
import virtual
from virtual import outcome, say


async def never():
    try:
        say("never begins")
    finally:
        say("never ends")


async def main():
    task = asyncio.create_task(never())
    say(task.cancel())
    say(outcome(task))
    try:
        await task
    except asyncio.CancelledError:
        say(outcome(task))


virtual.run(main())
