# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import json
import logging
import time
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.fernet import Fernet
from support.moved_time import MovedTimeLoop

from airflow_batch_events.airflow_compat.deferral import (
    HANDOVER_MARGIN,
    MAX_ARGUMENTS,
    MAX_HANDOVER,
    SCHEDULER_ROUND,
    Handover,
    handover_seconds,
    skipping_errors,
    warn_of_size,
)
from airflow_batch_events.airflow_compat.exceptions import AirflowSensorTimeout, AirflowSkipException
from airflow_batch_events.triggers.batch import BatchJobTrigger


def held(seconds: Any, until: Any) -> float:
    """Return how long something is held, in a loop whose time is moved."""

    async def wait() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await Handover(seconds, until).passed()
        return loop.time() - began

    loop = MovedTimeLoop()
    try:
        return loop.run_until_complete(wait())
    finally:
        loop.close()


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(None, 0), (3, 3), (0.5, 0.5), (-1, 0), (1e6, MAX_HANDOVER), ("x", 0), ([], 0), (1e300, 0)],
)
def test_an_outcome_is_held_for_seconds_and_never_for_long(seconds: Any, expected: float) -> None:
    assert held(seconds, None) == pytest.approx(expected)


def test_a_stored_moment_is_bounded_whatever_the_clock_says() -> None:
    assert held(None, time.time() + 3) == pytest.approx(3, abs=1)
    assert held(None, time.time() + 3600) == pytest.approx(MAX_HANDOVER)
    assert held(None, time.time() - 3600) == 0
    assert held(1, time.time() + 9) == pytest.approx(1)


def test_a_deferral_outlasts_a_worker_s_heartbeat_and_a_scheduler_s_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL", "3")
    monkeypatch.setenv("AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME", "0.5")
    assert handover_seconds() == 3.5 + HANDOVER_MARGIN + SCHEDULER_ROUND


def test_no_default_is_cut_off() -> None:
    assert handover_seconds() <= MAX_HANDOVER


@pytest.mark.parametrize(
    ("never_fail", "raised", "expected"),
    [
        (True, ValueError("x"), AirflowSkipException),
        (False, ValueError("x"), ValueError),
        # These Airflow itself takes for soft_fail and never_fail.
        (True, AirflowSensorTimeout("x"), AirflowSensorTimeout),
    ],
)
def test_a_resumed_never_fail_sensor_skips_on_any_error(
    never_fail: bool, raised: Exception, expected: type[Exception]
) -> None:
    sensor: Any = SimpleNamespace(never_fail=never_fail)
    with pytest.raises(expected), skipping_errors(sensor):
        raise raised


def trigger_of(size: int) -> BatchJobTrigger:
    """Return a trigger whose arguments have so many bytes."""
    rest = len(json.dumps(BatchJobTrigger(job_id=[""]).serialize()[1]))
    return BatchJobTrigger(job_id=["j" * (size - rest)])


def test_what_mysql_cannot_store_is_told_before_it_fails(caplog: pytest.LogCaptureFixture) -> None:
    warn_of_size(trigger_of(MAX_ARGUMENTS + 1), logging.getLogger("task"))

    assert "have 49088 bytes" in caplog.text
    assert "MySQL stores at most 49087" in caplog.text
    assert "in several tasks" in caplog.text


def test_what_every_database_stores_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    warn_of_size(trigger_of(MAX_ARGUMENTS), logging.getLogger("task"))

    assert not caplog.text


def test_the_bound_is_that_of_the_column() -> None:
    fernet = Fernet(Fernet.generate_key())

    assert len(fernet.encrypt(b"x" * MAX_ARGUMENTS)) <= 65_535 < len(fernet.encrypt(b"x" * (MAX_ARGUMENTS + 1)))
