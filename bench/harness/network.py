# SPDX-License-Identifier: MIT
"""Servers and those who ask them.

A server is called `NAME PORT POOL`, prints a line when it listens on 127.0.0.1, and serves until SIGTERM;
POOL is how many threads it has for what blocks, 0 for none. One that is installed (nginx, h2o) is
called with a configuration, in which @PORT@ and @DIR@ are filled in. A server runs on the first CPU that
this process may use, its client on the last; what the server used is read from /proc.

All functions return metrics: {name: (value, unit)}. `operations` is how many there were in all, warm-up
included: what the server's system calls are divided by.
"""
import contextlib
import dataclasses
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time

TICK = 1 / os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
CPUS = sorted(os.sched_getaffinity(0))
SERVER_CPU, CLIENT_CPU = CPUS[0], CPUS[-1]
MICROSECONDS = {"us": 1, "ms": 1e3, "s": 1e6, "m": 6e7}
WARM_UP = 1  # seconds that each client begins with
PATIENCE = 5  # seconds that a server has to end


class Failed(Exception):
    """A server or a client that did not do what it should; the text says what."""


# ---- The server ----


@dataclasses.dataclass
class Usage:
    """What a process and its children have used so far."""

    cpu: float = 0.0  # seconds
    switches: int = 0  # context switches of the threads that there are
    memory: int = 0  # bytes, resident now

    def __sub__(self, earlier):
        return Usage(self.cpu - earlier.cpu, self.switches - earlier.switches,
                     self.memory - earlier.memory)


def family(pid):
    """The process and all that come from it."""
    children = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{entry}/stat", encoding="utf-8") as file:
                children.setdefault(int(file.read().rsplit(")", 1)[1].split()[1]), []).append(int(entry))
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        todo += children.get(found[-1], [])
    return found


def _switches(pid):
    count = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/task/{thread}/status", encoding="utf-8") as file:
                count += sum(map(int, re.findall(r"ctxt_switches:\s+(\d+)", file.read())))
    return count


