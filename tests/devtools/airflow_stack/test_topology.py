# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from devtools.airflow_stack.topology import LOCAL, ROLES, WORKER, Topology, kind_of, on_celery

CELERY = on_celery("redis://127.0.0.1:1/0")


@pytest.mark.parametrize("topology", [LOCAL, CELERY])
def test_every_component_has_a_role(topology: Topology) -> None:
    assert [topology.role(name) for name in topology.components] == [
        ROLES[kind_of(name)] for name in topology.components
    ]


def test_what_may_die_on_celery_is_there_twice() -> None:
    kinds = [kind_of(name) for name in CELERY.components]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "api-server": 1,
        "dag-processor": 1,
        "scheduler": 2,
        "worker": 2,
        "triggerer": 2,
    }


def test_a_worker_is_known_to_celery_by_its_name() -> None:
    command = [word.format(name="worker-2") for word in CELERY.role("worker-2").command]

    assert command[:2] == ["celery", "worker"]
    assert command[-2:] == ["--celery-hostname", "worker-2"]


def test_there_is_no_worker_where_tasks_run_in_the_scheduler() -> None:
    with pytest.raises(ValueError, match=f"{WORKER!r} is no component of this Airflow; there are api-server"):
        LOCAL.role(WORKER)
