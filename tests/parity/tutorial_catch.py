# SPDX-License-Identifier: MIT
# Errors are caught around an await; what is not caught goes on to who awaits that.
import asyncio
import virtual
from virtual import say


async def fetch(name):
    await asyncio.sleep(1)
    if name == "b":
        raise OSError("no such page")
    return f"<{name}>"


async def fetch_both():
    say(await fetch("a"))
    say(await fetch("b"))
    say("not reached")


async def main():
    try:
        await fetch_both()
    except OSError as error:
        say(f"caught: {error}")


virtual.run(main())
