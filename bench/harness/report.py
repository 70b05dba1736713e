# SPDX-License-Identifier: MIT
"""What came out, as a table and as JSON."""
import json
import re

from harness import figures

NAMES = {
    "ns_per_op": "ns",
    "cpu_ns_per_op": "CPU ns",
    "ctxsw_per_op": "switches",
    "bytes_per_task": "bytes a task",
    "server_cpu": "CPU µs each",
    "server_busy": "CPU busy, %",
    "server_ctxsw": "switches",
    "req_per_s": "requests/s",
    "messages_per_s": "messages/s",
    "peak_rss": "MiB at most",
}


# The key of a workload, as the scale of a picture calls it.
AXES = {
    "ns_per_op": "nanoseconds each",
    "cpu_ns_per_op": "CPU nanoseconds each",
    "wall": "milliseconds",
    "server_cpu": "CPU microseconds of the server each",
    "bytes_per_task": "bytes of memory each",
    "bytes_per_connection": "bytes of memory each",
    "pair": "nanoseconds for one inserted and cancelled",
    "fast_p99": "microseconds that 99 of 100 quick requests do not exceed",
    "req_per_s": "requests a second",
    "read": "microseconds each",
    "times_as_long": "times as long as alone",
}

# What floor/floor.c calls the limits of the machine.
FLOORS = {
    "cacheline_rt_2core": "a cache line to the other CPU and back",
    "push_from_2_threads": "a bare node of 16 bytes pushed by one of two threads and taken",
    "indirect_call": "an indirect call",
    "malloc_free_64": "malloc and free of 64 bytes",
}


def axis(result):
    return AXES.get(result["key"]) or heading(result, result["key"])


def floor_of(result):
    """(nanoseconds, name): the limit that the workload was measured beside; None without."""
    each = [found[result["floor"]] for found in result["floors"] if result.get("floor") in found]
    if not each or result["units"].get(result["key"]) != "ns":
        return None
    return figures.median(each), FLOORS.get(result["floor"], result["floor"])


def values(peer, metric):
    """{round: value} of the runs that nobody disturbed, of all if none was quiet."""
    found = {run["round"]: run for run in peer["runs"] if metric in run["metrics"]}
    quiet = {number: run for number, run in found.items() if not run["noisy"]}
    return {number: run["metrics"][metric] for number, run in (quiet or found).items()}


def is_noisy(peer):
    return all(run["noisy"] for run in peer["runs"])


def middle(peer, metric):
    found = values(peer, metric)
    return figures.median(found.values()) if found else None


def ratio(result, case, peer, metric=None):
    """weft's figure to the peer's, by rounds."""
    metric = metric or result["key"]
    peers = result["cases"][case]["peers"]
    if "weft" not in peers or peer not in peers:
        return []
    return figures.ratios_by_round(values(peers["weft"], metric), values(peers[peer], metric),
                                   figures.higher_is_better(metric))


def ranking(result, case):
    """The peers of a case, the best first."""
    peers = result["cases"][case]["peers"]
    order = {name: middle(peer, result["key"]) for name, peer in peers.items()}
    order = {name: value for name, value in order.items() if value is not None}
    return sorted(order, key=order.get, reverse=figures.higher_is_better(result["key"]))


def heading(result, metric):
    unit = result["units"].get(metric, "")
    name = NAMES.get(metric) or metric.replace("_per_op", " each").replace("_", " ")
    if metric in NAMES or unit in ("1", ""):
        return name
    return f"{name}, {unit.replace('us', 'µs')}"


def cells(result, case):
    """The table of a case: a list of rows of text, the first one the headings."""
    key, columns = result["key"], result["columns"]
    peers = result["cases"][case]["peers"]
    columns = [metric for metric in columns if metric in result["units"]]
    with_calls = any("calls" in peer for peer in peers.values())
    table = [["", heading(result, key), "min – max", "weft is"]]
    table[0] += [heading(result, metric) for metric in columns] + ["calls"] * with_calls
    for name in ranking(result, case):
        peer = peers[name]
        found = list(values(peer, key).values())
        row = [name + (" (noisy)" if is_noisy(peer) else ""), figures.text(figures.median(found))]
        row.append(f"{figures.text(min(found))} – {figures.text(max(found))}")
        row.append(times(ratio(result, case, name)) if name != "weft" else "")
        row += [figures.text(middle(peer, metric)) for metric in columns]
        row += [figures.text(peer.get("calls"))] * with_calls
        table.append(row)
    return table


def times(ratios):
    """How weft stands beside a peer: `2.10× better`, `1.05× worse` or `level`."""
    if not ratios:
        return ""
    value = figures.median(ratios)
    if 0.995 <= value < 1.005:
        return "level"
    if 0 < value < 1:
        return f"{figures.text(1 / value)}× better"
    return f"{figures.text(value)}× worse"


def floor_line(result):
    """The physical limits of each round."""
    names = list(dict.fromkeys(name for found in result["floors"] for name in found))
    parts = []
    for name in names:
        each = [found[name] for found in result["floors"] if name in found]
        parts.append(f"{FLOORS.get(name, name)} " + ", ".join(map(figures.text, each)) + " ns")
    return "; ".join(parts)


def align(table):
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    lines = []
    for row in table:
        first = row[0].ljust(widths[0])
        lines.append("  ".join([first] + [cell.rjust(w) for cell, w in zip(row[1:], widths[1:])]))
    return "\n".join(line.rstrip() for line in lines)


def noisy_runs(result):
    runs = [run for case in result["cases"].values() for peer in case["peers"].values()
            for run in peer["runs"]]
    return sum(run["noisy"] for run in runs), len(runs)


def text(name, result):
    """All that a terminal is told of a workload."""
    parts = []
    for case, found in result["cases"].items():
        if found["peers"]:
            parts.append(f"{name}, {case}: {result['title']}\n{align(cells(result, case))}")
    if result["floors"] and floor_line(result):
        parts.append(f"floor, each round: {floor_line(result)}")
    noisy, runs = noisy_runs(result)
    if noisy:
        parts.append(f"{noisy} of {runs} runs were disturbed by others (noisy: a peer with no other run)")
    for who, why in result["failed"].items():
        parts.append(f"failed: {who}: {why}")
    return "\n\n".join(parts) + "\n"


def save(path, results):
    """One run a line: a change of the file can be read."""
    text = json.dumps(results, indent=1)
    text = re.sub(r"\{\s*\"round\"[^{}]*\{[^{}]*\}\s*\}", lambda m: re.sub(r"\s+", " ", m[0]), text)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text + "\n")


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)
