# SPDX-License-Identifier: MIT
# The first failure is the gather's, at once; the others go on, and nobody hears of their failures.
import asyncio
import virtual
from virtual import outcome, say, say_reports, work


async def main():
    say_reports()
    a = asyncio.create_task(work("a", 3))
    b = asyncio.create_task(work("b", 1, "b is broken"))
    c = asyncio.create_task(work("c", 2, "c is broken, too"))
    try:
        await asyncio.gather(a, b, c)
    except OSError as error:
        say(f"caught: {error}")
    say(f"a {outcome(a)}, b {outcome(b)}, c {outcome(c)}")
    await asyncio.sleep(5)
    say("the end")


virtual.run(main())
