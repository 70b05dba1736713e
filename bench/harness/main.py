# SPDX-License-Identifier: MIT
"""The command line."""
import argparse
import os

from harness import build, machine, measure, peers, plan, report, serve
from harness.machine import say


def arguments(argv):
    parser = argparse.ArgumentParser(
        prog="./dev bench",
        description="Runs weft and its peers in turns, and prints what each workload costs them.",
        epilog=f"Workloads: {' '.join(plan.WORKLOADS)} (without any: all of them)",
    )
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD")
    parser.add_argument("--peers", default="all", metavar="all|c|none|NAME,…",
                        help="whom to run beside weft: all (default), those written in C or C++, "
                        "none, or peers or families by name")
    parser.add_argument("--rounds", type=int, default=0, metavar="N",
                        help="how many rounds (default: 5, of long workloads 3)")
    parser.add_argument("--quick", action="store_true", help="three short rounds of smaller runs")
    parser.add_argument("--json", metavar="FILE", help="write every run to FILE")
    parser.add_argument("--build", action="store_true", help="install and build, run nothing")
    parser.add_argument("--patience", type=float, default=30, metavar="SECONDS",
                        help="how long to wait for a quiet machine before each run (30)")
    parser.add_argument("--no-calls", action="store_true", help="do not count system calls")
    return parser.parse_args(argv)


def prepare(options):
    """Installs and builds. Returns [(workload, programs that can be run)] and what is left out."""
    workloads = plan.choose(options.workloads)
    plan.check_peers(options.peers, peers.FAMILIES)
    chosen = {workload.name: plan.choose_peers(workload, options.peers, peers.FAMILIES)
              for workload in workloads}
    families = {program.family for found in chosen.values() for program in found}
    peers.install(peers.TOOLS)
    left_out = peers.obtain(sorted(families))
    for family, why in left_out.items():
        say(f"without {family}: {why}")
    everything = [program for found in chosen.values() for program in found
                  if program.family not in left_out and build.exists(program)]
    clients = {serve.TARGETS[workload.client] for workload in workloads
               if workload.client in serve.TARGETS}
    failed = build.build(everything, {"floor_floor"} | clients)
    for name, why in failed.items():
        left_out[name] = why
        say(f"without {name}: {why}")
    can_run = set(map(id, everything))
    return [(workload, [program for program in chosen[workload.name]
                        if id(program) in can_run and build.target(program) not in failed])
            for workload in workloads], left_out


def main(argv):
    options = arguments(argv)
    try:
        ready, left_out = prepare(options)
    except plan.PlanError as error:
        say(f"{error}")
        return 2
    if options.build:
        return 0
    how = measure.Options(options.rounds, options.quick, options.patience, not options.no_calls)
    results = {"machine": machine.describe(), "quick": options.quick, "left_out": left_out,
               "workloads": {}}
    for workload, found in ready:
        if not any(program.family == "weft" for program in found):
            say(f"{workload.name}: weft has no program for it yet")
        if not found:
            continue
        result = measure.Bench(workload, found, how).run_all()
        results["workloads"][workload.name] = result
        print(report.text(workload.name, result), flush=True)
        if options.json:
            report.save(os.path.join(os.environ.get("BENCH_FROM", ""), options.json), results)
    for name, why in left_out.items():
        print(f"left out: {name}: {why}")
    return 1 if any(result["failed"] for result in results["workloads"].values()) else 0
