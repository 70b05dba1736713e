# SPDX-License-Identifier: MIT
"""docs/performance.md, and the figures in README, of the results of a full run."""
import os
import re

from harness import figures, goals, machine, peers, plan, plot, report

PAGE = os.path.join(machine.ROOT, "docs", "performance.md")
PLOTS = os.path.join(machine.ROOT, "docs", "performance")
README = os.path.join(machine.ROOT, "README.md")
WHY = os.path.join(machine.BENCH, "why")
BEGIN, END = "<!-- ./dev bench --page writes this: -->", "<!-- so far -->"

INTRODUCTION = """\
# Performance

What weft costs beside its peers, and why. `./dev bench --page` writes this page from a run of every workload; only the paragraphs that
explain are by hand ([bench/why](../bench/why)).
"""

READING = """\
## How to read it

Each workload is a small program that does one thing over and over, once for each peer. They ran in turns, A B C A B C …, {rounds} rounds, on
one machine with nothing else to do. A figure is the median of its rounds, and *min – max* are the least and the most of them.

| column | |
|---|---|
| *weft is* | how weft compares, round by round; the median of that. A difference smaller than *min – max* is none. |
| *CPU* | time of all threads of the process, for one operation |
| *switches* | context switches, for one operation |
| *calls* | system calls, for one operation; counted in a run of its own, since counting costs |
| *(noisy)* | others used the machine in each run of that peer: not to be trusted |

In the pictures a point is the median, with its figure; the line through it goes from the least to the most, and is often shorter than the point
is wide. Where peers are far apart the scale is logarithmic: from one tick to the next it is a factor. weft is red.
"""

REPEAT = """\
## How to repeat it

```sh
./dev bench --json results.json --page
```

installs the peers from Debian's packages, builds everything, measures and writes this page; what is shown here took {hours}. `./dev bench
chain --peers c` measures one workload beside the peers in C and C++, `--short` makes runs shorter, `--quick` their number and sizes, too,
`--help` tells the rest. A run waits for a quiet machine; one during which others used the machine is repeated, and marked if it stays so.
[bench/README.md](../bench/README.md) says how the yardstick is made.
"""

ABOUT_README = """\
Measured side by side on {machine} [docs/performance.md](docs/performance.md) has all of it, says why each figure is what it
is, and how to repeat it.
"""

# README's table: what it says, the workload, its case (the first one, if empty), and whom to name.
SUMMARY = (
    ("a job to a thread and back, one at a time", "round-trip", "", ("libuv", "asio", "go_locked", "go")),
    ("the same, 1,024 in flight", "throughput", "", ("libuv", "asio", "tokio", "go")),
    ("a callback posted by another thread", "posts", "", ("libuv", "libevent", "asio")),
    ("a callback that schedules the next", "chain", "", ("libuv_idle", "tokio", "asyncio")),
    ("a task that lets others run", "yield", "", ("libuv_idle", "tokio", "go", "asyncio")),
    ("a coroutine called and awaited", "call", "", ("asio_coro", "tokio", "asyncio")),
    ("memory of each of a million sleeping tasks", "sleeping", "", ("libuv", "tokio", "go", "asyncio")),
    ("a timer set and cancelled, one of a million", "timers", "", ("libuv", "libevent", "go")),
    ("an HTTP request: CPU time of the server", "http", "", ("raw_epoll", "nginx", "hyper", "go")),
    ("p99 of quick requests beside ones that block, closed loop", "mixed-closed", "",
     ("libuv", "asio", "hyper")),
    ("quick jobs beside a flood of slow ones take, as against alone", "starvation", "", ("libuv",)),
)


def _read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip() + "\n"
    except OSError:
        return ""


def _write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def table(rows):
    """Rows of text as Markdown; the first is the heading."""
    head, *body = [[plot.label(row[0]), *row[1:]] for row in rows]
    lines = ["| " + " | ".join(head) + " |", "|---|" + "--:|" * (len(head) - 1)]
    for row in body:
        cells = [f"**{cell}**" if cell and plot.is_ours(row[0]) else cell for cell in row]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def unit_of(result):
    unit = result["units"].get(result["key"], "")
    return {"us": "µs", "1/s": "a second", "B": "bytes", "1": "times"}.get(unit, unit)


def case_title(case, found):
    """With the number of connections, where it is for the system to say how many there can be."""
    counts = [count for peer in found["peers"].values() for count in report.values(peer, "connections").values()]
    return f"{case}: {min(counts):,.0f}" + (f" to {max(counts):,.0f}" if max(counts) > min(counts) else "") if counts else case


