# SPDX-License-Identifier: MIT
"""Runs a server on one CPU and a client on another, and tells what the server used meanwhile."""
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from harness import build, calls, machine, processes

US = {"us": 1.0, "ms": 1e3, "s": 1e6, "m": 6e7}
START_SECONDS = 20


class ServeError(Exception):
    """The server or the client did not do its part."""


def pinned(cpu):
    """In front of a command, so that it runs on that CPU; nothing where there is only one."""
    cpus = sorted(os.sched_getaffinity(0))
    return ["taskset", "-c", str(cpus[cpu])] if len(cpus) > 1 else []


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for_port(port, process):
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    complaint = process.stderr.read().strip() or f"it did not listen within {START_SECONDS} s"
    raise ServeError(f"the server: {complaint.splitlines()[-1][:200]}")


def _fill(path, folder, port):
    """A configuration in `folder`, of which the source says @PORT@ and @DIR@."""
    with open(path, encoding="utf-8") as file:
        text = file.read().replace("@PORT@", str(port)).replace("@DIR@", folder)
    filled = os.path.join(folder, os.path.basename(path).removesuffix(".in"))
    with open(filled, "w", encoding="utf-8") as file:
        file.write(text)
    return filled


def _command(program, case, folder, port):
    source = os.path.join(machine.BENCH, program.source)
    if not source.endswith(".conf.in"):
        return [*build.command(program), str(port), *case.server]
    with open(os.path.join(folder, "index.html"), "w", encoding="utf-8") as page:
        page.write("Hello, World!")
    configuration = _fill(source, folder, port)
    name = os.path.basename(configuration).removesuffix(".conf")
    return [name, *(["-p", folder] if name == "nginx" else []), "-c", configuration]


@contextlib.contextmanager
def server(program, case):
    """The server while it runs: (process id, port)."""
    port = _free_port()
    folder = tempfile.mkdtemp(prefix="weft-bench-")
    os.chmod(folder, 0o755)  # a server may give up being root
    pool = case.server[0] if case.server else "0"
    added = {name: value.replace("{threads}", pool) for name, value in program.env.items()}
    path = os.environ["PATH"] + ":/usr/sbin"
    process = subprocess.Popen(
        [*([] if case.spread else pinned(0)), *_command(program, case, folder, port)],
        env=dict(os.environ, PATH=path, BENCH_BIN=machine.OTHERS, **added),
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        _wait_for_port(port, process)
        yield process.pid, port
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stderr.close()
        shutil.rmtree(folder, ignore_errors=True)


# ---- Clients ----


def _rows(output):
    found = {}
    for line in output.splitlines():
        field = line.split()
        if len(field) == 5:
            found[field[2]] = (float(field[3]), field[4])
    return found


def _wrk_rows(output):
    """What wrk says, as the lines of a program."""
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    count = re.search(r"(\d+) requests in", output)
    bad = re.search(r"Non-2xx or 3xx responses: \d+|Socket errors:.*", output)
    if not rate or not count or bad:
        raise ServeError(f"wrk: {bad.group(0) if bad else 'no figures'}")
    found = {"req_per_s": (float(rate.group(1)), "1/s"), "requests": (float(count.group(1)), "1")}
    for quantile in ("50", "99"):
        value = re.search(rf"\s{quantile}%\s+([\d.]+)(us|ms|s|m)\b", output)
        if value:
            found[f"p{quantile}"] = (float(value.group(1)) * US[value.group(2)], "us")
    return found


def _client(workload, case, program, port, quick):
    seconds = case.quick_client_seconds if quick else case.client_seconds
    if workload.client == "wrk":
        return ["wrk", "-t1", *case.args, f"-d{seconds}s", "--latency", f"http://127.0.0.1:{port}/"]
    name = workload.client.replace("/", "_")
    arguments = [argument.replace("{seconds}", str(seconds)) for argument in case.args]
    return [os.path.join(machine.RELEASE, name), workload.name, program.peer, str(port), *arguments]


def _ask(workload, command):
    """Runs the client to its end; what it printed."""
    done = subprocess.run([*pinned(-1), *command], capture_output=True, text=True, timeout=240,
                          check=False)
    if done.returncode:
        complaint = (done.stderr.strip() or "printed nothing").splitlines()[-1]
        raise ServeError(f"the client: {complaint[:200]}")
    found = _wrk_rows(done.stdout) if workload.client == "wrk" else _rows(done.stdout)
    if not found:
        raise ServeError("the client printed nothing")
    return found


def run(workload, case, program, quick, watch):
    """One run: ({metric: (value, unit)}, error)."""
    try:
        with server(program, case) as (pid, port):
            command = _client(workload, case, program, port, quick)
            if workload.client == "wrk":  # the others begin with a second of their own
                warm_up = [f"-d{1}s" if word.startswith("-d") else word for word in command]
                _ask(workload, warm_up)
            before, began = processes.usage(pid), time.monotonic()
            found = _ask(workload, command)
            after, seconds = processes.usage(pid), time.monotonic() - began
    except (ServeError, OSError, subprocess.TimeoutExpired) as error:
        return {}, str(error)
    cpu = after.cpu - before.cpu
    watch.unseen = after.children_cpu
    found["server_busy"] = (cpu / seconds * 100, "%")
    found["server_peak"] = (after.peak / 2**20, "MiB")
    count = found.get(workload.count, (0, ""))[0]
    if count:
        found["server_cpu"] = (cpu / count * 1e6, "us")
        found["server_memory"] = ((after.peak - before.resident) / count, "B")
    return found, ""


def count_calls(workload, case, program, quick):
    """System calls of the server for each operation; None where they cannot be counted."""
    if calls.counter() != "perf" or not workload.count:
        return None
    try:
        with server(program, case) as (pid, port):
            command = [*pinned(-1), *_client(workload, case, program, port, quick)]
            number, output = calls.count_beside(processes.family(pid), command)
            found = _wrk_rows(output) if workload.client == "wrk" else _rows(output)
    except (ServeError, OSError, subprocess.TimeoutExpired):
        return None
    operations = found.get(workload.count, (0, ""))[0]
    return number / operations if number is not None and operations else None
