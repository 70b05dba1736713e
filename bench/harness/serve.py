# SPDX-License-Identifier: MIT
"""Workloads of a server and a client."""


def run(workload, case, program, quick, watch):
    raise NotImplementedError
