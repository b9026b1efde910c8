# SPDX-License-Identifier: Apache-2.0
"""Every fault that the queue service can answer with, by the name of its maker."""

from __future__ import annotations

import inspect

from tencent_batch_emulator.services.cmq import errors
from tencent_batch_emulator.services.cmq.errors import CmqFault

MAKERS = {name: make for name, make in vars(errors).items() if inspect.isfunction(make)}


def make(name: str, text: str = "x") -> CmqFault:
    """Make a fault; whatever its maker wants to know is ``text``."""
    fault: CmqFault = MAKERS[name](**dict.fromkeys(inspect.signature(MAKERS[name]).parameters, text))
    return fault
