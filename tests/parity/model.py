# SPDX-License-Identifier: MIT
"""asyncio with weft's rules where weft is better on purpose (the lines with ≠ in the semantics).

- A result that is there is not lost to a cancel: the request waits for the next await. So it is with
  the results of gathers, shields and waits. (A lock that was granted passes on, as in asyncio.)
- A request that nobody delivered when the task returns does not count. If it came from a task that
  waits for this one, that has it back.
- The last request that is taken back is not delivered any more (as in Python 3.13).
- A timeout block knows what was asked for before it was entered (as in Python 3.12).
- A task group that fails takes back its own cancel of its task, and keeps those of
  others (as in Python 3.13) that came since it was entered.
- A cancelled gather ends when all its children have ended.
"""
import asyncio
import contextlib
import virtual


def _is_cancelled(future):
    return future.done() and (future.cancelled()
                              or isinstance(future.exception(), asyncio.CancelledError))


class Task(asyncio.tasks._PyTask):
    state = "new"
    waits_for = None
    late = False  # a request waits for the next await
    for_others = False  # it came from a task that waits for this one
    asked_by_others = False
    asked_on = False  # a request went on to what this one waits for
    undelivered = False  # done, and a request of others never came to be heard
    passes_on = False
    _depth = 0

    def _Task__step(self, exc=None):
        if self.asked_on and getattr(self.waits_for, "undelivered", False) and self.cancelling():
            self.late = self.for_others = True
        if self.waits_for is not None and _is_cancelled(self.waits_for):
            self.late = self.for_others = False  # that answers all requests made before it
        self.asked_on = False
        self.state = "running"
        super()._Task__step(exc)
        self.waits_for = self._fut_waiter
        self.state = "yielded" if self._fut_waiter is None else "waiting"
        if self.done():
            self.undelivered = self.late and self.for_others
        elif self.late and self._fut_waiter is None:
            self._must_cancel = True
            self.late = False
        elif self.late:
            self.late = not self._pass_on(None)

    def _pass_on(self, msg):
        self.asked_on = True
        Task._depth += 1
        try:
            return self._fut_waiter.cancel(msg)
        finally:
            Task._depth -= 1

    def cancel(self, msg=None):
        waits_for = self._fut_waiter
        if self.done() or self.passes_on or self.state in ("new", "yielded"):
            return super().cancel(msg)
        if waits_for is not None and _is_cancelled(waits_for):
            return super().cancel(msg)
        self._num_cancels_requested += 1
        self.asked_by_others |= Task._depth > 0
        if waits_for is None or waits_for.done() or not self._pass_on(msg):
            self.late = True
            self.for_others |= Task._depth > 0
        return True

    def uncancel(self):
        left = super().uncancel()
        if left == 0:
            self.late = self._must_cancel = False
        return left


@contextlib.contextmanager
def passed_on():
    """What is awaited here passes on when it was granted and then cancelled."""
    task = asyncio.current_task()
    task.passes_on = True
    try:
        yield
    finally:
        task.passes_on = False


class _Outer(asyncio.Future):
    def __init__(self, *inner):
        super().__init__()
        self.inner = inner
        self.asked = False


class _Gather(_Outer):
    def cancel(self, msg=None):
        if self.done():
            return False
        asked = [inner.cancel(msg) for inner in self.inner]
        self.asked |= any(asked)
        return self.asked


def gather(*inner):
    outer = _Gather(*inner)
    left = len(inner)

    def done(one):
        nonlocal left
        left -= 1
        error = asyncio.CancelledError() if one.cancelled() else one.exception()
        if outer.done():
            return
        if error and not outer.asked:
            outer.set_exception(error)
        elif left == 0 and outer.asked:
            outer.set_exception(asyncio.CancelledError())
        elif left == 0:
            outer.set_result(None)

    for one in inner:
        one.add_done_callback(done)
    return outer


class _Shield(_Outer):
    def cancel(self, msg=None):
        return not self.inner[0].done() and super().cancel(msg)


def shield(inner):
    outer = _Shield(inner)

    def done(_):
        if not outer.done():
            error = asyncio.CancelledError() if inner.cancelled() else inner.exception()
            outer.set_exception(error) if error else outer.set_result(inner.result())

    if inner.done():
        return inner
    inner.add_done_callback(done)
    return outer


class _Waiter(_Outer):
    enough = None

    def cancel(self, msg=None):
        return not self.enough() and super().cancel(msg)


async def wait(inner, timeout, mode):
    def ends_it(one):
        failed = one.done() and not one.cancelled() and one._exception is not None
        return (mode == asyncio.FIRST_COMPLETED and one.done()
                or mode == asyncio.FIRST_EXCEPTION and failed)

    def enough():
        return all(one.done() for one in inner) or any(ends_it(one) for one in inner)

    def wake(one=None):  # None: the time is over
        nonlocal left
        left -= one is not None
        if not waiter.done() and (one is None or left == 0 or ends_it(one)):
            waiter.set_result(None)

    waiter = _Waiter(*inner)
    waiter.enough = enough
    left = len(inner)
    timer = asyncio.get_running_loop().call_later(timeout, wake)
    for one in inner:
        one.add_done_callback(wake)
    try:
        await waiter
    finally:
        timer.cancel()
        for one in inner:
            one.remove_done_callback(wake)
    return sum(one.done() for one in inner)


class _InOrder(dict):
    """A set that keeps its order, which asyncio leaves open."""

    def add(self, one):
        self[one] = None

    def discard(self, one):
        self.pop(one, None)


class TaskGroup(asyncio.TaskGroup):
    def __init__(self):
        super().__init__()
        self._tasks = _InOrder()

    async def __aenter__(self):
        self._before = asyncio.current_task().cancelling()
        return await super().__aenter__()

    async def __aexit__(self, *raised):
        taken_back = self._parent_cancel_requested
        try:
            await super().__aexit__(*raised)
        except asyncio.CancelledError:
            self._parent_task.late = False
            raise
        except ExceptionGroup:
            if self._parent_cancel_requested and not taken_back:
                self._parent_task.uncancel()
                self._parent_task.late = False
            if self._parent_task.cancelling() > self._before:
                self._parent_task.uncancel()
                self._parent_task.cancel()
                self._parent_task.for_others |= self._parent_task.asked_by_others
            raise


class timeout:
    """asyncio.timeout()"""

    def __init__(self, seconds):
        self.seconds = seconds
        self.expired = False

    async def __aenter__(self):
        loop = asyncio.get_running_loop()
        self.task = asyncio.current_task()
        self.before = self.task.cancelling()
        self.timer = (loop.call_later(self.seconds, self.expire) if self.seconds > 0
                      else loop.call_soon(self.expire))

    def expire(self):
        self.expired = True
        self.alone = not self.task.late
        self.task.cancel()

    async def __aexit__(self, kind, error, traceback):
        self.timer.cancel()
        if self.expired and self.task.uncancel() <= self.before:
            self.task.late &= not self.alone
            if kind is asyncio.CancelledError:
                raise TimeoutError


def new_loop():
    loop = virtual.new_loop()
    loop.set_exception_handler(lambda *_: None)
    loop.set_task_factory(lambda loop, coro, **options: Task(coro, loop=loop, **options))
    return loop


def run(main):
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main)