def usage(pid):
    all_used = Usage()
    for process in family(pid):
        with contextlib.suppress(OSError):
            with open(f"/proc/{process}/stat", encoding="utf-8") as file:
                field = file.read().rsplit(")", 1)[1].split()
            with open(f"/proc/{process}/statm", encoding="utf-8") as file:
                all_used.memory += int(file.read().split()[1]) * PAGE
            all_used.cpu += (int(field[11]) + int(field[12])) * TICK
            all_used.switches += _switches(process)
    return all_used


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def raise_limit():
    """As many file descriptors as this process, and those it starts, may have."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class Server:
    """A server that listens, as long as the `with` lasts. `config` is the template of one that has one."""

    def __init__(self, argv, pool=0, env=None, config="", cpus=(SERVER_CPU,)):
        self.port = _free_port()
        self._argv, self._pool, self._env, self._config = list(argv), pool, env, config
        self.cpus = cpus
        self._folder = self._process = self._complaints = None

    def __enter__(self):
        raise_limit()
        self._folder = tempfile.mkdtemp(prefix="bench")
        self._complaints = tempfile.TemporaryFile("w+", encoding="utf-8")
        try:
            argv = self._configured() if self._config else [*self._argv, str(self.port), str(self._pool)]
            self._process = subprocess.Popen(
                argv, env=self._env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=self._complaints, text=True, start_new_session=True,
                preexec_fn=lambda: os.sched_setaffinity(0, self.cpus))
            self._wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
            self._process.stdout.close()
        self._complaints.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _configured(self):
        """Writes the configuration and a file to serve. The server may be another user."""
        os.chmod(self._folder, 0o755)
        with open(self._config, encoding="utf-8") as file:
            text = file.read().replace("@PORT@", str(self.port)).replace("@DIR@", self._folder)
        path = os.path.join(self._folder, os.path.basename(self._config))
        for name, content in ((path, text), (os.path.join(self._folder, "index.html"), "Hello, World!")):
            with open(name, "w", encoding="utf-8") as file:
                file.write(content)
        return [*self._argv, "-c", path]

    def _wait_until_ready(self):
        """Until it says so; one that has a configuration says nothing."""
        if not self._config:
            if not self._process.stdout.readline():
                raise Failed(f"the server did not start: {self._last_words()}")
            return
        for _ in range(200):
            with contextlib.suppress(OSError), self.connect():
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.05)
        raise Failed(f"the server did not start: {self._last_words()}")

    def _last_words(self):
        self._complaints.seek(0)
        return (self._complaints.read().strip() or "it said nothing").splitlines()[-1][:200]

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), 5)

    def usage(self):
        return usage(self._process.pid)

    @property
    def pid(self):
        return self._process.pid


# ---- The clients ----


def _ask(server, argv, timeout):
    """Runs a client; returns what it printed. It has a CPU of its own unless the server has them all."""
    cpus = (CLIENT_CPU,) if len(server.cpus) == 1 else CPUS
    done = subprocess.run([*argv], capture_output=True, text=True, timeout=timeout, check=False,
                          preexec_fn=lambda: os.sched_setaffinity(0, cpus))
    if done.returncode:
        last = (done.stderr.strip() or "printed nothing").splitlines()[-1]
        raise Failed(f"the client ended with {done.returncode}: {last[:200]}")
    return done.stdout


def _rows(output):
    """The lines WORKLOAD PEER METRIC VALUE UNIT."""
    fields = (line.split() for line in output.splitlines())
    return {field[2]: (float(field[3]), field[4]) for field in fields if len(field) == 5}


def _costs(before, server, operations, seconds):
    """What the server used for each operation."""
    used = server.usage() - before
    return {
        "server_cpu": (used.cpu / max(operations, 1) * 1e6, "us"),
        "server_ctxsw": (used.switches / max(operations, 1), "1"),
        "server_busy": (used.cpu / seconds * 100, "%"),
        "operations": (operations, "1"),
    }


def _requests(output):
    return int(re.search(r"(\d+) requests in", output).group(1))


def http(server, seconds, connections=64):
    """wrk, keep-alive, on one thread: requests/s, and what each took of the server."""
    url = f"http://127.0.0.1:{server.port}/"
    wrk = ["wrk", "-t1", f"-c{connections}", "--latency"]
    warm_up = _requests(_ask(server, [*wrk, f"-d{WARM_UP}s", url], 60))
    before, began = server.usage(), time.monotonic()
    output = _ask(server, [*wrk, f"-d{seconds}s", url], seconds + 60)
    if re.search(r"Non-2xx|Socket errors", output):
        raise Failed("not every request was answered")
    requests = _requests(output)
    metrics = _costs(before, server, requests, time.monotonic() - began)
    metrics["operations"] = (warm_up + requests, "1")
    metrics["req_per_s"] = (float(re.search(r"Requests/sec:\s+([\d.]+)", output).group(1)), "1/s")
    for quantile in ("50", "99"):
        value, unit = re.search(rf"\s{quantile}%\s+([\d.]+)(us|ms|s|m)\b", output).groups()
        metrics[f"p{quantile}"] = (float(value) * MICROSECONDS[unit], "us")
    return metrics


def echo(server, client, connections, size, seconds):
    """Messages there and back: how many a second, how long they took, what each took of the server."""
    return _measured(server, [client, "-", "-", server.port, connections, size, seconds], seconds, "messages")


def mixed(server, client, seconds, rate, slow_percent, connections=64):
    """Requests of which some block: `rate` a second, or with 0, the next when the last was answered."""
    argv = [client, "-", "-", server.port, connections, seconds, slow_percent, rate]
    return _measured(server, argv, seconds, "requests")


def _measured(server, argv, seconds, operation):
    before, began = server.usage(), time.monotonic()
    metrics = _rows(_ask(server, map(str, argv), seconds + 60))
    operations = metrics.pop(operation)[0]
    return metrics | _costs(before, server, operations, time.monotonic() - began)


REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
SETTLE = 0.3  # seconds, until a server has done what can wait


def idle(server, few, many):
    """What a connection holds of the server's memory when it has been used once (an echo gives back the
    request, which is an answer, too): the difference between few of them and many."""
    connections = []
    try:
        few_used = _open(server, connections, few)
        many_used = _open(server, connections, min(many, raise_limit() - 500))
    finally:
        for connection in connections:
            connection.close()
    more = len(connections) - few
    return {
        "bytes_per_connection": ((many_used - few_used).memory / more, "B"),
        "connections": (len(connections), "1"),
    }


def _open(server, connections, number):
    """Until there are so many connections. Returns what the server uses then."""
    while len(connections) < number:
        connections.append(server.connect())
        connections[-1].sendall(REQUEST)
        if not connections[-1].recv(1 << 16):
            raise Failed("the connection ended")
    time.sleep(SETTLE)
    return server.usage()
