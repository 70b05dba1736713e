# SPDX-License-Identifier: MIT
"""What is measured: workloads, their cases, and the programs that run them.

To add a peer: a line in its folder's list below, and one in peers.FAMILIES if it is a new family.
"""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Program:
    """One peer's way to run a workload; `env` chooses a variant of the source."""

    peer: str
    family: str
    source: str
    env: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Case:
    """One table.

    A program is called with `args`; {n} is how often: at most `n`, scaled to `seconds` unless these
    are 0. A server is called with a port and `pool`; `args` are of the client (serve.CLIENTS).
    """

    name: str
    args: tuple
    n: int = 0
    seconds: float = 1.0
    per: int = 1  # operations in each of n
    pool: int = 0
    spread: bool = False  # the server may use all CPUs


COLUMNS = ("cpu_ns_per_op", "ctxsw_per_op")


@dataclasses.dataclass(frozen=True)
class Workload:
    name: str
    title: str
    cases: tuple
    programs: tuple
    columns: tuple = COLUMNS
    key: str = "ns_per_op"
    check: str = ""  # the metric whose ratio `--check` compares; empty: the key
    floor: str = "cacheline_rt_2core"
    client: str = ""  # of a server: a key of serve.CLIENTS
    calls: bool = True  # whether system calls an operation can be told from runs of two lengths
    rounds: int = 5
    quick_cases: tuple = ()  # those that the quick form runs; empty: all
    noise: float = 0.40  # `--check` tells no ratios apart that are closer than this: kinds of CPUs differ so much
    repeats: int = 1  # how often weft's programs run in a round; the key is their median, `longest` their most
    warms_up: float = 0.0  # operations before those that count, as a share of them

    @property
    def checked(self):
        return self.check or self.key


def programs(folder, *rows):
    """Rows: (peer, family, file[, env])."""
    return tuple(Program(row[0], row[1], f"{folder}/{row[2]}", *row[3:]) for row in rows)


# How far two CPUs are apart changes by the minute on a virtual machine, and peers feel it differently.
BETWEEN_THREADS = 1.0

UVLOOP = {"LOOP": "uvloop"}


def mode(name):
    return {"MODE_": name}


OFFLOAD = (
    ("weft", "weft", "weft.c"),
    ("weft_await", "weft", "weft_await.c"),
    ("libuv", "libuv", "libuv.c"),
    ("libevent", "libevent", "libevent.c"),
    ("libevent_pipe", "libevent", "libevent_pipe.c"),
    ("glib", "glib", "glib.c"),
    ("gtask", "glib", "gtask.c"),
    ("asio", "asio", "asio.cpp"),
    ("asio_reactor", "asio", "asio.cpp", {"REACTOR_": "1"}),
    ("tokio", "tokio", "tokio.rs"),
    ("go", "go", "go.go"),
    ("go_locked", "go", "go.go", {"MODE": "locked"}),
    ("node", "node", "node.js", {"UV_THREADPOOL_SIZE": "{threads}"}),
    ("asyncio", "asyncio", "asyncio_.py"),
    ("asyncio_to_thread", "asyncio", "asyncio_.py", {"DISPATCH": "to_thread"}),
    ("uvloop", "uvloop", "asyncio_.py", UVLOOP),
)
PARKED = ("weft_parked", "weft", "weft.c", mode("park"))


def offload_case(threads, in_flight, n, sleep_us=0):
    name = "1 worker" if threads == 1 else f"{threads} workers"
    args = (str(threads), str(in_flight), "{n}", str(sleep_us))
    return Case(name, args, n, seconds=0 if sleep_us else 1.0)


ROUND_TRIP = Workload(
    "round-trip",
    "A job to a thread and back, one in flight",
    (offload_case(4, 1, 200000), offload_case(1, 1, 200000)),
    programs("offload", OFFLOAD[0], PARKED, *OFFLOAD[1:]),
    noise=BETWEEN_THREADS,
    warms_up=0.1,
)
THROUGHPUT = Workload(
    "throughput",
    "Jobs to threads and back, 1,024 in flight",
    (offload_case(4, 1024, 2000000), offload_case(1, 1024, 2000000)),
    programs("offload", *OFFLOAD),
    check="cpu_ns_per_op",
    noise=BETWEEN_THREADS,
    warms_up=0.1,
)
FAN_OUT = Workload(
    "fan-out",
    "1,000 sleeps of 1 ms on 64 threads",
    (dataclasses.replace(offload_case(64, 1000, 1000, 1000), name="64 workers"),),
    programs("offload", *OFFLOAD),
    key="wall",
    columns=("longest", "runs", *COLUMNS),
    floor="",
    calls=False,
    repeats=34,
)