def _section(name, result, drawn):
    parts = [f"## {heading(name, result)}\n", f"`./dev bench {name}`\n"]
    why = _read(os.path.join(WHY, f"{name}.md"))
    if result.get("quick"):
        parts.append("A quick run: small sizes, and rough figures.\n")
    if name in drawn:
        parts.append(f"![{result['title']}: a scale with a point for each peer, the best on top. The tables have the same figures.]"
                     f"(performance/{drawn[name]})\n")
    parts.append(why)
    for case, found in result["cases"].items():
        if found["peers"]:
            title = case_title(case, found)
            parts.append(f"**{title[0].upper()}{title[1:]}**\n\n{table(report.cells(result, case))}")
    floor = report.floor_line(result)
    if floor:
        parts.append(f"Limits of the machine, in each round: {floor}.\n")
    noisy, runs = report.noisy_runs(result)
    if noisy:
        parts.append(f"{noisy} of {runs} runs were disturbed by others and stayed so.\n")
    for who, reason in result["failed"].items():
        parts.append(f"Failed: {plot.label(who)}: {reason}.\n")
    return "\n".join(part for part in parts if part)


# ---- Where weft stands ----


def heading(name, result):
    return f"{name}: {result['title'][0].lower()}{result['title'][1:]}"


def _link(name, result, shown=""):
    """A section's address, as GitHub and others make it of the heading."""
    text = re.sub(r"[^\w\- ]", "", heading(name, result).lower()).replace(" ", "-")
    return f"[{shown or name}](#{text})"


def is_other_protocol(name, peer):
    """`idle` shows echo servers beside HTTP servers; weft's figure there is its HTTP server's."""
    return name == "idle" and peer.endswith("_echo")


def standings(results):
    """[(name, case, [(peer, its cost as a multiple of weft's)], place)] where there are peers."""
    found = []
    for name in in_order(results):
        result = results["workloads"][name]
        for case, at in result["cases"].items():
            others = {peer: report.ratio(result, case, peer) for peer, what in at["peers"].items()
                      if what["family"] != "weft" and not is_other_protocol(name, peer)}
            multiples = [(peer, 1 / figures.median(each)) for peer, each in others.items() if each]
            if multiples:
                place = 1 + sum(multiple < 1 for _, multiple in multiples)
                found.append((name, case, multiples, place))
    return found


def overview_rows(results):
    rows = []
    for name, case, multiples, place in standings(results):
        many = len(results["workloads"][name]["cases"]) > 1
        rows.append((f"{name}, {case}" if many else name, multiples, f"{place} of {len(multiples) + 1}"))
    return rows


def _standings(results, drawn):
    lines = ["## Where weft stands\n"]
    if "overview" in drawn:
        lines.append("![For each workload a row of points, one a peer, and a line for weft: what lies to the right of it costs more.]"
                     f"(performance/{drawn['overview']})\n")
    lines += ["| | | weft | the best of the others | weft is | place |", "|---|---|--:|--:|--:|--:|"]
    for name, case, multiples, place in standings(results):
        result = results["workloads"][name]
        peers_there = result["cases"][case]["peers"]
        best = min(multiples, key=lambda pair: pair[1])[0]
        lines.append(f"| {_link(name, result)} | {case_title(case, result['cases'][case])} | **{_figure(result, peers_there['weft'])} {unit_of(result)}** | "
                     f"{plot.label(best)} {_figure(result, peers_there[best])} | "
                     f"{report.times(report.ratio(result, case, best))} | {place} of {len(multiples) + 1} |")
    return "\n".join(lines) + "\n"


def _goals(results):
    """The goals beside what was measured."""
    judged = goals.judged(results)
    if all(value is None for _, value, _ in judged):
        return ""
    reached = sum(value is not None and goal.is_reached(value) for goal, value, _ in judged)
    lines = ["## The goals\n",
             f"What weft was to reach, before it was written; {reached} of {len(judged)} are reached. Absolute figures were set on another kind "
             "of machine (AMD EPYC), where an indirect call takes 1.6 ns. What limits one that is missed, with a profile, and what was tried, "
             "stands under its workload.\n",
             "| workload | | goal | measured | |", "|---|---|---|--:|---|"]
    for goal, value, beside in judged:
        result = results["workloads"].get(goal.workload)
        measured, verdict = "–", "not measured"
        if value is not None:
            measured = f"{figures.text(value)}{goal.unit} {beside}".strip()
            verdict = "reached" if goal.is_reached(value) else _link(goal.workload, result, "**missed**: why")
        lines.append(f"| {_link(goal.workload, result) if result else goal.workload} | {goal.what} | {goal.wanted} | {measured} | {verdict} |")
    return "\n".join(lines) + "\n"


