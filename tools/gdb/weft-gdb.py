# SPDX-License-Identifier: MIT
"""
What the loops of a process were at, for gdb: of a live process, or of a core dump.

    (gdb) source weft-gdb.py
    (gdb) weft ps        tasks: state, where they wait and for what, who spawned them where
    (gdb) weft pstree    the same as a tree: tasks below those that spawned them, with their calls
    (gdb) weft pool      pools: what each thread is at, and what is queued in each lane

All is read from the structs of the library, which must have debugging information (-g); nothing is run in
the process. What cannot be read is told as "?", and a list that does not end is cut off.
"""

import gdb

MOST = 100000  # nothing is followed any further
CALL, NEXT_TICK, HAS_COLD, COMPLETED = 1, 8, 64, 32  # core/task.h, core/future.h
FINALLY, DONE = -1, -2  # include/weft/task.h
ALL_FLAGS = 4095


# ---- Reading ----


def type_of(name):
    try:
        return gdb.lookup_type(name)
    except gdb.error:
        raise gdb.GdbError("weft is not here, or was built without debugging information (-g)")


def static_of(name, file):
    """A variable that is private to a file of the library."""
    for symbol in gdb.lookup_static_symbols(name):
        if symbol.symtab.filename.endswith(file):
            return symbol.value()
    raise gdb.GdbError("weft is not here, or was built without debugging information (-g)")


