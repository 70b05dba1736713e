# SPDX-License-Identifier: MIT
# Some hundreds of small programs drawn by lot, the same ones on both sides: tasks that sleep, wait
# for, cancel, shield and gather each other, in all ways at once.
#
# Where weft is better on purpose, the Python side is made to do the same (model.py), so that
# everything else can be compared to the letter. `programs.py SEED COUNT` runs some of them.
import asyncio
import sys
import model
import virtual
from virtual import outcome, say

TASKS, FUTURES, OPS = 5, 2, 5
KINDS = ("sleep", "await", "cancel", "wait future", "set future", "gather", "gather all", "shield",
         "limited await", "wait for some", "wait event", "set event", "clear event", "semaphore",
         "lock", "call", "spawn", "cancel later", "fail", "limited sleep", "scope",
         "uncancel")


class Lot:
    def __init__(self, seed):
        self.state = seed

    def draw(self, count):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % count


def draw_program(seed):
    lot = Lot(seed)
    return [[[lot.draw(n) for n in (len(KINDS), 4, 60, 60, 3)] for _ in range(1 + lot.draw(OPS))]
            for _ in range(TASKS)]


class World:
    def __init__(self):
        self.tasks = []
        self.futures = [asyncio.get_running_loop().create_future() for _ in range(FUTURES)]
        self.event, self.semaphore, self.lock = asyncio.Event(), asyncio.Semaphore(1), asyncio.Lock()


async def sub(name, seconds, fails=False):
    say(f"{name} begins")
    try:
        await asyncio.sleep(seconds)
        if fails:
            raise OSError("by lot")
    finally:
        say(f"{name} ends")


async def held(take, give, seconds):
    with model.passed_on():
        await take()
    try:
        await asyncio.sleep(seconds)
    finally:
        give()


async def limited(seconds, awaitable):
    async with model.timeout(seconds):
        await awaitable


async def scope(name, seconds, x, y):
    try:
        async with model.TaskGroup() as group:
            group.create_task(sub(name + "a", x % 4, x % 3 == 0))
            group.create_task(sub(name + "b", y % 4, y % 3 == 0))
            await asyncio.sleep(seconds)
    except ExceptionGroup as failures:
        raise OSError(f"{len(failures.exceptions)} of a scope")


async def do(world, name, index, kind, seconds, x, y):
    def later(number):  # a task behind this one: so nobody waits for itself
        return world.tasks[index + 1 + number % (TASKS - 1 - index)]

    future = world.futures[x % FUTURES]
    loop = asyncio.get_running_loop()
    if kind == "sleep":
        await asyncio.sleep(seconds)
    elif kind == "cancel":
        return str(world.tasks[x % TASKS].cancel())
    elif kind == "cancel later":
        loop.call_later(seconds, world.tasks[x % TASKS].cancel)
    elif kind == "wait future":
        await future
    elif kind == "set future":
        if not future.done():
            future.set_result(None)
    elif kind == "wait event":
        await world.event.wait()
    elif kind == "set event":
        world.event.set()
    elif kind == "clear event":
        world.event.clear()
    elif kind == "semaphore":
        await held(world.semaphore.acquire, world.semaphore.release, seconds)
    elif kind == "lock":
        await held(world.lock.acquire, world.lock.release, seconds)
    elif kind == "call":
        await sub(name, seconds)
    elif kind == "spawn":
        await asyncio.create_task(sub(name, seconds))
    elif kind == "fail":
        raise OSError("by lot")
    elif kind == "scope":
        await scope(name, seconds, x, y)
    elif kind == "uncancel":
        return str(asyncio.current_task().uncancel())
    elif kind == "limited sleep":
        await limited(seconds, asyncio.sleep(x % 4))
    elif index == TASKS - 1:
        return "nobody to wait for"
    elif kind == "await":
        await later(x)
    elif kind == "gather":
        await model.gather(later(x), later(y))
    elif kind == "gather all":
        await asyncio.gather(later(x), later(y), return_exceptions=True)
    elif kind == "shield":
        await model.shield(later(x))
    elif kind == "limited await":
        await limited(seconds, later(x))
    elif kind == "wait for some":
        mode = (asyncio.ALL_COMPLETED, asyncio.FIRST_COMPLETED, asyncio.FIRST_EXCEPTION)[y % 3]
        return f"{await model.wait({later(x), later(y)}, seconds, mode)} done"
    return "done"


async def actor(world, index, ops):
    for number, (kind, seconds, x, y, answer) in enumerate(ops):
        name = f"{index}.{number}"
        say(f"{name} {KINDS[kind]}")
        try:
            say(f"{name} {await do(world, name, index, KINDS[kind], seconds, x, y)}")
        except asyncio.CancelledError:
            say(f"{name} cancelled, {asyncio.current_task().cancelling()} asked")
            if answer == 0:
                raise
            if answer == 1:
                await asyncio.sleep(1)
                say(f"{name} has cleaned up")
                raise
        except TimeoutError:
            say(f"{name} timed out")
        except OSError as error:
            say(f"{name} failed: {error}")
            if answer == 0:
                raise
    say(f"{index} ends")


async def main(program):
    world = World()
    world.tasks = [asyncio.create_task(actor(world, index, ops))
                   for index, ops in enumerate(program)]
    for _ in range(OPS + 2):
        await asyncio.wait(world.tasks, timeout=50)
        say("main: " + ", ".join(outcome(task) for task in world.tasks))
        for task in world.tasks:
            task.cancel()


first, count = [int(argument) for argument in sys.argv[1:]] or (1, 300)
for seed in range(first, first + count):
    print(f"program {seed}", flush=True)
    model.run(main(draw_program(seed)))
