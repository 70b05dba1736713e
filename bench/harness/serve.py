# SPDX-License-Identifier: MIT
"""Between the plan and network.py: which client asks the server of a workload, and what is counted."""
import os
import subprocess

from harness import build, calls, machine, network

# How long a client asks, without its warm-up.
SECONDS, SHORT_SECONDS = 5, 2


def _client(name):
    return os.path.join(machine.RELEASE, name)


# By the name of a workload's client: what network.py calls so, with a case's args.
CLIENTS = {
    "http": lambda server, seconds, connections: network.http(server, seconds, connections),
    "echo": lambda server, seconds, connections, size: network.echo(
        server, _client("echo_client"), connections, size, seconds),
    "tls": lambda server, seconds, connections, size: network.echo(
        server, _client("tls_client"), connections, size, seconds),
    "mixed": lambda server, seconds, rate, slow_percent: network.mixed(
        server, _client("mixed_client"), seconds, rate, slow_percent),
    "idle": lambda server, seconds, few, many: network.idle(
        server, few, many if seconds == SECONDS else few * 4),
}

# What must be built besides the servers.
TARGETS = {"echo": {"echo_client"}, "tls": {"tls_client"}, "mixed": {"mixed_client", "mixed_node_block"}}


def _server(case, program):
    """The server, not started yet."""
    pool = case.pool
    added = {name: value.replace("{threads}", str(pool)) for name, value in program.env.items()}
    env = dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin", BENCH_BIN=machine.OTHERS, **added)
    cpus = network.CPUS if case.spread else (network.SERVER_CPU,)
    source = os.path.join(machine.BENCH, program.source)
    if source.endswith(".in"):
        return network.Server([program.family], pool, env, source, cpus)
    return network.Server(build.command(program), pool, env, "", cpus)


def _ask(workload, case, server, short):
    seconds = SHORT_SECONDS if short else SECONDS
    return CLIENTS[workload.client](server, seconds, *case.args)


def run(workload, case, program, short):
    """One run: ({metric: (value, unit)}, error)."""
    try:
        with _server(case, program) as server:
            return _ask(workload, case, server, short), ""
    except (network.Failed, OSError, subprocess.TimeoutExpired) as error:
        return {}, str(error)


def count_calls(workload, case, program, short):
    """System calls of the server for each operation; None where they cannot be counted."""
    if calls.counter() != "perf":
        return None
    try:
        with _server(case, program) as server, calls.Beside(network.family(server.pid)) as counted:
            found = _ask(workload, case, server, short)
            counted.stop()
    except (network.Failed, OSError, subprocess.TimeoutExpired):
        return None
    operations = found.get("operations", (0, ""))[0]
    return counted.number / operations if counted.number is not None and operations else None
