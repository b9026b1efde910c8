# SPDX-License-Identifier: Apache-2.0
"""The Airflow on Celery that is killed elsewhere: it works, and only this machine can reach it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psutil

from devtools.airflow_stack.stack import AirflowStack


def test_components_are_healthy_and_local(stack: AirflowStack) -> None:
    stack.check_alive()
    assert stack.api.health() == dict.fromkeys(("metadatabase", "scheduler", "triggerer", "dag_processor"), "healthy")
    listening: set[tuple[str, str]] = set()
    for process in psutil.process_iter():
        # A process that ends meanwhile, or that belongs to another user, is none of ours.
        with suppress(psutil.Error):
            place = Path(process.cwd())
            if stack.home in (place, *place.parents):
                listening |= {
                    (connection.laddr.ip, process.cmdline()[0])
                    for connection in process.net_connections(kind="inet")
                    if connection.status == psutil.CONN_LISTEN
                }
    assert {address for address, _ in listening} == {"127.0.0.1"}, listening
    assert [command for _, command in listening if "redis-server" in command], listening
