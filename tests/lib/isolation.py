# SPDX-License-Identifier: Apache-2.0
"""Refuse to run on the bare machine: tests/run gives the namespaces."""
import os
import sys


def require():
    with open("/proc/1/comm", encoding="ascii") as f:
        pid1 = f.read().strip()
    if os.geteuid() != 0 or pid1 != "tini" or os.path.exists("/run/systemd"):
        sys.exit("start the tests with tests/run: they need namespaces of their own")
