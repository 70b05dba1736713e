# SPDX-License-Identifier: MIT
# Three computations side by side, a result from each.
import asyncio
import virtual
from virtual import say


async def factorial(name, number):
    result = 1
    for i in range(2, number + 1):
        say(f"task {name}: factorial({number}), i = {i} ...")
        await asyncio.sleep(1)
        result *= i
    say(f"task {name}: factorial({number}) = {result}")
    return result


async def main():
    results = await asyncio.gather(factorial("A", 2),
                                   factorial("B", 3),
                                   factorial("C", 4))
    for result in results:
        say(result)


virtual.run(main())
