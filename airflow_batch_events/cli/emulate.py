# SPDX-License-Identifier: Apache-2.0
"""
Run an emulator of Tencent Cloud on this machine, where the distribution ``tencent-batch-emulator`` is installed.

The emulator is its own distribution: production does not need it, and people use it without Airflow.
"""

from __future__ import annotations

import argparse
from importlib.util import find_spec


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the emulator's options, or end with exit status 2 where it is not installed."""
    if find_spec("tencent_batch_emulator") is None:
        parser.exit(2, "The emulator is not installed. Run: pip install 'airflow-batch-events[emulator]'\n")
    from tencent_batch_emulator import cli

    cli.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Run the emulator until a signal ends it, and return its exit status."""
    from tencent_batch_emulator import cli

    return cli.run(args)
