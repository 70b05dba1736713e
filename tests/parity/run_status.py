# SPDX-License-Identifier: MIT
# A program's result is its main's; several runs in one program do not know of each other.
import asyncio


async def returns(number):
    await asyncio.sleep(0)
    return number


async def fails():
    await asyncio.sleep(0)
    raise OSError("main is broken")


def run(main):
    try:
        return asyncio.run(main)
    except OSError:
        return 1


print(run(returns(0)))
print(run(returns(7)))
print(run(fails()))
print(run(returns(3)))