POSTS = Workload(
    "posts",
    "Callbacks posted to the loop by two threads",
    (Case("2 threads", ("2", "{n}"), 2000000),),
    programs(
        "post",
        ("weft", "weft", "weft.c"),
        ("weft_alloc", "weft", "weft.c", mode("alloc")),
        ("libuv", "libuv", "libuv.c"),
        ("libevent", "libevent", "libevent.c"),
        ("libevent_once", "libevent", "libevent_once.c"),
        ("glib", "glib", "glib.c"),
        ("asio", "asio", "asio.cpp"),
        ("asio_reactor", "asio", "asio.cpp", {"REACTOR_": "1"}),
        ("tokio_mpsc", "tokio", "tokio.rs"),
        ("tokio_spawn", "tokio", "tokio.rs", {"MODE": "spawn"}),
        ("go", "go", "go.go", {"MODE": "goroutine"}),
        ("go_locked", "go", "go.go"),
        ("node", "node", "node.js"),
        ("asyncio", "asyncio", "asyncio_.py"),
        ("uvloop", "uvloop", "asyncio_.py", UVLOOP),
    ),
    floor="push_from_2_threads",
    noise=BETWEEN_THREADS,
)

SCHED = (
    ("weft", "weft", "weft.c"),
    ("libuv_idle", "libuv", "libuv.c"),
    ("libuv_timer0", "libuv", "libuv.c", mode("timer")),
    ("libevent_active", "libevent", "libevent.c"),
    ("libevent_once", "libevent", "libevent.c", mode("once")),
    ("glib_source", "glib", "glib.c"),
    ("glib_idle_add", "glib", "glib.c", mode("add")),
    ("asio_post", "asio", "asio.cpp"),
    ("asio_post_reactor", "asio", "asio.cpp", {"REACTOR_": "1"}),
    ("asio_coro", "asio", "asio.cpp", mode("coro")),
    ("asio_coro_reactor", "asio", "asio.cpp", {"MODE_": "coro", "REACTOR_": "1"}),
    ("tokio", "tokio", "tokio.rs"),
    ("tokio_yield", "tokio", "tokio.rs", mode("yield")),
    ("go_1p", "go", "go.go", {"GOMAXPROCS": "1"}),
    ("go", "go", "go.go"),
    ("node_immediate", "node", "node.js"),
    ("node_microtask", "node", "node.js", mode("microtask")),
    ("node_promise", "node", "node.js", mode("promise")),
    ("asyncio", "asyncio", "asyncio_.py"),
    ("uvloop", "uvloop", "asyncio_.py", UVLOOP),
)
CHAIN = Workload(
    "chain",
    "Callbacks that schedule the next one",
    (Case("one chain", ("chain", "{n}"), 10000000),),
    programs("sched", SCHED[0], ("weft_call_soon", "weft", "weft.c", mode("soon")), *SCHED[1:]),
    floor="indirect_call",
    check="cpu_ns_per_op",
)
YIELD = Workload(
    "yield",
    "Tasks that let others run",
    (Case("1,000 tasks", ("yield", "1000", "{n}"), 10000, per=1000),),
    programs("sched", *(row for row in SCHED if row[0] != "tokio_yield")),
    floor="indirect_call",
    check="cpu_ns_per_op",
)
CALL = Workload(
    "call",
    "A coroutine calls and awaits another",
    (Case("one caller", ("call", "{n}"), 10000000),),
    programs(
        "sched",
        ("weft", "weft", "weft.c"),
        ("weft_spawn", "weft", "weft.c", mode("spawn")),
        ("asio_coro", "asio", "asio.cpp", mode("coro")),
        ("tokio", "tokio", "tokio.rs"),
        ("tokio_inline", "tokio", "tokio.rs", mode("inline")),
        ("tokio_spawn", "tokio", "tokio.rs", mode("spawn")),
        ("asio_coro_spawn", "asio", "asio.cpp", mode("spawn")),
        ("go_1p", "go", "go.go", {"GOMAXPROCS": "1"}),
        ("go_1p_spawn", "go", "go.go", {"GOMAXPROCS": "1", "MODE_": "spawn"}),
        ("node_promise", "node", "node.js", mode("promise")),
        ("asyncio", "asyncio", "asyncio_.py"),
        ("asyncio_spawn", "asyncio", "asyncio_.py", mode("spawn")),
        ("uvloop", "uvloop", "asyncio_.py", UVLOOP),
    ),
    floor="indirect_call",
    check="cpu_ns_per_op",
)

