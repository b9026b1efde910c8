# SPDX-License-Identifier: Apache-2.0
"""The Airflow on Celery that is killed elsewhere: it works, and only this machine can reach it."""

from __future__ import annotations

from pathlib import Path

import psutil

from devtools.airflow_stack.stack import AirflowStack


def test_components_are_healthy_and_local(stack: AirflowStack) -> None:
    stack.check_alive()
    assert stack.api.health() == dict.fromkeys(("metadatabase", "scheduler", "triggerer", "dag_processor"), "healthy")
    listening = {}
    for process in psutil.process_iter():
        try:
            if stack.home not in (Path(process.cwd()), *Path(process.cwd()).parents):
                continue
            listening[process.name()] = {
                connection.laddr.ip
                for connection in process.net_connections(kind="inet")
                if connection.status == psutil.CONN_LISTEN
            }
        except psutil.Error:
            continue
    addresses = set().union(*listening.values())
    assert addresses == {"127.0.0.1"}, listening
    assert any("redis" in name and found for name, found in listening.items()), listening