def _machine(about):
    virtual = "" if about["virtual"] in ("none", "unknown") else f", a virtual machine ({about['virtual']})"
    return (f"{about['cpus']} CPUs of {about['cpu']}, {about['memory_gib']} GiB{virtual}; {about['system']}, "
            f"Linux {about['kernel']}, {about['compiler']}, {about['libc']}. weft {about['weft']}, "
            f"{about['when']} UTC.")


def _versions(about):
    found = about.get("peers", {})
    if not found:
        return ""
    return "\nThe peers: " + ", ".join(f"{name} {version}" for name, version in found.items()) + ".\n"


def _left_out(results):
    if not results["left_out"]:
        return ""
    lines = [f"- {plot.label(name)}: {why}" for name, why in results["left_out"].items()]
    return "\nLeft out:\n\n" + "\n".join(lines) + "\n"


def in_order(results):
    """The workloads as the plan has them."""
    order = list(plan.WORKLOADS)
    found = results["workloads"]
    return sorted(found, key=lambda name: order.index(name) if name in order else len(order))


def _rounds(results):
    numbers = {len({run["round"] for case in result["cases"].values() for peer in case["peers"].values()
                    for run in peer["runs"]}) for result in results["workloads"].values()}
    least, most = min(numbers), max(numbers)
    return str(most) if least == most else f"{least} to {most}"


def _hours(results):
    seconds = sum(result.get("seconds", 0) for result in results["workloads"].values())
    return f"{seconds / 3600:.1f} hours" if seconds > 5000 else f"{max(1, round(seconds / 60))} minutes"


def render(results, drawn):
    parts = [INTRODUCTION,
             _standings(results, drawn),
             _goals(results),
             READING.format(rounds=_rounds(results)),
             "## The machine\n\n" + _machine(results["machine"]) + "\n",
             _read(os.path.join(WHY, "machine.md")),
             "## The peers\n\n" + _read(os.path.join(WHY, "peers.md")) + _versions(results["machine"])
             + _left_out(results),
             REPEAT.format(hours=_hours(results))]
    parts += [_section(name, results["workloads"][name], drawn) for name in in_order(results)]
    return "\n".join(part for part in parts if part)


def summary(results):
    """README's table."""
    lines = ["| | weft | others | `./dev bench …` |", "|---|--:|---|---|"]
    for text, name, case, others in SUMMARY:
        result = results["workloads"].get(name)
        if not result:
            continue
        found = result["cases"][case or next(iter(result["cases"]))]["peers"]
        if "weft" not in found:
            continue
        beside = [f"{plot.label(other)} {_figure(result, found[other])}" for other in others
                  if other in found]
        lines.append(f"| {text} | {_figure(result, found['weft'])} {unit_of(result)} | "
                     f"{', '.join(beside)} | `{name}` |")
    return "\n".join(lines) + "\n"


def _figure(result, peer):
    return figures.text(report.middle(peer, result["key"]))


def _into_readme(text):
    before, _, rest = _read(README).partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise SystemExit(f"weft: README.md lacks the lines {BEGIN} and {END}")
    _write(README, f"{before}{BEGIN}\n\n{text}\n{END}{after}")


def unexplained(results):
    """The workloads that miss a goal, and whose page does not tell by a profile why."""
    return [name for name in goals.missed(results)
            if not re.search(r"\b(profile|perf|callgrind)\b", _read(os.path.join(WHY, f"{name}.md")), re.IGNORECASE)]


def write(results):
    """Returns the status: a goal that is missed is to be explained."""
    peers.install(peers.PLOTTER)
    lacking = peers.missing(peers.PLOTTER)
    drawn = {} if lacking else plot.draw(results, PLOTS, overview_rows(results))
    _write(PAGE, render(results, drawn))
    _into_readme(f"{summary(results)}\n{ABOUT_README.format(machine=_machine(results['machine']))}")
    lacking = unexplained(results)
    for name in lacking:
        machine.say(f"{name} misses a goal, and bench/why/{name}.md has no profile that tells why")
    return int(bool(lacking))
