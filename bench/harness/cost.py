# SPDX-License-Identifier: MIT
"""./dev bench cost [GROUP…]: what it costs that weft can be looked at.

Each of weft's programs is run as it is built without hooks (-DWEFT_HOOKS=OFF, build/unhooked), and as it is
built always: with every tool off, and with each of them on. Rounds, and within a round one after the other,
so that all see the same machine. What others do there only adds, by a fifth and more: so a figure is the ratio
of the shortest runs, and behind it stand the quartiles of the ratios of each round. Tools that have a thread
are compared with a build without hooks that has one, too, which sleeps. --instructions counts instead what callgrind counts for an operation, which is the same each time.
"""
import argparse
import json
import os
import statistics
import subprocess

from harness import figures, machine
from harness.instructions import COUNTS, environment
from harness.machine import say

LOOK = os.path.join(machine.RELEASE, "libbench_look.so")
THREAD = os.path.join(machine.RELEASE, "libbench_thread.so")
UNHOOKED = os.path.join(machine.BUILD, "unhooked", "bench")

# name: (folder of the programs, environment)
VARIANTS = {
    "no hooks": (UNHOOKED, {}),
    "a thread": (UNHOOKED, {"LD_PRELOAD": THREAD}),
    "off": (machine.RELEASE, {}),
    "metrics": (machine.RELEASE, {"LD_PRELOAD": LOOK, "LOOK_": "metrics"}),
    "watchdog": (machine.RELEASE, {"WEFT_WATCHDOG": "100"}),
    "control": (machine.RELEASE, {"WEFT_CONTROL": "1"}),
    "trace": (machine.RELEASE, {"LD_PRELOAD": LOOK, "LOOK_": "trace"}),
}

BASES = dict.fromkeys(("metrics", "watchdog", "control"), "a thread")  # of others: no hooks

VIRTUAL = {"CLOCK_": "virtual"}

# group: ((name, program, arguments, environment, figure), …), each some 0.2 s
WORKLOADS = {
    "core": (
        ("chain", "sched_weft", ("chain", "4000000"), {}, "cpu_ns_per_op"),
        ("chain, call_soon", "sched_weft", ("chain", "3000000"), {"MODE_": "soon"}, "cpu_ns_per_op"),
        ("yield", "sched_weft", ("yield", "1000", "8000"), {}, "cpu_ns_per_op"),
        ("call", "sched_weft", ("call", "6000000"), {}, "cpu_ns_per_op"),
        ("spawn", "sched_weft", ("call", "2000000"), {"MODE_": "spawn"}, "cpu_ns_per_op"),
        ("gather", "gather_weft", ("1000", "3000"), {}, "cpu_ns_per_op"),
        ("timers", "timers_weft", ("1000000",), VIRTUAL, "expire"),
        ("posts", "post_weft", ("1", "2000000"), {}, "cpu_ns_per_op"),
    ),
    "pool": (
        ("throughput, 1 worker", "offload_weft", ("1", "1024", "1000000", "0"), {}, "cpu_ns_per_op"),
        ("throughput, 4 workers", "offload_weft", ("4", "1024", "1000000", "0"), {}, "cpu_ns_per_op"),
        ("round trip, spinning", "offload_weft", ("1", "1", "150000", "0"), {}, "ns_per_op"),
        ("round trip, parked", "offload_weft", ("1", "1", "20000", "0"), {"MODE_": "park"}, "ns_per_op"),
    ),
}  # fmt: skip

PROGRAMS = sorted({row[1] for rows in WORKLOADS.values() for row in rows})


def build():
    for preset, targets in (("release", [*PROGRAMS, "bench_look", "bench_thread", "bench_clock"]), ("unhooked", PROGRAMS)):
        folder = os.path.join(machine.BUILD, preset)
        if not os.path.exists(os.path.join(folder, "build.ninja")):
            subprocess.run(["cmake", "--preset", preset], cwd=machine.ROOT, check=True, stdout=subprocess.DEVNULL)
        say(f"building {preset}")
        subprocess.run(["cmake", "--build", folder, "--target", *targets], check=True, stdout=subprocess.DEVNULL)


