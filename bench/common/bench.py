# SPDX-License-Identifier: MIT
"""bench.h for Python: what the process has used so far, and the lines that a program prints."""
import asyncio
import os
import resource
import time


def usage_now():
    """Wall time and CPU time in nanoseconds, context switches."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = (used.ru_utime + used.ru_stime) * 1e9
    return time.monotonic_ns(), cpu, used.ru_nvcsw + used.ru_nivcsw


def emit(workload, peer, metric, value, unit):
    print(f"{workload} {peer} {metric} {value:.6g} {unit}", flush=True)


def emit_ops(workload, peer, count, start, end):
    wall = end[0] - start[0]
    emit(workload, peer, "ns_per_op", wall / count, "ns")
    emit(workload, peer, "ops_per_s", count * 1e9 / wall, "1/s")
    emit(workload, peer, "cpu_ns_per_op", (end[1] - start[1]) / count, "ns")
    emit(workload, peer, "ctxsw_per_op", (end[2] - start[2]) / count, "1")
    emit(workload, peer, "wall", wall / 1e6, "ms")


def status_kb(key):
    """A line of /proc/self/status: VmHWM is the most memory that the process has had."""
    with open("/proc/self/status", encoding="utf-8") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(key))


def run(main):
    """asyncio.run(); LOOP=uvloop in the environment chooses uvloop."""
    if os.environ.get("LOOP") == "uvloop":
        import uvloop

        uvloop.install()
    return asyncio.run(main)
