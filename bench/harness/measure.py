# SPDX-License-Identifier: MIT
"""Runs the programs in turns, A B C A B C …, and watches the machine meanwhile."""
import dataclasses
import os
import re
import signal
import subprocess
import time

from harness import build, calls, figures, machine, serve
from harness.machine import say

CACHELINE = "cacheline_rt_2core"
REPEATS = 2  # how often a run is repeated that others have disturbed
TIMEOUT = 240


@dataclasses.dataclass
class Options:
    rounds: int = 0  # 0: as the workload says
    quick: bool = False  # fewer rounds, and the smaller cases only
    short: bool = False  # shorter runs
    patience: float = 30.0  # seconds to wait for a quiet machine, before each run
    calls: bool = True


@dataclasses.dataclass
class Outcome:
    """What a run printed: {metric: (value, unit)}; empty with `error` if it failed."""

    metrics: dict
    error: str = ""


def fill(texts, **values):
    return [re.sub(r"\{(\w+)\}", lambda m: str(values[m.group(1)]), text) for text in texts]


def rows(output):
    metrics = {}
    for line in output.splitlines():
        field = line.split()
        if len(field) == 5:
            metrics[field[2]] = (float(field[3]), field[4])
    return metrics


def of_many(runs, key):
    """The metrics of many runs as those of one: medians, and the most of the key."""
    unit = runs[0][key][1]
    metrics = {metric: (figures.median([run[metric][0] for run in runs]), its)
               for metric, (_, its) in runs[0].items()}
    return metrics | {"longest": (max(run[key][0] for run in runs), unit), "runs": (len(runs), "1")}


def environment(program, **values):
    added = {name: fill([value], **values)[0] for name, value in program.env.items()}
    return dict(os.environ, BENCH_BIN=machine.OTHERS, **added)


def run(argv, env, timeout=TIMEOUT):
    """Runs a program to its end."""
    try:
        process = subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True, start_new_session=True)
    except OSError as error:
        return Outcome({}, str(error))
    try:
        output, complaint = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return Outcome({}, f"no end within {timeout} s")
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    metrics = rows(output)
    if process.returncode or not metrics:
        last = (complaint.strip() or "printed nothing").splitlines()[-1]
        return Outcome({}, f"status {process.returncode}: {last[:200]}")
    return Outcome(metrics)


def floors(workload):
    """The physical limits, measured now: {name: value}."""
    names = [CACHELINE]
    if workload.floor and workload.floor != CACHELINE:
        names.append(workload.floor)
    found = {}
    for name in names:
        argv = [os.path.join(machine.RELEASE, "floor_floor"), "floor", name]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        except (OSError, subprocess.TimeoutExpired):
            continue
        for line in done.stdout.splitlines():
            field = line.split()
            if len(field) == 5 and field[1] == name:
                found[name] = float(field[3])
    return found


