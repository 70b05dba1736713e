# SPDX-License-Identifier: MIT
"""Compares the ratios of weft to its peers with those that were written down before.

Never a time: machines differ, ratios of two programs in the same round hardly do, on CPUs of one maker. So
they are kept by maker; on one of which nothing is known, the most lenient of what others gave is expected.
A ratio fails that is worse than the expected one by more than the noise with which that was measured.
"""
import json
import os
import re
import typing

from harness import figures, machine, report

EXPECTED = os.path.join(machine.BENCH, "expected.json")


class Place(typing.NamedTuple):
    workload: str
    case: str
    peer: str


def ratios(results):
    """{place: [ratio of each round]}, of the metric that a workload is checked by."""
    found = {}
    for name, result in results["workloads"].items():
        for case, table in result["cases"].items():
            for peer, what in table["peers"].items():
                each = report.ratio(result, case, peer, result["check"])
                if what["family"] != "weft" and each:
                    found[Place(name, case, peer)] = each
    return found


def expectations(results, before=None):
    """What to write down: these results, and what stood there of other workloads and peers."""
    expected = {table: dict(peers) for table, peers in (before or {}).items()}
    for place, each in ratios(results).items():
        least = results["workloads"][place.workload]["noise"]
        value = figures.expectation(each, least)
        rounded = {key: float(f"{number:.3g}") for key, number in value.items()}
        expected.setdefault(_table(place), {})[place.peer] = rounded
    return {table: dict(sorted(peers.items())) for table, peers in sorted(expected.items())}


def _table(place):
    return f"{place.workload}, {place.case}"


def _expected(place, expected):
    return expected.get(_table(place), {}).get(place.peer)


def worse(results, expected):
    """{place: text} of what is worse than expected."""
    found = {}
    for place, each in ratios(results).items():
        before = _expected(place, expected)
        if before and figures.is_worse(each, before):
            found[place] = _complaint(place, each, before)
    return found


def _complaint(place, each, before):
    now = figures.text(figures.median(each))
    return (f"{_table(place)}: weft is {now} of {place.peer}; {figures.text(before['ratio'])} was "
            f"expected, at most {figures.text(figures.limit(before))}")


def compared(results, expected):
    """How many ratios there are to compare."""
    return sum(_expected(place, expected) is not None for place in ratios(results))


def lenient(every):
    """Of each ratio the one that allows most."""
    found = {}
    for expected in every:
        for table, peers in expected.items():
            mine = found.setdefault(table, {})
            for peer, value in peers.items():
                mine[peer] = max(value, mine.get(peer, value), key=figures.limit)
    return found


def _load_all():
    if not os.path.exists(EXPECTED):
        return {}
    with open(EXPECTED, encoding="utf-8") as file:
        return json.load(file)


def load():
    """What is expected on this machine."""
    every = _load_all()
    return every.get(machine.cpu_maker()) or lenient(every.values())


def save(expected):
    """What this machine has shown. A peer a line."""
    every = dict(_load_all(), **{machine.cpu_maker(): expected})
    text = re.sub(r'\{\s*"ratio": (\S+),\s*"noise": (\S+)\s*\}', r'{"ratio": \1, "noise": \2}',
                  json.dumps(dict(sorted(every.items())), indent=1))
    with open(EXPECTED, "w", encoding="utf-8") as file:
        file.write(text + "\n")