SLEEPING = Workload(
    "sleeping",
    "Tasks that sleep at the same time",
    (
        Case("1,000,000 tasks", ("{n}", "10000"), 1000000, seconds=0),
        Case("10,000 tasks", ("{n}", "1000"), 10000, seconds=0),
    ),
    programs(
        "tasks",
        ("weft", "weft", "weft.c"),
        ("libuv", "libuv", "libuv.c"),
        ("libevent", "libevent", "libevent.c"),
        ("libevent_embed", "libevent", "libevent_embed.c"),
        ("glib", "glib", "glib.c"),
        ("asio_timer", "asio", "asio.cpp"),
        ("asio_coro", "asio", "asio.cpp", mode("coro")),
        ("tokio", "tokio", "tokio.rs"),
        ("go", "go", "go.go"),
        ("node", "node", "node.js"),
        ("asyncio", "asyncio", "asyncio_.py"),
        ("uvloop", "uvloop", "asyncio_.py", UVLOOP),
    ),
    key="bytes_per_task",
    columns=("overhead", "cpu", "peak_rss"),
    floor="",
    calls=False,
    rounds=3,
    quick_cases=("10,000 tasks",),
)

TIMERS = Workload(
    "timers",
    "Timers inserted, and cancelled in random order; others that expire",
    (
        Case("1,000,000 timers", ("{n}",), 1000000, seconds=0),
        Case("100,000 timers", ("{n}",), 100000, seconds=0),
    ),
    programs(
        "timers",
        ("weft", "weft", "weft.c"),
        ("weft_at", "weft", "weft.c", mode("at")),
        ("weft_future", "weft", "weft.c", mode("future")),
        ("libuv", "libuv", "libuv.c"),
        ("libevent", "libevent", "libevent.c"),
        ("libevent_locked", "libevent", "libevent.c", {"THREADS_": "1"}),
        ("glib", "glib", "glib.c"),
        ("asio", "asio", "asio.cpp"),
        ("tokio", "tokio", "tokio.rs"),
        ("go", "go", "go.go"),
        ("node", "node", "node.js"),
        ("asyncio", "asyncio", "asyncio_.py"),
        ("uvloop", "uvloop", "asyncio_.py", UVLOOP),
    ),
    key="pair",
    columns=("insert", "cancel", "expire"),
    floor="",
    calls=False,
    quick_cases=("100,000 timers",),
)

GATHER = Workload(
    "gather",
    "Tasks started and awaited together",
    (Case("100,000 tasks", ("100000", "{n}"), 50, per=100000),),
    programs(
        "gather",
        ("weft", "weft", "weft.c"),
        ("asio_coro", "asio", "asio.cpp"),
        ("tokio", "tokio", "tokio.rs"),
        ("go", "go", "go.go"),
        ("node", "node", "node.js"),
        ("asyncio", "asyncio", "asyncio_.py"),
        ("uvloop", "uvloop", "asyncio_.py", UVLOOP),
    ),
    floor="malloc_free_64",
    check="cpu_ns_per_op",
)

HTTP = Workload(
    "http",
    "HTTP requests on 64 connections that stay open; server and client on a CPU each",
    (Case("64 connections", (64,)),),
    programs(
        "http",
        ("weft", "weft", "weft.c"),
        ("raw_epoll", "linux", "raw_epoll.c"),
        ("libevent_event", "libevent", "libevent_event.c"),
        ("libevent_bufferevent", "libevent", "libevent_bufferevent.c"),
        ("evhttp", "libevent", "evhttp.c"),
        ("libuv_raw", "libuv", "libuv.c"),
        ("asio_raw", "asio", "asio.cpp"),
        ("mhd_epoll", "mhd", "mhd.c"),
        ("nginx", "nginx", "nginx.conf.in"),
        ("h2o", "h2o", "h2o.conf.in"),
        ("hyper", "tokio", "hyper.rs"),
        ("go", "go", "go.go", {"GOMAXPROCS": "1"}),
        ("node", "node", "node.js"),
        ("aiohttp_asyncio", "aiohttp", "aiohttp_.py"),
        ("aiohttp_uvloop", "aiohttp", "aiohttp_.py", UVLOOP),
    ),
    key="server_cpu",
    columns=("server_ctxsw", "req_per_s", "p50", "p99", "server_busy"),
    client="http",
    rounds=3,
)

