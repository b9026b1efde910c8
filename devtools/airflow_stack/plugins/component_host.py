# SPDX-License-Identifier: Apache-2.0
"""The name that a component takes for its host's: all of them are on one machine, and some must be told apart."""

from __future__ import annotations

import os
import socket

VARIABLE = "AIRFLOW_STACK_COMPONENT"


def name() -> str:
    """Return the component's name, or the machine's outside a component."""
    return os.environ.get(VARIABLE) or socket.gethostname()
