# SPDX-License-Identifier: MIT
# A failure that nobody looked at is reported: at once when nobody holds the task, else when the
# last who does lets it go. One that somebody looked at is not.
import asyncio
import virtual
from virtual import outcome, say, say_reports, work


async def main():
    say_reports()
    asyncio.create_task(work("a", 1, "a is broken"))
    held = asyncio.create_task(work("b", 2, "b is broken"))
    seen = asyncio.create_task(work("c", 3, "c is broken"))
    await asyncio.sleep(4)
    say("main lets b go")
    held = None
    say(f"main looks at c: {outcome(seen)}")
    seen = None
    say("main ends")


virtual.run(main())