ECHO = Workload(
    "echo",
    "Messages that come back, each connection one at a time",
    (
        Case("1 connection, 64 B", (1, 64)),
        Case("1 connection, 64 KiB", (1, 65536)),
        Case("1,000 connections, 64 B", (1000, 64)),
        Case("1,000 connections, 64 KiB", (1000, 65536)),
    ),
    programs(
        "echo",
        ("weft", "weft", "weft.c"),
        ("libuv", "libuv", "libuv.c"),
        ("libevent", "libevent", "libevent.c"),
        ("asio", "asio", "asio.cpp"),
        ("tokio", "tokio", "tokio.rs"),
        ("go", "go", "go.go", {"GOMAXPROCS": "1"}),
        ("node", "node", "node.js"),
        ("asyncio", "asyncio", "asyncio_.py"),
        ("uvloop", "uvloop", "asyncio_.py", UVLOOP),
    ),
    key="server_cpu",
    columns=("messages_per_s", "server_ctxsw", "p50", "p99", "server_busy"),
    client="echo",
    rounds=3,
)

TLS = Workload(
    "tls",
    "TLS 1.3: handshakes with a P-256 certificate, and messages that come back",
    (
        Case("handshakes, 64 at a time", (64, 0)),
        Case("64 connections, 64 B", (64, 64)),
        Case("64 connections, 64 KiB", (64, 65536)),
    ),
    programs(
        "tls",
        ("weft", "weft", "weft.c"),
        ("libevent", "libevent", "libevent.c"),
        ("openssl_threads", "linux", "threads.c"),
    ),
    key="server_cpu",
    columns=("messages_per_s", "server_ctxsw", "p50", "p99", "server_busy"),
    client="tls",
    rounds=3,
)

MIXED = programs(
    "http",
    ("libuv", "libuv", "libuv.c"),
    ("asio", "asio", "asio.cpp"),
    ("evhttp", "libevent", "evhttp.c"),
    ("evhttp_naive", "libevent", "evhttp.c", mode("naive")),
    ("mhd_percon", "mhd", "mhd.c", mode("percon")),
    ("hyper", "tokio", "hyper.rs"),
    ("go_1p", "go", "go.go", {"GOMAXPROCS": "1"}),
    ("go_2p", "go", "go.go", {"GOMAXPROCS": "2"}),
    ("go_parked", "go", "go.go", {"GOMAXPROCS": "1", "MODE_": "sleep"}),
    ("node", "node", "node.js", {"UV_THREADPOOL_SIZE": "{threads}"}),
    ("aiohttp_asyncio", "aiohttp", "aiohttp_.py"),
    ("aiohttp_uvloop", "aiohttp", "aiohttp_.py", UVLOOP),
)


def mixed(name, title, *cases):
    """Cases: (name, requests a second or 0, how many of 100 block, threads for these)."""
    return Workload(
        name,
        title,
        tuple(Case(text, (rate, slow), pool=pool) for text, rate, slow, pool in cases),
        (Program("weft", "weft", "mixed/weft.c"), *MIXED),
        key="fast_p99",
        columns=("fast_p50", "fast_p999", "slow_p50", "slow_p99", "req_per_s", "server_cpu"),
        check="server_cpu",
        client="mixed",
        calls=False,
        rounds=3,
    )


MIXED_CLOSED = mixed(
    "mixed-closed",
    "Of 100 HTTP requests 10 block for 10 ms, on 64 connections without a pause",
    ("64 threads", 0, 10, 64),
    ("64 threads, none blocks", 0, 0, 64),
)
MIXED_OPEN = mixed(
    "mixed-open",
    "Of 100 HTTP requests 10 block for 10 ms; they arrive by chance, 2,000 a second",
    ("8 threads", 2000, 10, 8),
    ("8 threads, none blocks", 2000, 0, 8),
)

IDLE = Workload(
    "idle",
    "Memory of a connection that has been used once",
    (Case("as many as there can be, at most 19,000", (1000, 19000)),),
    (*HTTP.programs, *(dataclasses.replace(program, peer=f"{program.peer}_echo")
                       for program in ECHO.programs)),
    key="bytes_per_connection",
    columns=("connections",),
    floor="",
    client="idle",
    calls=False,
    rounds=3,
)

