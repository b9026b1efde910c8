# SPDX-License-Identifier: Apache-2.0
"""What Airflow's serialization and logging make of the payload of a trigger's event."""

from __future__ import annotations

from typing import Any

from airflow_batch_events.text import printable

MAX_SHOWN = 2_000
"""Characters of a payload in a log line."""

RESERVED_KEYS = frozenset(
    {"__classname__", "__version__", "__data__", "__id__", "__cache__", "__type", "__source", "__var"}
)
"""
Keys that Airflow's serialization takes for its own: it refuses them, or makes an object of what they stand in.

Source: ``sdk/serde/__init__.py``, lines 222 and 348, with the old form at line 409; ``serialization/enums.py``, line
31. Since: before 3.1. It can go when payloads are carried as plain JSON.
"""


class Payload(dict[str, Any]):
    """
    A payload of which a log shows no more than a line.

    Airflow logs each event in full, and its triggerer reads its log 4 KiB at a time, between queries of the database: a
    hundred large events would keep it from everything else for minutes, and its triggers would be given to another one.

    Source: ``jobs/triggerer_job_runner.py``, line 1630; ``sdk/execution_time/supervisor.py``, line 210. Since: before
    3.1. It can go when an event is logged without its payload, or in a few characters.
    """

    def __repr__(self) -> str:
        return printable(super().__repr__(), MAX_SHOWN)
