# SPDX-License-Identifier: MIT
"""What a process and its children have used so far, by /proc."""
import collections
import dataclasses
import os
import re

from harness.machine import TICKS


@dataclasses.dataclass
class Usage:
    cpu: float = 0.0  # seconds, of threads that have ended as well
    children_cpu: float = 0.0  # the part of it that is not of the process itself
    resident: int = 0  # bytes now
    peak: int = 0  # bytes, at most


def _stat(pid):
    """The fields of /proc/PID/stat behind the name; empty if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()
    except OSError:
        return []


def family(pid):
    """The process and those that come from it."""
    children = collections.defaultdict(list)
    for name in os.listdir("/proc"):
        field = _stat(name) if name.isdigit() else []
        if field:
            children[int(field[1])].append(int(name))
    found, left = [], [pid]
    while left:
        found.append(left.pop())
        left += children[found[-1]]
    return found


def _memory(pid, key):
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            line = re.search(rf"^{key}:\s+(\d+)", file.read(), re.M)
            return int(line.group(1)) * 1024 if line else 0
    except OSError:
        return 0


def usage(pid):
    total = Usage()
    for member in family(pid):
        field = _stat(member)
        if field:
            cpu = (int(field[11]) + int(field[12])) / TICKS
            total.cpu += cpu
            total.children_cpu += cpu if member != pid else 0
            total.resident += _memory(member, "VmRSS")
            total.peak += _memory(member, "VmHWM")
    return total
