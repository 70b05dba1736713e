# SPDX-License-Identifier: MIT
# Nested limits: the inner one is over first and concerns nobody else; then the outer one.
import asyncio
import virtual
from virtual import say, work


async def inner():
    try:
        async with asyncio.timeout(1):
            await work("a", 10)
    except TimeoutError:
        say("the inner time is over")
    await work("b", 10)


async def main():
    try:
        async with asyncio.timeout(3):
            await inner()
    except TimeoutError:
        say("the outer time is over")
    try:
        async with asyncio.timeout(2):
            async with asyncio.timeout(5):
                await work("c", 10)
    except TimeoutError:
        say("the outer time was over first")


virtual.run(main())
