# SPDX-License-Identifier: MIT
# A thousand programs drawn by chance: nested limits of time, sleeps, bodies that swallow what comes,
# limits that are moved, and cancels from outside, two of them at the same time too. Who swallows a
# request takes it back. A sleep ends at a second that ends in 1, all else happens at one that ends in
# 0: what is ready when a cancel comes is another program's matter.
import asyncio
import virtual

PROGRAMS = 1000
state = 0
begin = 0
words = []


def draw(count):
    global state
    state = (state * 1103515245 + 12345) % 2**31
    return (state >> 16) % count


def now():
    return int(asyncio.get_running_loop().time()) - begin


def requests():
    return asyncio.current_task().cancelling()


async def sleep():
    try:
        await asyncio.sleep(max(draw(13) * 10 + 1 - now(), 0))
        words.append(f"slept:{now()}")
    except asyncio.CancelledError:
        words.append(f"cancelled:{now()}/{requests()}")
        raise


async def block(depth, blocks):
    when = draw(15) * 10
    end = "ok"
    try:
        async with asyncio.timeout_at(begin + when if when < 130 else None) as limit:
            await body(depth, blocks + [limit])
    except asyncio.CancelledError:
        end = "cancelled"
        raise
    except TimeoutError:
        end = "timed-out"
        raise
    finally:
        words.append(f"{end}-{int(limit.expired())}/{requests()}")


async def swallow(depth, blocks):
    try:
        await body(depth, blocks)
    except (asyncio.CancelledError, TimeoutError):
        words.append(f"swallowed/{requests()}")
        while requests():
            asyncio.current_task().uncancel()


def move(blocks):
    outwards, when = draw(3), draw(13) * 10
    if outwards >= len(blocks):
        return
    try:
        blocks[-1 - outwards].reschedule(begin + when)
        words.append("moved")
    except RuntimeError:
        words.append("too-late")


async def body(depth, blocks):
    for _ in range(1 + draw(3)):
        choice = draw(20)
        if depth == 0 or choice < 7:
            await sleep()
        elif choice < 14:
            await block(depth - 1, blocks)
        elif choice < 18:
            await swallow(depth - 1, blocks)
        else:
            move(blocks)


async def program(number):
    global state, begin
    state = number
    begin = int(asyncio.get_running_loop().time())
    task = asyncio.create_task(body(4, []))
    call_at = asyncio.get_running_loop().call_at
    cancels = [call_at(begin + draw(13) * 10, task.cancel) for _ in range(draw(3))]
    await asyncio.wait([task])
    for cancel in cancels:
        cancel.cancel()
    print(f"{number}:", *words, virtual.outcome(task))
    words.clear()


async def main():
    for number in range(PROGRAMS):
        await program(number)


virtual.run(main())
