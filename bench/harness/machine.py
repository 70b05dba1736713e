# SPDX-License-Identifier: MIT
"""The machine that measures: its folders, how busy it is, what it is made of."""
import os
import platform
import re
import resource
import subprocess
import sys
import time

BENCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(BENCH)
BUILD = os.path.join(ROOT, "build")
RELEASE = os.path.join(BUILD, "release", "bench")  # what CMake builds
OTHERS = os.path.join(BUILD, "bench")  # what this harness builds

TICKS = os.sysconf("SC_CLK_TCK")

QUIET = 0.04  # seconds of CPU time in 0.2 seconds that still count as a quiet machine
NOISY = 0.15  # share of one CPU that others used while a program ran


def say(text):
    print(f"weft: {text}", file=sys.stderr, flush=True)


def busy_seconds():
    """CPU time that this machine has spent so far, and what its host has taken away."""
    with open("/proc/stat", encoding="ascii") as file:
        field = [int(number) for number in file.readline().split()[1:]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = field[:8]
    return (user + nice + system + irq + softirq) / TICKS, steal / TICKS


def children_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def wait_until_quiet(limit):
    """Waits until nobody else works, at most `limit` seconds. Returns whether it is quiet."""
    end = time.monotonic() + limit
    while True:
        before = busy_seconds()[0]
        time.sleep(0.2)
        if busy_seconds()[0] - before <= QUIET:
            return True
        if time.monotonic() >= end:
            return False


class Watch:
    """What others used of the machine while it is on: `foreign` and `stolen`, shares of one CPU."""

    def __init__(self):
        self.foreign = self.stolen = self.seconds = 0.0

    def __enter__(self):
        self._busy, self._steal = busy_seconds()
        self._own = children_seconds()
        self._began = time.monotonic()
        return self

    def __exit__(self, *_):
        self.seconds = max(time.monotonic() - self._began, 1e-9)
        busy, steal = busy_seconds()
        own = children_seconds() - self._own
        self.foreign = max(0.0, busy - self._busy - own) / self.seconds
        self.stolen = (steal - self._steal) / self.seconds

    @property
    def noisy(self):
        """A tick or two says nothing about a run that is over at once."""
        return self.foreign >= NOISY and self.foreign * self.seconds > 0.05


def _first(pattern, path):
    try:
        with open(path, encoding="utf-8") as file:
            found = re.search(pattern, file.read(), re.M)
            return found.group(1).strip() if found else ""
    except OSError:
        return ""


def _output(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def cpu_maker():
    """As the CPU says it: "GenuineIntel"."""
    return _first(r"^vendor_id\s*:\s*(.*)$", "/proc/cpuinfo") or platform.machine()


def describe():
    """What a reader must know to compare figures with those of another machine."""
    return {
        "cpu": _first(r"^model name\s*:\s*(.*)$", "/proc/cpuinfo"),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(_first(r"^MemTotal:\s*(\d+)", "/proc/meminfo") or 0) / 2**20, 1),
        "virtual": _output("systemd-detect-virt", "--vm") or "unknown",
        "kernel": platform.release(),
        "system": _first(r'^PRETTY_NAME="(.*)"$', "/etc/os-release"),
        "compiler": _output("gcc", "--version").split("\n")[0],
        "libc": " ".join(platform.libc_ver()),
        "weft": _output("git", "-C", ROOT, "describe", "--always", "--dirty"),
        "when": time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
    }
