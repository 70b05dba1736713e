# SPDX-License-Identifier: MIT
"""What weft is to reach, and whether a run shows it.

A goal is an expression on a run. What limits one that is missed stands in bench/why, under its workload.
Absolute goals were set on a machine of 2025 (AMD EPYC); a ratio holds on any.
"""
import dataclasses
import typing

from harness import figures, report

LOG_1000_TO_A_MILLION = 2.0
LOG_100_TO_19000 = 2.14


class Lacks(Exception):
    """The run does not have what a goal asks for."""


@dataclasses.dataclass(frozen=True)
class Goal:
    workload: str
    what: str
    wanted: str
    value: typing.Callable  # of a Run
    limit: float
    unit: str = ""
    at_least: bool = False
    beside: typing.Callable = lambda run: ""  # what else is to be said of the figure

    def is_reached(self, value):
        return value >= self.limit if self.at_least else value <= self.limit


class Run:
    """One workload of a run, as goals ask for it. Cases are numbers or names, ratios are by round."""

    def __init__(self, result):
        self._result = result

    def _peers(self, case):
        name = case if isinstance(case, str) else list(self._result["cases"])[case]
        return name, self._result["cases"].get(name, {"peers": {}})["peers"]

    def _by_round(self, peer, metric, case):
        if metric == "floor":
            floors = enumerate(self._result["floors"], 1)
            return {number: found[self._result["floor"]] for number, found in floors if found}
        _, peers = self._peers(case)
        found = report.values(peers[peer], metric or self._result["key"]) if peer in peers else {}
        if not found:
            raise Lacks(f"{peer}, {metric}, {case}")
        return found

    def median(self, peer="weft", metric="", case=0):
        return figures.median(self._by_round(peer, metric, case).values())

    def most(self, peer="weft", metric="", case=0):
        return max(self._by_round(peer, metric, case).values())

    def count(self, metric, peer="weft", case=0):
        return sum(self._by_round(peer, metric, case).values())

    def calls(self, peer, case=0):
        _, peers = self._peers(case)
        if peer not in peers or "calls" not in peers[peer]:
            raise Lacks(f"system calls of {peer}")
        return peers[peer]["calls"]

    def times(self, peer="weft", other="floor", metric="", case=0, other_case=None):
        """What `peer` takes, as a multiple of what `other` takes in the same round."""
        theirs = self._by_round(other, "floor" if other == "floor" else metric,
                                case if other_case is None else other_case)
        ratios = figures.ratios_by_round(self._by_round(peer, metric, case), theirs)
        if not ratios:
            raise Lacks(f"a round with {peer} and {other}")
        return figures.median(ratios)

    def times_best(self, peer="weft", others=(), metric="", case=0, without=()):
        """The same of the best of `others`, by default of all that are not weft's."""
        _, peers = self._peers(case)
        names = [name for name in others or peers if name in peers and name not in without
                 and (others or peers[name]["family"] != "weft")
                 and report.values(peers[name], metric or self._result["key"])]
        if not names:
            raise Lacks("peers")
        return max(self.times(peer, name, metric, case) for name in names)


# A call that makes nothing to be awaited: merged into its caller by the compiler; a function on the goroutine's stack.
PLAIN_CALLS = ("tokio_inline", "go_1p")
GREEN = ("go", "go_1p", "go_spawn")  # no thread of the system is woken


def _both_workers():
    for case, name in ((0, "4 workers"), (1, "1 worker")):
        yield Goal("round-trip", f"{name}, hot", "at most 3 times the cache line's way of the same round",
                   lambda run, case=case: run.times(case=case), 3, "×")
        yield Goal("round-trip", f"{name}, threads sleep", "no worse than the best peer whose threads sleep",
                   lambda run, case=case: run.times_best("weft_parked", case=case, without=GREEN), 1, "×")
        yield Goal("round-trip", f"{name}, threads sleep: system calls", "at most 4.3",
                   lambda run, case=case: run.calls("weft_parked", case), 4.3)
    for case, name, limit in ((0, "4 workers", 50), (1, "1 worker", 65)):
        yield Goal("throughput", name, f"at most {limit} ns a job",
                   lambda run, case=case: run.median(case=case), limit, " ns")
        yield Goal("throughput", f"{name}: system calls", "at most 0.02 a job",
                   lambda run, case=case: run.calls("weft", case), 0.02)


def _echo():
    sizes = ("1 connection, 64 B", "1 connection, 64 KiB", "1,000 connections, 64 B", "1,000 connections, 64 KiB")
    for case in sizes:
        yield Goal("echo", f"{case}: messages a second", "at least libuv's",
                   lambda run, case=case: run.times("weft", "libuv", "messages_per_s", case), 1, "×", True)
        yield Goal("echo", f"{case}: CPU a message", "at most libuv's",
                   lambda run, case=case: run.times("weft", "libuv", "server_cpu", case), 1, "×")


