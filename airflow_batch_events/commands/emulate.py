# SPDX-License-Identifier: Apache-2.0
"""
Run a small Tencent Cloud on this machine, where the distribution ``tencent-batch-emulator`` is installed.

The emulator is its own distribution: production needs none, and people use it without Airflow.
"""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec

_IS_INSTALLED = find_spec("tencent_batch_emulator") is not None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the emulator's options."""
    if _IS_INSTALLED:
        from tencent_batch_emulator import cli

        cli.add_arguments(parser)
    else:
        # Whatever was asked for, the answer is the same.
        parser.add_argument("options", nargs=argparse.REMAINDER)


def run(args: argparse.Namespace) -> int:
    """
    Run the emulator until a signal ends it.

    :return: The emulator's exit status; 2 when it is not installed.
    """
    if _IS_INSTALLED:
        from tencent_batch_emulator import cli

        return cli.run(args)
    print(  # noqa: T201
        "The emulator is not installed. Install it with: pip install 'airflow-batch-events[emulator]'", file=sys.stderr
    )
    return 2
