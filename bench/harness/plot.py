# SPDX-License-Identifier: MIT
"""Pictures, by gnuplot: one of each workload, and one of all.

A point is a peer's median, the line beside it goes from the least to the most of its runs. From the best
to the worst peer it is often a factor of a thousand: then the scale is logarithmic.
"""
import math
import os
import subprocess

from harness import figures, report

ROW, TOP, BOTTOM, WIDTH = 18, 52, 50, 860  # pixels: of a peer, above and below them, of the picture
OURS, THEIRS, PALE = "#c0392b", "#34495e", "#dddddd"
LEFT, RIGHT = 0.22, 0.96  # where the scale begins and ends, as shares of the width
ROOM = 0.13  # for a figure beside the last point, as a share of the scale
MANY = 4  # from here on, worst to best, the scale is logarithmic


def label(name):
    return name.replace("_", " ")


def _quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def is_ours(name):
    return name.startswith("weft")


def points(result, case):
    """[(peer, median, least, most)], the best last: it is drawn on top. A logarithm has no zero."""
    found = []
    peers = result["cases"][case]["peers"]
    for name in reversed(report.ranking(result, case)):
        values = list(report.values(peers[name], result["key"]).values())
        if min(values) > 0:
            found.append((name, figures.median(values), min(values), max(values)))
    return found


# ---- The scale ----


def _steps(least, most, factors):
    """factor times powers of ten, between least and most."""
    powers = range(math.floor(math.log10(least)) - 1, math.ceil(math.log10(most)) + 1)
    each = (factor * 10.0**power for power in powers for factor in factors)
    return [value for value in each if least <= value <= most]


def _log_scale(least, most):
    span = max(most / least, 1.5)
    begin, end = least / span**0.05, most * span ** (ROOM / (1 - ROOM))
    for factors in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8)):
        ticks = _steps(begin, end, factors)
        if len(ticks) >= 3:
            break
    return begin, end, ticks


def _linear_scale(most):
    end = most / (1 - ROOM)
    step = next(step for step in _steps(end / 100, end, (1, 2, 5)) if end / step <= 7)
    return 0, end, [step * k for k in range(int(end / step) + 1)]


def scale(least, most):
    """(is it logarithmic?, begin, end, ticks)"""
    is_log = most / least > MANY
    return (is_log, *(_log_scale(least, most) if is_log else _linear_scale(most)))


def number(value):
    return f"{value:,.10g}"


def _axis(least, most, text=number):
    is_log, begin, end, ticks = scale(least, most)
    marks = ", ".join(f"{_quoted(text(tick))} {tick:.10g}" for tick in ticks)
    return ["set logscale x" if is_log else "unset logscale x", f"set xrange [{begin:.10g}:{end:.10g}]",
            f"set xtics ({marks})"]


# ---- A workload ----


def _name(row, text, ours):
    style = f'tc rgb "{OURS}" font ",12"' if ours else f'tc rgb "{THEIRS}"'
    return f"set label {_quoted(text)} at graph -0.012, first {row} right {style} noenhanced"


def _data(name, rows):
    lines = [f"${name} << EOD"]
    lines += [f"{middle:.10g} {row} {least:.10g} {most:.10g} {_quoted(figures.text(middle))}"
              for row, middle, least, most in rows]
    return "\n".join([*lines, "EOD"])


def _plot_of(name, color, size):
    return [f'${name} using 1:2:3:4 with xerrorbars lc rgb "{color}" pt 7 ps {size} lw 1.5 notitle',
            f'${name} using 4:2:5 with labels left offset 1,0 tc rgb "{color}" notitle']


def _floor(floor):
    """A limit that no peer can be under, as a line."""
    if not floor:
        return []
    value, text = floor
    at = f"first {value:.10g}"
    return [f'set arrow from {at}, graph 0 to {at}, graph 1 nohead dt 2 lw 1.5 lc rgb "#999999" back',
            f'set label {_quoted(text)} at {at}, graph 1 left offset 0,0.5 tc rgb "#777777" font ",10"']


def _panel(index, title, found, heading, floor):
    lines = ["unset label", "unset arrow", *_floor(floor)]
    lines += [_name(row, label(peer), is_ours(peer)) for row, (peer, *_) in enumerate(found)]
    lines += _axis(min([each[2] for each in found] + ([floor[0]] if floor else [])),
                   max(each[3] for each in found))
    curves = []
    for name, ours, color, size in ((f"theirs{index}", False, THEIRS, 0.7), (f"ours{index}", True, OURS, 0.9)):
        rows = [(row, *each) for row, (peer, *each) in enumerate(found) if is_ours(peer) == ours]
        if rows:
            lines.append(_data(name, rows))
            curves += _plot_of(name, color, size)
    lines += [f"set label {_quoted(title)} at graph 0, graph 1 left offset 0,1.7 noenhanced font ',13'",
              f"set xlabel {_quoted(heading)} noenhanced",
              f"set yrange [-0.7:{len(found) - 0.3}]",
              "plot " + ", \\\n  ".join(curves)]
    return "\n".join(lines)