def container(pointer, type_name, member):
    """The struct that has the object at `pointer` as its member."""
    outer = type_of(type_name)
    offset = next(f.bitpos // 8 for f in outer.fields() if f.name == member)
    return gdb.Value(int(pointer) - offset).cast(outer.pointer())


def clean(string):
    """What a terminal takes for nothing but characters: names are the program's, and may be anything."""
    return "".join(c if c.isprintable() and c != "\ufffd" else "?" for c in string)


def text(pointer, default="?"):
    """A text of C; a NULL is the default."""
    try:
        return clean(pointer.string("utf-8", "replace")) if int(pointer) else default
    except gdb.error:
        return "?"


def array_text(array):
    """The same of a text that is in a struct."""
    return clean(array.string("utf-8", "replace"))


def linked(first, member="next"):
    """The objects of a list, as they are linked."""
    at, seen = first, 0
    while int(at) and seen < MOST:
        yield at
        at, seen = at[member], seen + 1


def address(pointer):
    return "0x%x" % int(pointer)


def duration(ns):
    if ns < 1000000:
        return "%.1f us" % (ns / 1e3)
    return "%.1f ms" % (ns / 1e6) if ns < 1000000000 else "%.1f s" % (ns / 1e9)


def sources(kind):
    """The loops or pools that are listed, oldest first."""
    first = static_of("sources", "core/inspect/source.c")
    found = [s for s in linked(first) if text(s["ops"]["kind"]) == kind]
    return reversed(found)


def thread(tid):
    """A thread as gdb knows it: "thread 3 (LWP 4711)"."""
    for one in gdb.selected_inferior().threads():
        if one.ptid[1] == tid:
            return "thread %d (LWP %d)" % (one.num, tid)
    return "LWP %d" % tid


# ---- Tasks ----


class Coro:
    """A task, or a call within one: struct weft__coro."""

    def __init__(self, pointer):
        self.pointer = pointer
        self.flags = int(pointer["frame"]["weft_flags"])
        self.line = int(pointer["frame"]["weft_state"])
        self.id = int(pointer["id"])
        self.is_call = bool(self.flags & CALL)
        self.parent = 0 if self.is_call else int(pointer["parent"])
        self.spawned_at = text(pointer["spawned_at"])

    def name(self):
        future = self.pointer["future"]
        if int(future["word"]) & HAS_COLD and int(future["second"]["cold"]["name"]):
            return text(future["second"]["cold"]["name"])
        return text(self.pointer["code"]["name"])

    def place(self):
        """Where it waits, or waited last: "file:line"."""
        if self.line > 0:
            return "%s:%d" % (text(self.pointer["code"]["file"]), self.line)
        return {0: "not begun", FINALLY: "WEFT_FINALLY", DONE: "done"}.get(self.line, "?")

    def awaited(self):
        """The future that it waits for, while that is pending; None: none."""
        future = self.pointer["waiter"]["future"]
        if not int(future):
            return None
        flags = int(future["word"]) & ALL_FLAGS
        return None if flags & (COMPLETED | NEXT_TICK) else future

    def is_like(self, pointer):
        return int(self.pointer) == int(pointer)


def coro_of(future):
    """The coroutine behind a future, or None."""
    names = ("task", "call")
    if text(future["ops"]["name"]) not in names:
        return None
    ops = [s.value().address for n in ("task_ops", "call_ops") for s in gdb.lookup_static_symbols(n)
           if s.symtab.filename.endswith("core/coro.c")]
    if int(future["ops"]) not in [int(o) for o in ops]:
        return None
    return Coro(future.cast(type_of("struct weft__coro").pointer()))


class Loop:
    def __init__(self, source):
        self.pointer = container(source, "struct weft_loop", "source")
        self.id = int(self.pointer["id"])
        self.tid = int(self.pointer["tid"])

    def tasks(self):
        """Oldest first."""
        return [Coro(task) for task in linked(self.pointer["tasks"])][::-1]

    def starting(self):
        """Whose first steps are under way: who is started, and by whom."""
        return [(step["started"], step["caller"]) for step in linked(self.pointer["first_steps"], "outer")]

    def runs(self, coro):
        if coro.is_like(self.pointer["current"]):
            return True
        return any(coro.is_like(caller) for _, caller in self.starting())

    def chain(self, task):
        """The task, and the calls that it waits for, or is just starting, one in the other."""
        found, at = [task], task
        while len(found) < MOST:
            future = at.awaited()
            call = coro_of(future) if future is not None and not self.sleeps(at) else None
            for started, caller in self.starting():
                if call is None and at.is_like(caller):
                    call = Coro(started)
            if call is None or not call.is_call or any(call.is_like(c.pointer) for c in found):
                return found
            if not task.is_like(call.pointer["as"]["task"]):
                return found
            found.append(call)
            at = call
        return found

    def sleeps(self, coro):
        return int(coro.pointer["waiter"]["future"]) == int(self.pointer["asleep"].address)

    def state(self, task):
        chain = self.chain(task)
        if any(self.runs(coro) for coro in chain):
            return "running"
        if self.sleeps(chain[-1]) or chain[-1].awaited() is not None:
            return "waiting"
        return "new" if task.line == 0 else "ready"

    def waits_for(self, coro):
        """In words, what the innermost coroutine waits for; "": nothing."""
        if self.sleeps(coro):
            return "sleep"
        future = coro.awaited()
        if future is None:
            return ""
        other = coro_of(future)
        if other is not None:
            return "task %d (%s)" % (other.id, other.name()) if not other.is_call else "call " + other.name()
        kind = text(future["ops"]["name"])
        if kind == "job":
            job = future.cast(type_of("struct weft__job").pointer())
            return "job %s, started at %s" % (text(job["name"]), text(job["place"]))
        return "%s %s" % (kind, address(future))

    def describe(self):
        at = "running a task" if int(self.pointer["current"]) else \
            "polling" if int(self.pointer["polling"]) else \
            "in a tick" if int(self.pointer["in_tick"]) else "between ticks"
        tasks = int(self.pointer["task_count"])
        return "loop %d on %s: %d %s, %d jobs, %s" % (
            self.id, thread(self.tid), tasks, "task" if tasks == 1 else "tasks", int(self.pointer["jobs"]), at)


def each_loop():
    loops = [Loop(source) for source in sources("loop")]
    if not loops:
        print("no loops")
    return loops


# ---- Commands ----


class WeftCommand(gdb.Command):
    """Loops of weft: tasks, and the threads of pools. See "help weft ps" and its like."""

    def __init__(self):
        super().__init__("weft", gdb.COMMAND_STATUS, prefix=True)


def line_of(loop, task, indent=""):
    """#1 main  waiting at shop.c:40 for sleep  (spawned at shop.c:60): where the innermost call is."""
    innermost = loop.chain(task)[-1]
    state, waits_for = loop.state(task), loop.waits_for(innermost)
    line = "%s#%d %s  %s" % (indent, task.id, task.name(), state)
    if innermost.line != 0:
        line += (" after " if state == "running" else " at ") + innermost.place()
    if waits_for and state == "waiting":
        line += " for " + waits_for
    return line + "  (spawned at %s)" % task.spawned_at


class WeftPs(gdb.Command):
    """The tasks of all loops: id, name, state, where it waits and for what, and where it was spawned."""

    def __init__(self):
        super().__init__("weft ps", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        for loop in each_loop():
            print(loop.describe())
            for task in loop.tasks():
                print(line_of(loop, task, "  "))


class WeftPstree(gdb.Command):
    """The tasks of all loops as a tree, below those that spawned them, with the calls they are in."""

    def __init__(self):
        super().__init__("weft pstree", gdb.COMMAND_STATUS)

    def show(self, loop, task, depth):
        print(line_of(loop, task, "  " * depth))
        for call in loop.chain(task)[1:]:
            print("%s  in %s at %s" % ("  " * depth, call.name(), call.place()))

    def invoke(self, argument, from_tty):
        for loop in each_loop():
            print(loop.describe())
            tasks = loop.tasks()
            ids, children = {task.id for task in tasks}, {}
            for task in tasks:
                children.setdefault(task.parent if task.parent in ids else 0, []).append(task)
            left = [(root, 1) for root in reversed(children.pop(0, []))]
            while left:  # no recursion: a task may have spawned the next one thousands of times
                task, depth = left.pop()
                self.show(loop, task, depth)
                left += [(child, depth + 1) for child in reversed(children.pop(task.id, []))]


class WeftPool(gdb.Command):
    """The pools: the job that each thread runs, and how many are queued in each lane."""

    def __init__(self):
        super().__init__("weft pool", gdb.COMMAND_STATUS)

    def show(self, pool):
        print("pool %s: %d threads, %d idle, %d running a job" % (
            array_text(pool["thread_name"]), int(pool["threads"]), int(pool["idle_count"]), int(pool["running"])))
        for lane in linked(pool["lanes"]):
            queued = int(lane["line"]["count"]) + int(lane["behind"]["count"])
            print("  lane %s: %d running, %d queued" % (array_text(lane["name"]), int(lane["running"]), queued))
        for i in range(int(pool["places"])):
            worker = pool["workers"][i]
            job = gdb.Value(int(worker["job"])).cast(type_of("struct weft__job").pointer())
            if int(job):
                print("  %s: job %s in lane %s of loop %d, started at %s" % (
                    thread(int(worker["tid"])), text(job["name"]), array_text(job["lane"]["name"]),
                    int(job["future"]["loop_id"]), text(job["place"])))

    def invoke(self, argument, from_tty):
        pools = [container(source, "struct weft_pool", "source") for source in sources("pool")]
        if not pools:
            print("no pools")
        for pool in pools:
            self.show(pool.dereference())


WeftCommand()
WeftPs()
WeftPstree()
WeftPool()
