# SPDX-License-Identifier: MIT
"""System calls of a program: counted by perf, or by strace where perf may not."""
import functools
import re
import shutil
import subprocess
import tempfile


@functools.cache
def counter():
    """perf or strace, or nothing: the first that works here."""
    for how in ("perf", "strace"):
        if shutil.which(how) and count(how, ["true"], None) is not None:
            return how
    return ""


def _command(how, path):
    if how == "perf":
        return ["perf", "stat", "-x,", "-o", path, "-e", "raw_syscalls:sys_enter", "--"]
    return ["strace", "-f", "-c", "-o", path, "--"]


def parse(how, text):
    """The number of system calls in what perf or strace wrote; None if it is not there."""
    if how == "perf":
        found = re.search(r"^(\d+),[^,]*,raw_syscalls:sys_enter", text, re.M)
    else:
        found = re.search(r"^100\.00\s+\S+\s+\S+\s+(\d+)", text, re.M)
    return int(found.group(1)) if found else None


def count(how, argv, env, timeout=240):
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as file:
        try:
            done = subprocess.run([*_command(how, file.name), *argv], env=env, timeout=timeout,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return parse(how, file.read()) if done.returncode == 0 else None


def count_beside(pids, command, timeout=240):
    """System calls of running processes while the command runs: (number or None, its output)."""
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as file:
        perf = _command("perf", file.name)
        watched = ["-p", ",".join(str(pid) for pid in pids)]
        done = subprocess.run([*perf[:-1], *watched, "--", *command], capture_output=True, text=True,
                              timeout=timeout, check=False)
        return parse("perf", file.read()), done.stdout
