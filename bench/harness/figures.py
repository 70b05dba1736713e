# SPDX-License-Identifier: MIT
"""The arithmetic: nothing here knows of programs or files."""
import statistics


def median(values):
    return statistics.median(values)


def higher_is_better(metric):
    return metric.endswith("_per_s")


def ratios_by_round(ours, theirs, higher=False):
    """Ours to theirs in each round that has both: above 1 is worse. Both are {round: value}."""
    ratios = []
    for number in sorted(set(ours) & set(theirs)):
        above, below = ours[number], theirs[number]
        if higher:
            above, below = below, above
        if below > 0:
            ratios.append(above / below)
    return ratios


def noise(values):
    """How far the values are from their median, as a share of it: three times the median of that, so
    that an odd round says nothing and most of the others are within it."""
    middle = median(values)
    return 3 * median(abs(value - middle) for value in values) / middle if middle > 0 else 0.0


def expectation(ratios, least_noise):
    """What a later run is compared with. Few rounds may agree by chance."""
    return {"ratio": median(ratios), "noise": max(noise(ratios), least_noise)}


def limit(expected):
    return expected["ratio"] * (1 + expected["noise"])


def is_worse(ratios, expected):
    """Is the middle of these ratios worse than expected, by more than the noise that was measured?"""
    return bool(ratios) and median(ratios) > limit(expected)


def slope(shorter, longer):
    """Cost of one operation from two runs (operations, cost): what a start costs falls out."""
    operations = longer[0] - shorter[0]
    return max(0.0, (longer[1] - shorter[1]) / operations) if operations > 0 else 0.0


def iterations(nominal, seconds, ns_per_op, least):
    """How often to run something that took `ns_per_op`, to fill `seconds`; at most `nominal`."""
    if not ns_per_op or not seconds:
        return nominal
    return max(least, min(nominal, int(seconds * 1e9 / ns_per_op)))


def text(value):
    """A figure as a table shows it: three digits that count."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    if abs(value) >= 999.5:
        return f"{value:,.0f}"
    if abs(value) < 0.00095:
        return f"{value:.0e}"
    steps = ((99.95, 0), (9.995, 1), (0.0995, 2), (0.00995, 3), (0, 4))
    return f"{value:.{next(digits for least, digits in steps if abs(value) >= least)}f}"