def _lowest(found, floor):
    """The floor, if it is one here."""
    return floor if floor and floor[0] <= min(least for _, _, least, _ in found) else None


def _begin(path, height):
    return [
        f'set terminal svg size {WIDTH},{height} font "sans-serif,11" background "white"',
        f"set output {_quoted(path)}",
        f"set grid xtics lc rgb '{PALE}' lt 1 lw 0.7",
        "set border 1 lc rgb '#888888'",
        'set tics nomirror scale 0.5 textcolor rgb "#333333"',
        "unset ytics",
        f"set lmargin at screen {LEFT}",
        f"set rmargin at screen {RIGHT}",
    ]


def script(result, path):
    """What gnuplot is told; empty if there is nothing to show."""
    panels = [(case, points(result, case)) for case in result["cases"]]
    panels = [(case, found) for case, found in panels if len(found) > 1]
    if not panels:
        return ""
    height = sum(ROW * len(found) + TOP + BOTTOM for _, found in panels)
    heading = report.axis(result)
    floor = report.floor_of(result)
    lines = [*_begin(path, height), "set multiplot"]
    top = height
    for index, (case, found) in enumerate(panels):
        mine = ROW * len(found) + TOP + BOTTOM
        lines += [f"set tmargin at screen {(top - TOP) / height:.5f}",
                  f"set bmargin at screen {(top - mine + BOTTOM) / height:.5f}",
                  _panel(index, case, found, heading, _lowest(found, floor))]
        top -= mine
    return "\n".join([*lines, "unset multiplot", ""])


# ---- All workloads ----


def _times(value):
    return f"{number(value)}×"


def overview(rows, path):
    """Rows: (text, [(peer, its cost as a multiple of weft's)], place), the first one on top."""
    height = ROW * (len(rows) + 2) + BOTTOM
    each = [multiple for _, found, _ in rows for _, multiple in found]
    lines = [*_begin(path, height), "set tmargin at screen 1", f"set bmargin at screen {BOTTOM / height:.5f}"]
    lines += [f"set lmargin at screen {LEFT + 0.07}"]
    least, most = min(*each, 0.5), max(*each, 2)
    lines += _axis(least / (most / least) ** ROOM, most, _times)
    dots, names = ["$peers << EOD"], ["$best << EOD"]
    for row, (text, found, place) in enumerate(reversed(rows)):
        lines.append(_name(row, text, False))
        dots += [f"{multiple:.6g} {row}" for _, multiple in found]
        peer, least = min(found, key=lambda pair: pair[1])
        names.append(f"{least:.6g} {row} {_quoted(label(peer))}")
        lines.append(f"set label {_quoted(place)} at graph 1, first {row} right tc rgb '#777777'")
    lines += [*dots, "EOD", *names, "EOD",
              f'set arrow from 1, graph 0 to 1, first {len(rows)} nohead lw 2 lc rgb "{OURS}"',
              f'set label "weft" at 1, graph 1 center offset 0,-0.8 tc rgb "{OURS}" font ",13"',
              'set xlabel "what each peer costs, weft being 1: to the left of the line they are ahead" noenhanced',
              f"set yrange [-0.7:{len(rows) + 1.2}]",
              f'plot $peers with points pt 7 ps 0.5 lc rgb "#8395a7" notitle, '
              f'$best with points pt 7 ps 0.6 lc rgb "{THEIRS}" notitle, '
              f'$best with labels right offset -1,0 font ",9" tc rgb "{THEIRS}" notitle', ""]
    return "\n".join(lines)


def _gnuplot(text):
    subprocess.run(["gnuplot"], input=text, text=True, check=True)


def draw(results, folder, rows):
    """Draws all workloads and, of `rows`, the overview. Returns {workload: file name}."""
    os.makedirs(folder, exist_ok=True)
    drawn = {}
    for name, result in results["workloads"].items():
        text = script(result, os.path.join(folder, f"{name}.svg"))
        if text:
            _gnuplot(text)
            drawn[name] = f"{name}.svg"
    if rows:
        _gnuplot(overview(rows, os.path.join(folder, "overview.svg")))
        drawn["overview"] = "overview.svg"
    return drawn
