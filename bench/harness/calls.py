# SPDX-License-Identifier: MIT
"""System calls of a program: counted by perf, or by strace where perf may not."""
import functools
import re
import shutil
import signal
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


class Beside:
    """Counts what running processes do, until it is stopped: `number`, None if that failed."""

    def __init__(self, pids):
        self._pids = ",".join(str(pid) for pid in pids)
        self._process = self._file = None
        self.number = None

    def __enter__(self):
        self._file = tempfile.NamedTemporaryFile("r", encoding="utf-8")
        command = [*_command("perf", self._file.name)[:-1], "-p", self._pids]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self

    def stop(self):
        self._process.send_signal(signal.SIGINT)  # perf's way to end, and to write what it has
        self._process.wait(20)
        self.number = parse("perf", self._file.read())

    def __exit__(self, *_):
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._file.close()
