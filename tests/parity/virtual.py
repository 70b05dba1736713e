# SPDX-License-Identifier: MIT
"""What virtual.h is to the C programs: a loop on virtual time, and a few lines all pairs share.

Time starts at 0 and jumps to the next timer when nothing else is left to do. It stands still
while a thread works for the loop.
"""
import asyncio
import selectors

_loop = None


class _Selector(selectors.DefaultSelector):
    def select(self, timeout=None):
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None or _loop.jobs:
            return super().select(None)
        _loop.now += timeout
        return []


class _Timer(asyncio.TimerHandle):
    """Of two that are due at the same time the older one comes first, which asyncio leaves open."""
    made = 0

    def __init__(self, *args):
        super().__init__(*args)
        _Timer.made += 1
        self.number = _Timer.made

    def __lt__(self, other):
        return (self._when, self.number) < (other._when, other.number)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self):
        super().__init__(_Selector())
        asyncio.events.TimerHandle = _Timer
        self.now = 0.0
        self.jobs = 0

    def time(self):
        return self.now

    def run_in_executor(self, executor, func, *args):
        def done(_):
            self.jobs -= 1

        self.jobs += 1
        job = super().run_in_executor(executor, func, *args)
        job.add_done_callback(done)
        return job


def new_loop():
    """asyncio.new_event_loop(), on virtual time."""
    global _loop
    _loop = _Loop()
    return _loop


def run(main):
    """asyncio.run(main), on virtual time."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(main)


def say(text):
    """Print the loop's time, in seconds, and a text."""
    print(f"[{_loop.time():g}] {text}", flush=True)


def say_soon(text):
    _loop.call_soon(say, text)


def say_later(seconds, text):
    _loop.call_later(seconds, say, text)


def say_when_done(future, text):
    future.add_done_callback(lambda _: say(text))


def say_reports():
    """Print the failures that nobody looked at."""
    _loop.set_exception_handler(lambda _, report: say(f"reported: {report['exception']}"))


def outcome(future):
    """In words: how a future ended, if it did."""
    if not future.done():
        return "pending"
    error = asyncio.CancelledError() if future.cancelled() else future.exception()
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    if error is not None:
        return f"failed: {str(error) or 'timed out'}"
    return f"returned {future.result() or 'nothing'}"


async def work(name, seconds=0, error=None):
    """Takes its time, then returns its name or fails."""
    say(f"{name} begins")
    try:
        await asyncio.sleep(seconds)
        if error:
            raise OSError(error)
        say(f"{name} ends")
        return name
    except asyncio.CancelledError:
        say(f"{name} is cancelled")
        raise


async def tidy(name, seconds, cleanup):
    """Takes its time; when it is cancelled, cleans up first, and that takes time as well."""
    say(f"{name} begins")
    try:
        await asyncio.sleep(seconds)
        say(f"{name} ends")
    except asyncio.CancelledError:
        say(f"{name} cleans up")
        await asyncio.sleep(cleanup)
        say(f"{name} has cleaned up")
        raise


async def stubborn(name, seconds):
    """Takes its time; when it is cancelled, returns its name all the same."""
    say(f"{name} begins")
    try:
        await asyncio.sleep(seconds)
        say(f"{name} ends")
    except asyncio.CancelledError:
        say(f"{name} swallows a cancel")
    return name


async def steps(name, count):
    """Says which step it is, a tick each."""
    for step in range(1, count + 1):
        say(f"{name} {step}")
        await asyncio.sleep(0)


async def awaits(awaitable):
    await awaitable


async def count_ticks(what, task):
    """Says how many ticks pass until a task is done."""
    ticks = 0
    while not task.done():
        await asyncio.sleep(0)
        ticks += 1
    say(f"{what}: {outcome(task)} after {ticks} ticks")
