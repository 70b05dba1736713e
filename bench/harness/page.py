# SPDX-License-Identifier: MIT
"""docs/performance.md, and the figures in README, of the results of a full run."""
import os

from harness import figures, machine, peers, plan, plot, report

PAGE = os.path.join(machine.ROOT, "docs", "performance.md")
PLOTS = os.path.join(machine.ROOT, "docs", "performance")
README = os.path.join(machine.ROOT, "README.md")
WHY = os.path.join(machine.BENCH, "why")
BEGIN, END = "<!-- ./dev bench --page writes this: -->", "<!-- so far -->"

INTRODUCTION = """\
# Performance

What weft costs beside its peers, and why. This page is written by `./dev bench --page` from a run of every workload; only the
paragraphs that explain are by hand (`bench/why`).

Everything ran interleaved, A B C A B C …, {rounds} rounds, on one machine; a figure is the median of its rounds. *weft is* compares round
by round, and takes the median of that. *CPU* is the time of all threads of a process, *switches* are context switches, *calls* system calls,
all for one operation. In the plots each point is a median, the line beside it goes from the least to the most; the scale is logarithmic.
"""

REPEAT = """\
## How to repeat it

```sh
./dev bench --json results.json --page
```

installs the peers from Debian's packages, builds everything, measures for about {hours} and writes this page. `./dev bench chain --peers c`
measures one workload beside the peers in C and C++, `--quick` does it in a fraction of the time, `--help` tells the rest. A run waits for a
quiet machine; one during which others used the machine is repeated, and marked if it stays so.
"""

ABOUT_README = """\
Measured side by side on {machine} [docs/performance.md](docs/performance.md) has all of it, says why each figure is what it
is, and how to repeat it.
"""

# README's table: what it says, the workload, its case (the first one, if empty), and whom to name.
SUMMARY = (
    ("a job to a thread and back, one at a time", "round-trip", "", ("libuv", "asio", "go_locked")),
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
        cells = [f"**{cell}**" if cell and row[0].startswith("weft") else cell for cell in row]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def unit_of(result):
    unit = result["units"].get(result["key"], "")
    return {"us": "µs", "1/s": "a second", "B": "bytes", "1": "times"}.get(unit, unit)


def _section(name, result, drawn):
    parts = [f"## {result['title']}\n", f"`./dev bench {name}`\n"]
    if name in drawn:
        parts.append(f"![{result['title']}: the peers as points on a scale, the best on top]"
                     f"(performance/{drawn[name]})\n")
    for case, found in result["cases"].items():
        if found["peers"]:
            parts.append(f"**{case[0].upper()}{case[1:]}**\n\n{table(report.cells(result, case))}")
    floor = report.floor_line(result)
    if floor:
        parts.append(f"Physical limits, in each round: {plot.label(floor)}.\n")
    noisy, runs = report.noisy_runs(result)
    if noisy:
        parts.append(f"{noisy} of {runs} runs were disturbed by others and stayed so.\n")
    for who, why in result["failed"].items():
        parts.append(f"Failed: {plot.label(who)}: {why}.\n")
    parts.append(_read(os.path.join(WHY, f"{name}.md")))
    return "\n".join(part for part in parts if part)


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
    quick = "" if not results.get("quick") else "\n**This was a quick run: the figures are rough.**\n"
    parts = [INTRODUCTION.format(rounds=_rounds(results)) + quick,
             "## The machine\n\n" + _machine(results["machine"]) + "\n" + _versions(results["machine"])
             + _left_out(results),
             _read(os.path.join(WHY, "machine.md")),
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


def write(results):
    peers.install(peers.PLOTTER)
    lacking = peers.missing(peers.PLOTTER)
    drawn = {} if lacking else plot.draw(results, PLOTS)
    _write(PAGE, render(results, drawn))
    _into_readme(f"{summary(results)}\n{ABOUT_README.format(machine=_machine(results['machine']))}")