def run(variant, workload):
    """The figure of one run; None if it failed."""
    _name, program, args, env, figure = workload
    folder, more = VARIANTS[variant]
    done = subprocess.run([os.path.join(folder, program), "cost", "weft", *args], capture_output=True, text=True,
                          env=dict(os.environ, **env, **more), timeout=120, check=False)
    for line in done.stdout.splitlines():
        words = line.split()
        if done.returncode == 0 and len(words) == 5 and words[2] == figure:
            return float(words[3])
    say(f"{program} {' '.join(args)}: status {done.returncode}: {done.stderr.strip()}")
    return None


def measure(workload, variants, rounds):
    """{variant: [figure of each round]}; a round in which one failed is left out."""
    found = {variant: [] for variant in variants}
    for number in range(rounds):
        turn = variants[number % len(variants):] + variants[:number % len(variants)]
        figures_of_round = {variant: run(variant, workload) for variant in turn}
        if None not in figures_of_round.values():
            for variant, figure in figures_of_round.items():
                found[variant].append(figure)
    return found


def base_of(found, variant):
    return found[BASES.get(variant, "no hooks")]


def ratios(found, variant):
    return [ours / base for ours, base in zip(found[variant], base_of(found, variant))]


def cell(found, variant):
    values = ratios(found, variant)
    if len(values) < 2:
        return "-"
    least = min(found[variant]) / min(base_of(found, variant))
    low, _middle, high = statistics.quantiles(values, n=4)
    return f"{100 * (least - 1):+.1f} % ({100 * (low - 1):+.1f} … {100 * (high - 1):+.1f})"


def table(results, variants):
    columns = [variant for variant in variants if variant != "no hooks"]
    lines = ["| | no hooks | " + " | ".join(columns) + " |", "|---|---" + "|---" * len(columns) + "|"]
    for name, found in results.items():
        base = found["no hooks"]
        cells = [f"{min(base):.1f} ns" if base else "-"]
        cells += [cell(found, variant) for variant in columns]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def count_instructions(folder, count):
    """Instructions for one operation, as harness/instructions.py has it."""
    points = []
    for n in count.lengths:
        args = [argument.replace("{n}", str(n)) for argument in count.args]
        program = os.path.join(folder, count.source.replace("/", "_").removesuffix(".c"))
        command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, "cost", "weft", *args]
        done = subprocess.run(command, env=environment(count), capture_output=True, text=True, check=True)
        points.append((n * count.per, int(done.stderr.split("Collected : ")[1].split()[0])))
    return figures.slope(*points)


def compare_instructions():
    lines = ["| | no hooks | off | |", "|---|---|---|---|"]
    for count in COUNTS:
        base, off = (count_instructions(folder, count) for folder in (UNHOOKED, machine.RELEASE))
        lines.append(f"| {count.name} | {base:.1f} | {off:.1f} | {100 * (off / base - 1):+.1f} % |")
    return lines


def main(argv):
    parser = argparse.ArgumentParser(prog="./dev bench cost", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="*", help=f"of {', '.join(WORKLOADS)}; all if none is given")
    parser.add_argument("--only", help="the workload of that name alone")
    parser.add_argument("--variants", default=",".join(VARIANTS), help="some of: %(default)s")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", help="keep every run in this file, and add to what it holds")
    parser.add_argument("--instructions", action="store_true", help="count instructions instead")
    parser.add_argument("--no-build", action="store_true")
    options = parser.parse_args(argv)
    variants = options.variants.split(",")
    unknown = [name for name in options.groups if name not in WORKLOADS]
    unknown += [name for name in variants if name not in VARIANTS]
    wants = {"no hooks", *(BASES[name] for name in variants if name in BASES)}
    if unknown or not wants <= set(variants) or variants[0] != "no hooks":
        parser.error(f"cannot use: {', '.join(unknown or variants)}")
    if not options.no_build:
        build()
    if options.instructions:
        print("\n".join(compare_instructions()))
        return 0
    results = {}
    if options.json and os.path.exists(options.json):
        with open(options.json, encoding="utf-8") as file:
            results = json.load(file)
    for group in options.groups or WORKLOADS:
        for workload in WORKLOADS[group]:
            if options.only in (None, workload[0]):
                results[workload[0]] = measure(workload, variants, options.rounds)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)
    print("\n".join(table(results, variants)))
    return 0
