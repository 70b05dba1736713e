# SPDX-License-Identifier: MIT
# When main ends at once, the tasks that it made are cancelled before their first step.
import asyncio
import virtual
from virtual import say, work


async def main():
    asyncio.create_task(work("never"))
    say("main ends")


virtual.run(main())
print("the end")
