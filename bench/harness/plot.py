# SPDX-License-Identifier: MIT
"""A picture of each workload, by gnuplot: a point for each peer, with the least and the most of its runs.

The scale is logarithmic: from the best to the worst peer it is often a factor of a thousand.
"""
import os
import subprocess

from harness import figures, report

ROW, MARGIN, WIDTH = 17, 78, 760  # pixels: of a peer, of everything else, of the picture
OURS, THEIRS = "#c0392b", "#34495e"


def label(name):
    return name.replace("_", " ")


def _quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _points(result, case):
    """[(peer, median, least, most)], the best last: it is drawn on top. A logarithm has no zero."""
    points = []
    peers = result["cases"][case]["peers"]
    for name in reversed(report.ranking(result, case)):
        found = list(report.values(peers[name], result["key"]).values())
        if min(found) > 0:
            points.append((name, figures.median(found), min(found), max(found)))
    return points


def _data(name, points, is_ours):
    lines = [f"${name} << EOD"]
    lines += [f"{middle} {row} {least} {most}" for row, (peer, middle, least, most)
              in enumerate(points) if peer.startswith("weft") == is_ours]
    if len(lines) == 1:
        lines.append("NaN NaN NaN NaN")
    return "\n".join([*lines, "EOD"])


def _panel(number, title, points, heading):
    ticks = ", ".join(f"{_quoted(label(peer))} {row}" for row, (peer, *_) in enumerate(points))
    return "\n".join([
        _data(f"ours{number}", points, True),
        _data(f"theirs{number}", points, False),
        f"set title {_quoted(title)} noenhanced",
        f"set xlabel {_quoted(heading)} noenhanced",
        f"set ytics ({ticks}) noenhanced",
        f"set yrange [-0.7:{len(points) - 0.3}]",
        f'plot $theirs{number} using 1:2:3:4 with xerrorbars lc rgb "{THEIRS}" pt 7 ps 0.7 notitle, '
        f'$ours{number} using 1:2:3:4 with xerrorbars lc rgb "{OURS}" pt 7 ps 0.9 lw 2 notitle',
    ])  # fmt: skip


def script(result, path):
    """What gnuplot is told; empty if there is nothing to show."""
    panels = [(case, _points(result, case)) for case in result["cases"]]
    panels = [(case, points) for case, points in panels if len(points) > 1]
    if not panels:
        return ""
    height = sum(ROW * len(points) + MARGIN for _, points in panels)
    heading = report.heading(result, result["key"])
    lines = [
        f'set terminal svg size {WIDTH},{height} font "sans-serif,11" background "white"',
        f"set output {_quoted(path)}",
        "set logscale x",
        'set format x "%.10g"',
        "set grid xtics lc rgb '#dddddd' lt 1",
        "set border 1 lc rgb '#888888'",
        'set tics nomirror scale 0.5 textcolor rgb "#333333"',
        "set lmargin 22",
        "set multiplot",
    ]
    top = height
    for number, (case, points) in enumerate(panels):
        mine = ROW * len(points) + MARGIN
        top -= mine
        lines += [f"set size 1,{mine / height:.5f}", f"set origin 0,{top / height:.5f}",
                  _panel(number, case, points, heading)]
    return "\n".join([*lines, "unset multiplot", ""])


def draw(results, folder):
    """Draws all workloads. Returns {workload: file name}."""
    os.makedirs(folder, exist_ok=True)
    drawn = {}
    for name, result in results["workloads"].items():
        text = script(result, os.path.join(folder, f"{name}.svg"))
        if text:
            subprocess.run(["gnuplot"], input=text, text=True, check=True)
            drawn[name] = f"{name}.svg"
    return drawn
