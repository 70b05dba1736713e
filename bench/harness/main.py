# SPDX-License-Identifier: MIT
"""The command line."""
import argparse
import os
import signal
import sys

from harness import build, check, machine, measure, page, peers, plan, report, serve
from harness.machine import say


CHECKS = 3  # how often something must be worse to be so


def arguments(argv):
    parser = argparse.ArgumentParser(
        prog="./dev bench",
        description="Runs weft and its peers in turns, and prints what each workload costs them.",
        epilog=f"Workloads: {' '.join(plan.WORKLOADS)} (without any: all of them)",
    )
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD")
    parser.add_argument("--peers", default="all", metavar="all|c|none|NAME,…",
                        help="whom to run beside weft: all (default), those written in C or C++, "
                        "none, peers or families by name, or c and some by name")
    parser.add_argument("--rounds", type=int, default=0, metavar="N",
                        help="how many rounds (default: 5, of long workloads 3)")
    parser.add_argument("--quick", action="store_true", help="three short rounds of smaller runs")
    parser.add_argument("--short", action="store_true", help="shorter runs, but of every size")
    parser.add_argument("--json", metavar="FILE",
                        help="write every run to FILE; other workloads that are in it stay")
    parser.add_argument("--page", action="store_true",
                        help="write docs/performance.md and README's table of what was measured "
                        "(or, with --no-run, of what --json FILE holds)")
    parser.add_argument("--check", action="store_true",
                        help="fail if weft stands worse beside a peer than bench/expected.json says, "
                        "three times in a row")
    parser.add_argument("--expect", action="store_true",
                        help="write to bench/expected.json what --check expects from now on")
    parser.add_argument("--build", action="store_true", help="install and build, run nothing")
    parser.add_argument("--no-run", action="store_true", help="measure nothing, use --json FILE")
    parser.add_argument("--patience", type=float, default=30, metavar="SECONDS",
                        help="how long to wait for a quiet machine before each run (30)")
    parser.add_argument("--no-calls", action="store_true", help="do not count system calls")
    options = parser.parse_args(argv)
    if options.rounds < 0:
        parser.error(f"not a number of rounds: {options.rounds}")
    if options.no_run and not os.path.isfile(results_file(options)):
        parser.error("--no-run needs --json FILE, with what was measured before")
    if options.no_run and options.check:
        parser.error("--check has nothing to check with --no-run")
    return options


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
    besides = set().union(*(serve.TARGETS.get(workload.client, ()) for workload in workloads))
    failed = build.build(everything, {"floor_floor"} | besides)
    for name, why in failed.items():
        left_out[name] = why
        say(f"without {name}: {why}")
    can_run = set(map(id, everything))
    return [(workload, [program for program in chosen[workload.name]
                        if id(program) in can_run and build.target(program) not in failed])
            for workload in workloads], left_out


def measure_all(ready, options, results, kept):
    how = measure.Options(options.rounds, options.quick, options.short, options.patience, not options.no_calls)
    for workload, found in ready:
        if not any(program.family == "weft" for program in found):
            say(f"{workload.name}: weft has no program for it yet")
        if not found:
            continue
        result = measure.Bench(workload, found, how).run_all()
        results["workloads"][workload.name] = kept["workloads"][workload.name] = result
        print(report.text(workload.name, result), flush=True)
        if options.json:
            report.save(results_file(options), kept)


def measure_again(ready, options, names):
    """Only these workloads, with the same peers."""
    results = {"workloads": {}}
    how = measure.Options(options.rounds, options.quick, options.short, options.patience, False)
    for workload, found in ready:
        if workload.name in names:
            results["workloads"][workload.name] = measure.Bench(workload, found, how).run_all()
    return results


def check_all(ready, options, results):
    """Fails on what is worse each of three times."""
    expected = check.load()
    worse = check.worse(results, expected)
    for _ in range(CHECKS - 1):
        if not worse:
            break
        for complaint in worse.values():
            say(f"{complaint}: measuring again")
        again = measure_again(ready, options, {place.workload for place in worse})
        worse = {place: complaint for place, complaint in check.worse(again, expected).items()
                 if place in worse}
    for complaint in worse.values():
        print(f"WORSE: {complaint}")
    print(f"{check.compared(results, expected)} ratios compared, {len(worse)} worse than expected")
    return 1 if worse else 0


def results_file(options):
    """Where --json points to, as seen from where ./dev was called; empty without."""
    return os.path.join(os.environ.get("BENCH_FROM", ""), options.json) if options.json else ""


def load_or_begin(options):
    path = results_file(options)
    if path and os.path.exists(path):
        results = report.load(path)
        results["machine"] = machine.describe() if not options.no_run else results["machine"]
        return results
    return {"machine": machine.describe(), "workloads": {}, "left_out": {}}


def run(options):
    """Measures what was asked for. Returns what was measured, that and what --json holds, a status."""
    ready, left_out = prepare(options)
    if options.build:
        return None, None, 0
    kept = load_or_begin(options)
    kept["left_out"] |= left_out
    kept["machine"]["peers"] = kept["machine"].get("peers", {}) | peers.versions(
        {program.family for _, found in ready for program in found})
    results = {"workloads": {}}
    measure_all(ready, options, results, kept)
    for name, why in left_out.items():
        print(f"left out: {name}: {why}")
    status = int(any(result["failed"] for result in results["workloads"].values()))
    if options.check:
        status |= check_all(ready, options, results)
    return results, kept, status


def main(argv):
    options = arguments(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers are stopped
    try:
        results, kept, status = (None, load_or_begin(options), 0) if options.no_run else run(options)
    except plan.PlanError as error:
        say(f"{error}")
        return 2
    if options.build:
        return 0
    if options.expect:
        check.save(check.expectations(results or kept, check.load()))
    if options.page:
        status |= page.write(kept)
    return status
