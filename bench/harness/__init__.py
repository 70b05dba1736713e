# SPDX-License-Identifier: MIT
"""The harness of `./dev bench`: plan and peers say what there is, build makes it, measure runs it,
report, check, plot and page tell what came out."""