STARVATION = Workload(
    "starvation",
    "Quick jobs beside a flood of slow ones, as against alone",
    (Case("8 threads", (), seconds=0),),
    programs("starvation", ("weft", "weft", "weft.c"), ("libuv", "libuv", "libuv.c")),
    key="times_as_long",
    check="beside_p99",
    columns=("alone_p99", "beside_p99"),
    floor="",
    calls=False,
    rounds=3,
)

SCALING = Workload(
    "scaling",
    "HTTP requests of 50 µs of computing, on 64 connections, by one loop and by two",
    (Case("64 connections", (64,), spread=True),),
    programs(
        "scaling",
        ("weft", "weft", "serve.c", {"LOOPS": "1"}),
        ("weft_2_loops", "weft", "serve.c", {"LOOPS": "2"}),
    ),
    key="req_per_s",
    columns=("server_cpu", "p50", "p99", "server_busy"),
    floor="",
    client="http",
    calls=False,
    rounds=3,
)
LOOPS = Workload(
    "loops",
    "Tasks started and awaited, by one loop and by two that do not know each other",
    (Case("64 tasks that start others", ("{n}",), 5000000),),
    programs(
        "scaling",
        ("weft", "weft", "loops.c", {"LOOPS": "1"}),
        ("weft_2_loops", "weft", "loops.c", {"LOOPS": "2"}),
    ),
    floor="",
    calls=False,
)
GROWTH = Workload(
    "growth",
    "What one of 1,000 costs, and what one of a million",
    (Case("task", ("task",)), Case("timer", ("timer",)), Case("job", ("job",))),
    programs(
        "scaling",
        ("weft", "weft", "growth.c", {"COUNT": "1000"}),
        ("weft_10k", "weft", "growth.c", {"COUNT": "10000"}),
        ("weft_100k", "weft", "growth.c", {"COUNT": "100000"}),
        ("weft_1m", "weft", "growth.c", {"COUNT": "1000000"}),
    ),
    key="cpu_ns_per_op",
    columns=("ns_per_op",),
    floor="",
    calls=False,
)
CONNECTIONS = dataclasses.replace(
    ECHO,
    name="connections",
    title="Messages of 64 B that come back, on more and more connections",
    cases=tuple(Case(f"{count:,} connections", (count, 64)) for count in (100, 1000, 10000, 19000)),
    calls=False,
    quick_cases=("100 connections", "1,000 connections"),
)

FILES = Workload(
    "files",
    "Calls for a file, one after another",
    (Case("4 KiB in the page cache", ("200",), seconds=0),),
    programs("files", ("weft", "weft", "weft.c"), ("syscalls", "linux", "syscalls.c"),
             ("libuv", "libuv", "libuv.c")),
    key="read",
    columns=("write", "write_sync", "replace", "line"),
    floor="",
    calls=False,
    rounds=3,
)

WORKLOADS = {
    workload.name: workload
    for workload in (
        ROUND_TRIP, THROUGHPUT, FAN_OUT, POSTS, CHAIN, YIELD, CALL, SLEEPING, TIMERS, GATHER,
        HTTP, MIXED_CLOSED, MIXED_OPEN, ECHO, TLS, IDLE, SCALING, LOOPS, GROWTH, CONNECTIONS,
        STARVATION, FILES,
    )
}  # fmt: skip


class PlanError(Exception):
    """What was asked for is not there."""


def choose(names):
    """The workloads of these names, all without names."""
    unknown = [name for name in names if name not in WORKLOADS]
    if unknown:
        raise PlanError(f"there is no workload {unknown[0]}; there are: {' '.join(WORKLOADS)}")
    return [WORKLOADS[name] for name in names or WORKLOADS]


def choose_peers(workload, wanted, families):
    """weft's programs and those of `wanted`: all, none, or any of c and names of peers and families."""
    names = set(wanted.split(","))

    def is_wanted(program):
        return (program.family == "weft" or names & {"all", program.peer, program.family}
                or ("c" in names and families[program.family].is_c))

    return [program for program in workload.programs if is_wanted(program)]


def check_peers(wanted, families):
    known = {"all", "c", "none", *families}
    known.update(program.peer for workload in WORKLOADS.values() for program in workload.programs)
    for name in wanted.split(","):
        if name not in known:
            raise PlanError(f"there is no peer {name}; there are: all c none {' '.join(families)}")
