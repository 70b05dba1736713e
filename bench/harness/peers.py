# SPDX-License-Identifier: MIT
"""What is compared, and what each needs from Debian. What cannot be had is named and left out."""
import dataclasses
import glob
import os
import shutil
import subprocess

from harness.machine import BUILD, say


@dataclasses.dataclass(frozen=True)
class Family:
    """`packages`: Debian's name to a probe, which is a command, or a pattern of file names."""

    packages: dict
    is_c: bool = False


RUST = {
    "cargo": "cargo",
    "rustc": "rustc",
    "librust-tokio-dev": "/usr/share/cargo/registry/tokio-1.*",
    "librust-hyper-dev": "/usr/share/cargo/registry/hyper-0.14*",
    "librust-libc-dev": "/usr/share/cargo/registry/libc-0.2*",
}
PYTHON = {"python3": "/usr/bin/python3"}
LIBEVENT = {"libevent-dev": "/usr/include/event2/event.h"}

FAMILIES = {
    "weft": Family({}, is_c=True),
    "linux": Family({}, is_c=True),
    "libuv": Family({"libuv1-dev": "/usr/include/uv.h"}, is_c=True),
    "libevent": Family(LIBEVENT, is_c=True),
    "glib": Family({"libglib2.0-dev": "/usr/include/glib-2.0/glib.h"}, is_c=True),
    "asio": Family({"g++": "g++", "libasio-dev": "/usr/include/asio.hpp"}, is_c=True),
    "mhd": Family({"libmicrohttpd-dev": "/usr/include/microhttpd.h"}, is_c=True),
    "nginx": Family({"nginx-light": "/usr/sbin/nginx"}, is_c=True),
    "h2o": Family({"h2o": "h2o"}, is_c=True),
    "tokio": Family(RUST),
    "go": Family({"golang-go": "go"}),
    "node": Family({"nodejs": "node", "libnode-dev": "/usr/include/node/node_api.h"}),
    "asyncio": Family(PYTHON),
    "uvloop": Family(PYTHON | {"python3-uvloop": "/usr/lib/python3/dist-packages/uvloop"}),
    "aiohttp": Family(
        PYTHON
        | {
            "python3-uvloop": "/usr/lib/python3/dist-packages/uvloop",
            "python3-aiohttp": "/usr/lib/python3/dist-packages/aiohttp",
        }
    ),
}

# What measures, not what is measured: without them some columns stay empty.
TOOLS = {"wrk": "wrk", "linux-perf": "perf", "strace": "strace"}
PLOTTER = {"gnuplot-nox": "gnuplot"}


def is_there(probe):
    return bool(glob.glob(probe)) if probe.startswith("/") else shutil.which(probe) is not None


def missing(packages):
    return [name for name, probe in packages.items() if not is_there(probe)]


def _as_root():
    if os.geteuid() == 0:
        return []
    return ["sudo"] if shutil.which("sudo") else None


def _apt(arguments, log):
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    command = [*_as_root(), "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", *arguments]
    return subprocess.run(command, stdout=log, stderr=log, env=environment).returncode == 0


def install(packages):
    """Installs what is missing of {package: probe}, all at once or, if that fails, one by one."""
    names = missing(packages)
    if not names:
        return
    if not shutil.which("apt-get") or _as_root() is None:
        say(f"cannot install (no apt-get, or not root): {' '.join(names)}")
        return
    os.makedirs(BUILD, exist_ok=True)
    path = os.path.join(BUILD, "apt.log")
    say(f"installing {' '.join(names)} (what apt-get says goes to build/apt.log)")
    with open(path, "a", encoding="utf-8") as log:
        _apt(["update"], log)
        add = ["install", "-y", "--no-install-recommends"]
        if not _apt([*add, *names], log):
            for name in names:
                say(f"installing {name}")
                _apt([*add, name], log)


def obtain(families):
    """Installs what the families need. Returns {family: why it cannot be had} of those that lack it."""
    wanted = {}
    for family in families:
        wanted |= FAMILIES[family].packages
    install(wanted)
    lacking = {}
    for family in families:
        names = missing(FAMILIES[family].packages)
        if names:
            lacking[family] = f"cannot be installed: {' '.join(names)}"
    return lacking


def versions(families):
    """{package: version} of what the families are, as Debian counts them."""
    names = sorted({name for family in families for name in FAMILIES[family].packages
                    if name not in ("g++", "cargo", "librust-libc-dev")})
    found = {}
    for name in names:
        done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", name], capture_output=True,
                              text=True, check=False)
        if done.returncode == 0 and done.stdout:
            found[name] = done.stdout
    return found
