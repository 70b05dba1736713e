# SPDX-License-Identifier: MIT
"""Instructions of weft for one operation, as valgrind's callgrind counts them.

They depend neither on caches nor on what else the machine does, so a change of two in a hundred can be
seen. They depend on the compiler: figures of another one are not compared. Each is the slope of two
lengths, so that what a start costs falls out.

What is done must not depend on how fast it is done: a loop polls more often when its items take long, as
under valgrind they do. So the programs have a clock that goes on by each look at it (cost/clock.c), and
timers are on virtual time. What is left is chance between threads: of each length the cheapest of some
runs counts.
"""
import argparse
import dataclasses
import os
import re
import subprocess
import tempfile

from harness import build, figures, machine
from harness.machine import say
from harness.plan import Program

FILE = os.path.join(machine.BENCH, "instructions.txt")
TOLERANCE = 0.04
RUNS = 3  # of each length
HEADER = """\
# Instructions of weft for one operation, of {compiler}.
# ./dev instructions compares them, ./dev instructions --write renews them.
"""


@dataclasses.dataclass(frozen=True)
class Count:
    """A program run twice, with two values of {n}; `per` operations for each of n."""

    name: str
    source: str
    args: tuple
    lengths: tuple
    per: int = 1
    env: dict = dataclasses.field(default_factory=dict)

    @property
    def program(self):
        return Program("weft", "weft", self.source, self.env)


def mode(name):
    return {"MODE_": name}


CLOCK = os.path.join(machine.RELEASE, "libbench_clock.so")

VIRTUAL = {"CLOCK_": "virtual"}  # where a timer is put, and what a tick expires, depends on the time

COUNTS = (
    Count("chain", "sched/weft.c", ("chain", "{n}"), (20000, 120000)),
    Count("chain, call_soon", "sched/weft.c", ("chain", "{n}"), (20000, 120000), env=mode("soon")),
    Count("yield", "sched/weft.c", ("yield", "1000", "{n}"), (20, 120), per=1000),
    Count("call", "sched/weft.c", ("call", "{n}"), (20000, 120000)),
    Count("spawn", "sched/weft.c", ("call", "{n}"), (20000, 120000), env=mode("spawn")),
    Count("gather", "gather/weft.c", ("1000", "{n}"), (20, 120), per=1000),
    Count("timer", "timers/weft.c", ("{n}",), (20000, 40000), env=VIRTUAL),
    Count("timer, call_later", "timers/weft.c", ("{n}",), (20000, 40000), env=mode("future") | VIRTUAL),
    Count("post", "post/weft.c", ("1", "{n}"), (50000, 400000)),
)  # fmt: skip


def _collected(text):
    found = re.search(r"Collected : (\d+)", text)
    return int(found.group(1)) if found else None


def environment(count):
    return dict(os.environ, LD_PRELOAD=CLOCK, **count.env)


def _run(count, n):
    """Instructions of a whole run; None if it failed."""
    args = [argument.replace("{n}", str(n)) for argument in count.args]
    with tempfile.NamedTemporaryFile(prefix="weft-callgrind-") as out:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out.name}",
                   *build.command(count.program), "instructions", "weft", *args]
        done = subprocess.run(command, env=environment(count), stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, timeout=300, check=False)
    return _collected(done.stderr) if done.returncode == 0 else None


def measure(count):
    """Instructions for one operation; None if it failed."""
    points = []
    for n in count.lengths:
        costs = [_run(count, n) for _ in range(RUNS)]
        if None in costs:
            return None
        points.append((n * count.per, min(costs)))
    return figures.slope(*points)


def parse(text):
    """(compiler, {name: instructions}) of what `render` wrote."""
    compiler = re.search(r"one operation, of (.*)\.$", text, re.M)
    found = {name.strip(): float(number) for name, number in
             re.findall(r"^([^#\n].*?)\s+([\d.]+)$", text, re.M)}
    return (compiler.group(1) if compiler else ""), found


def render(compiler, counts):
    lines = [f"{name:<24}{value:>10.1f}\n" for name, value in counts.items()]
    return HEADER.format(compiler=compiler) + "".join(lines)


def differs(now, before):
    """Worse or better, by more than counts differ by themselves?"""
    return abs(now - before) > max(TOLERANCE * before, 0.5)


def compare(counts, expected):
    """The lines of a table, and how many fail: each that differs, and each that nobody expects."""
    lines, failed = [], 0
    for name, now in counts.items():
        before = expected.get(name)
        if before is None:
            remark = "not in bench/instructions.txt"
        elif differs(now, before):
            remark = f"{'WORSE' if now > before else 'BETTER'}: {before:.1f} before"
        else:
            remark = ""
        failed += bool(remark)
        lines.append(f"{name:<24}{now:>10.1f}  {remark}".rstrip())
    return lines, failed


def measure_all():
    found = [count for count in COUNTS if build.exists(count.program)]
    broken = build.build([count.program for count in found], ["bench_clock"])
    if broken:
        raise SystemExit(f"weft: cannot build {' '.join(sorted(broken))}")
    counts = {}
    for count in found:
        say(f"counting {count.name}")
        counts[count.name] = measure(count)
        if counts[count.name] is None:
            raise SystemExit(f"weft: {count.name}: the program failed under valgrind")
    return counts


def main(argv):
    parser = argparse.ArgumentParser(prog="./dev instructions", description=__doc__)
    parser.add_argument("--write", action="store_true", help="renew bench/instructions.txt")
    options = parser.parse_args(argv)
    compiler = machine.describe()["compiler"]
    counts = measure_all()
    if options.write:
        with open(FILE, "w", encoding="utf-8") as file:
            file.write(render(compiler, counts))
    with open(FILE, encoding="utf-8") as file:
        of, expected = parse(file.read())
    lines, failed = compare(counts, expected)
    print("\n".join(lines))
    if of != compiler:
        print(f"not compared: the figures are of {of}, this is {compiler}")
        return 0
    if failed:
        print("A change on purpose? ./dev instructions --write, and say in the commit what it brings.")
    return 1 if failed else 0
