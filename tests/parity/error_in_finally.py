# SPDX-License-Identifier: MIT
# What finally does last counts: a failure there replaces the outcome, and so does a return.
import asyncio
import virtual
from virtual import outcome, say


async def returns_then_fails():
    try:
        return "a value"
    finally:
        await asyncio.sleep(1)
        raise OSError("clean-up is broken")


async def fails_then_returns():
    try:
        raise OSError("the work is broken")
    finally:
        await asyncio.sleep(1)
        return "rescued"


async def main():
    a = asyncio.create_task(returns_then_fails())
    b = asyncio.create_task(fails_then_returns())
    await asyncio.gather(a, b, return_exceptions=True)
    say(outcome(a))
    say(outcome(b))


virtual.run(main())
