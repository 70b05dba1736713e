# SPDX-License-Identifier: MIT
# Waiting for something to be true: it is looked at once, and at each notification.
import asyncio
import virtual
from virtual import say

basket = []


def is_full():
    say(f"looks: {len(basket)}")
    return len(basket) >= 2


async def consumer(condition):
    async with condition:
        await condition.wait_for(is_full)
        say("the basket is full")


async def main():
    condition = asyncio.Condition()
    task = asyncio.create_task(consumer(condition))
    for apple in range(2):
        await asyncio.sleep(1)
        async with condition:
            basket.append(apple)
            condition.notify_all()
            say("one more")
    await task
    await consumer(condition)


virtual.run(main())