def _growth():
    for case in ("task", "timer", "job"):
        yield Goal("growth", f"a {case} of a million beside one of 1,000", "no faster than log n: at most 2 times",
                   lambda run, case=case: run.times("weft_1m", "weft", case=case), LOG_1000_TO_A_MILLION, "×")
    yield Goal("connections", "a message on 19,000 connections beside one on 100", "no faster than log n: at most 2.14 times",
               lambda run: run.times(case="19,000 connections", other="weft", other_case="100 connections"),
               LOG_100_TO_19000, "×")


GOALS = (
    *_both_workers(),
    Goal("fan-out", "all 1,000", "within 1 % of the best peer", lambda run: run.times_best(), 1.01, "×"),
    Goal("fan-out", "the longest", "never over 20 ms in 100 runs", lambda run: run.most(metric="longest"), 20, " ms",
         beside=lambda run: f"of {run.count('runs'):,.0f} runs"),
    Goal("posts", "in the caller's memory", "at most 10 ns", lambda run: run.median(), 10, " ns"),
    Goal("posts", "allocated", "at most 35 ns", lambda run: run.median("weft_alloc"), 35, " ns"),
    Goal("chain", "a step", "at most 5 ns, polled at least every 256 steps", lambda run: run.median(), 5, " ns"),
    Goal("yield", "a step", "at most 5 ns", lambda run: run.median(), 5, " ns"),
    Goal("call", "a call", "ahead of every peer", lambda run: run.times_best(), 1, "×"),
    Goal("call", "the same, beside calls that make something to be awaited", "ahead of every such peer: not *tokio inline*, which the "
         "compiler merges into its caller, nor *go 1p*, a function on a stack of its own",
         lambda run: run.times_best(without=PLAIN_CALLS), 1, "×"),
    Goal("sleeping", "a million: memory", "at most 160 bytes each", lambda run: run.median(case="1,000,000 tasks"), 160,
         " bytes"),
    Goal("sleeping", "a million: time besides the sleep", "at most 150 ms",
         lambda run: run.median(metric="overhead", case="1,000,000 tasks"), 150, " ms"),
    Goal("timers", "inserted and cancelled, one of a million", "at most 60 ns",
         lambda run: run.median(case="1,000,000 timers"), 60, " ns"),
    Goal("timers", "the same, with the clock read once, as libuv does", "at most 60 ns",
         lambda run: run.median("weft_at", case="1,000,000 timers"), 60, " ns"),
    Goal("timers", "expired, one of a million", "no worse than the best peer",
         lambda run: run.times_best(metric="expire", case="1,000,000 timers"), 1, "×"),
    Goal("gather", "a task", "ahead of every peer", lambda run: run.times_best(), 1, "×"),
    Goal("http", "CPU a request", "at most 1.10 times a loop around epoll written by hand",
         lambda run: run.times("weft", "raw_epoll"), 6.5 / 5.9, "×"),
    Goal("http", "CPU a request", "less than nginx, hyper and libmicrohttpd",
         lambda run: run.times_best("weft", ("nginx", "hyper", "mhd_epoll")), 1, "×"),
    Goal("mixed-closed", "p99 of the quick ones", "at most 80 µs", lambda run: run.median(), 80, " µs"),
    Goal("mixed-closed", "p99 of the quick ones", "less than libuv and asio",
         lambda run: run.times_best("weft", ("libuv", "asio")), 1, "×"),
    Goal("mixed-closed", "p99 of the quick ones, as against none that blocks", "at most 1.5 times",
         lambda run: run.times("weft", "weft", case=0, other_case=1), 1.5, "×"),
    Goal("mixed-open", "p99 of the quick ones", "no worse than the best peer", lambda run: run.times_best(), 1, "×"),
    Goal("mixed-open", "p99 of the quick ones, as against none that blocks", "at most 1.5 times",
         lambda run: run.times("weft", "weft", case=0, other_case=1), 1.5, "×"),
    *_echo(),
    Goal("scaling", "requests a second of two loops", "at least 1.8 times those of one",
         lambda run: run.times("weft_2_loops", "weft"), 1.8, "×", True),
    *_growth(),
)


def judged(results):
    """[(goal, value or None where the run does not tell, what is to be said of it)]"""
    found = []
    for goal in GOALS:
        result = results["workloads"].get(goal.workload)
        try:
            found.append((goal, goal.value(Run(result)), goal.beside(Run(result))) if result else (goal, None, ""))
        except Lacks:
            found.append((goal, None, ""))
    return found


def missed(results):
    """The workloads with a goal that is missed."""
    return sorted({goal.workload for goal, value, _ in judged(results)
                   if value is not None and not goal.is_reached(value)})
