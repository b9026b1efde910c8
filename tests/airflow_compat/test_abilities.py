# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys

import airflow
import pytest

from airflow_batch_events.airflow_compat import abilities

FROM_3_3 = ("HAS_STATE_STORE", "HAS_SHARED_STREAMS", "HAS_TRIGGER_ON_KILL", "HAS_START_FROM_TRIGGER")

FROM_3_2 = ("HAS_EARLY_MAP_INDEX", "HAS_PROVIDER_COMMANDS", "HAS_TASK_SPANS")


@pytest.mark.parametrize(
    ("name", "since"), [*((name, (3, 3)) for name in FROM_3_3), *((name, (3, 2)) for name in FROM_3_2)]
)
def test_each_is_found_where_it_is(name: str, since: tuple[int, int]) -> None:
    is_there = tuple(map(int, airflow.__version__.split(".")[:2])) >= since

    assert getattr(abilities, name) is is_there


def test_there_are_no_others() -> None:
    assert set(abilities.__annotations__) == set(abilities._PROBES) == {*FROM_3_3, *FROM_3_2}
    with pytest.raises(AttributeError, match="HAS_TIME_TRAVEL"):
        _ = abilities.HAS_TIME_TRAVEL


def test_a_dag_file_does_not_pay_for_them() -> None:
    code = (
        "import sys, airflow.sdk.bases.operator; before = set(sys.modules); "
        "from airflow_batch_events.airflow_compat.abilities import HAS_STATE_STORE; "
        "sys.exit('airflow.triggers.base' in set(sys.modules) - before)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
