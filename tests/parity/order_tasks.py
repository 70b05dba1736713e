# SPDX-License-Identifier: MIT
# Tasks start in the order in which they were made, and not before who made them waits; then they
# take turns.
import asyncio
import virtual
from virtual import say, steps


async def main():
    a = asyncio.create_task(steps("a", 3))
    b = asyncio.create_task(steps("b", 2))
    c = asyncio.create_task(steps("c", 1))
    say("nothing has run yet")
    await c
    say("c is done")
    await a
    say("a is done")
    await b
    say("b was done before")


virtual.run(main())
