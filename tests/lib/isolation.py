# SPDX-License-Identifier: Apache-2.0
"""Refuse to run on the bare machine: tests/run gives the namespaces."""
import os
import sys


def require():
    if os.environ.get("AGENTRUN_ISOLATED") != "1":
        sys.exit("start the tests with tests/run: they need namespaces of their own")