class Bench:
    """One workload with the programs that can be run; `result` grows with each round."""

    def __init__(self, workload, found, options):
        self.workload = workload
        self.programs = list(found)
        self.options = options
        self.n = {}
        self.result = {
            "title": workload.title,
            "key": workload.key,
            "check": workload.checked,
            "columns": list(workload.columns),
            "noise": workload.noise,
            "quick": options.quick,
            "floor": workload.floor,
            "floors": [],
            "units": {},
            "failed": {},
            "cases": {case.name: {"peers": {}} for case in self.cases},
        }

    @property
    def cases(self):
        """The quick form leaves out the large ones."""
        if self.options.quick and self.workload.quick_cases:
            return [case for case in self.workload.cases if case.name in self.workload.quick_cases]
        return self.workload.cases

    @property
    def is_short(self):
        return self.options.quick or self.options.short

    @property
    def rounds(self):
        return self.options.rounds or (3 if self.options.quick else self.workload.rounds)

    def run_all(self):
        name = self.workload.name
        began = time.monotonic()
        for number in range(1, self.rounds + 1):
            found = floors(self.workload)
            self.result["floors"].append(found)
            line = f", cache-line round trip {found[CACHELINE]:.0f} ns" if found else ""
            say(f"{name}: round {number} of {self.rounds}{line}")
            for case in self.cases:
                self._run_round(case, number)
        if self.options.calls and self.workload.calls:
            self._count_calls()
        self.result["seconds"] = round(time.monotonic() - began, 1)
        return self.result

    def _run_round(self, case, number):
        for program in list(self.programs):
            say(f"  {self.workload.name}, {case.name}: {program.peer}")
            outcome, watch = self._run_quietly(case, program)
            if not outcome.metrics:
                self._drop(case, program, outcome.error)
                continue
            peers = self.result["cases"][case.name]["peers"]
            peer = peers.setdefault(program.peer, {"family": program.family, "runs": []})
            for metric, (_, unit) in outcome.metrics.items():
                self.result["units"][metric] = unit
            peer["runs"].append({
                "round": number,
                "noisy": watch.noisy,
                "foreign": round(watch.foreign, 3),
                "stolen": round(watch.stolen, 3),
                "metrics": {metric: value for metric, (value, _) in outcome.metrics.items()},
            })  # fmt: skip
            if watch.noisy:
                say(f"    noisy: others used {watch.foreign:.0%} of a CPU")

    def _drop(self, case, program, why):
        """A program that fails is not run again in this case."""
        say(f"    FAILED: {why}")
        self.result["failed"][f"{program.peer}, {case.name}"] = why

    def _run_quietly(self, case, program):
        failed = self.result["failed"].get(f"{program.peer}, {case.name}")
        if failed:
            return Outcome({}, failed), machine.Watch()
        for _ in range(1 + REPEATS):
            machine.wait_until_quiet(self.options.patience)
            with machine.Watch() as watch:
                outcome = self._run_once(case, program)
            if not outcome.metrics or not watch.noisy:
                break
        return outcome, watch

    def _run_once(self, case, program):
        if not self.workload.client:
            return self._run_again_and_again(case, program, self._length(case, program))
        metrics, error = serve.run(self.workload, case, program, self.is_short)
        return Outcome(metrics, error)

    def _argv(self, case, program, n):
        return [*build.command(program), self.workload.name, program.peer, *fill(case.args, n=n)]

    def _env(self, case, program):
        return environment(program, threads=case.args[0] if case.args else 0)

    def _run_program(self, case, program, n):
        return run(self._argv(case, program, n), self._env(case, program))

    def _run_again_and_again(self, case, program, n):
        """Once, unless the longest of many runs is asked for, too."""
        times = self.workload.repeats if program.family == "weft" else 1
        outcomes = [self._run_program(case, program, n) for _ in range(times)]
        failed = [outcome for outcome in outcomes if not outcome.metrics]
        if failed or self.workload.repeats == 1:
            return (failed or outcomes)[0]
        return Outcome(of_many([outcome.metrics for outcome in outcomes], self.workload.key))

    def _length(self, case, program):
        """How often: what fills the time, by a short run first."""
        key = (case.name, program.peer)
        if key not in self.n:
            self.n[key] = self._calibrated(case, program)
        return self.n[key]

    def _calibrated(self, case, program):
        if not case.seconds:
            return case.n
        least = max(1, case.n // 200)
        outcome = self._run_program(case, program, least)
        each = outcome.metrics.get("ns_per_op", (0, ""))[0] * case.per
        return figures.iterations(case.n, case.seconds * (0.25 if self.is_short else 1.0), each,
                                  least)

    def _count_calls(self):
        how = calls.counter()
        if not how:
            say(f"{self.workload.name}: no perf or strace that may count: no system calls in the table")
            return
        for case in self.cases:
            for program in self.programs:
                peer = self.result["cases"][case.name]["peers"].get(program.peer)
                if not peer:
                    continue
                say(f"  {self.workload.name}, {case.name}: system calls of {program.peer}")
                each = self._calls_of(case, program, how)
                if each is not None:
                    peer["calls"] = each

    def _calls_of(self, case, program, how):
        if self.workload.client:
            return serve.count_calls(self.workload, case, program, self.is_short)
        n = max(2, min(self._length(case, program), 100000 // case.per))
        env = self._env(case, program)
        per = case.per * (1 + self.workload.warms_up)
        runs = [(k * per, calls.count(how, self._argv(case, program, k), env)) for k in (n // 2, n)]
        return figures.slope(*runs) if None not in (runs[0][1], runs[1][1]) else None
