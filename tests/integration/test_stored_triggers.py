# SPDX-License-Identifier: Apache-2.0
"""
The arguments of triggers in Airflow's own table: what a real database takes. No component of Airflow runs.

On MySQL that column has 65,535 bytes, whatever Airflow's other columns have.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from airflow.models import crypto
from airflow.models.trigger import Trigger
from airflow.triggers.base import BaseTrigger
from cryptography.fernet import Fernet
from integration.conftest import MakeStack
from sqlalchemy import create_engine
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DataError
from sqlalchemy.orm import Session

from airflow_batch_events.triggers.batch import BatchJobTrigger
from airflow_batch_events.triggers.many_jobs import BatchJobsTrigger
from airflow_batch_events.waiting.many_jobs import MAX_CARRIED
from devtools.airflow_stack.databases import chosen


@pytest.fixture(scope="module")
def engine(make_stack: MakeStack) -> Iterator[Engine]:
    """Airflow's tables, empty."""
    stack = make_stack()
    engine = create_engine(stack.database)
    yield engine
    engine.dispose()
    stack.stop()


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Airflow encrypt what it stores, as a deployment does."""
    fernet = Fernet(Fernet.generate_key())
    monkeypatch.setattr(crypto, "get_fernet", lambda: fernet)


def store(engine: Engine, trigger: BaseTrigger) -> None:
    """Store a trigger, and read it again."""
    with Session(engine) as session:
        row = Trigger.from_object(trigger)
        session.add(row)
        session.flush()
        session.expire(row)
        assert row.kwargs == trigger.serialize()[1]
        session.rollback()


def wait_for(jobs: int) -> BatchJobTrigger:
    return BatchJobTrigger(job_id=[f"job-{number:08x}" for number in range(jobs)], queue_name="airflow-batch-events")


def test_what_many_jobs_carry_at_most_is_stored(engine: Engine) -> None:
    placement = {"Zone": "ap-guangzhou-3", "ProjectId": 0}
    store(engine, BatchJobsTrigger(jobs="j" * MAX_CARRIED, total=1000, placement=placement, seed="s" * 64))


def test_a_wait_for_2500_jobs_is_stored(engine: Engine) -> None:
    store(engine, wait_for(2500))


def test_a_wait_for_5000_jobs_is_stored_but_on_mysql(engine: Engine) -> None:
    if chosen() == "mysql":
        with pytest.raises(DataError, match="Data too long for column 'kwargs'"):
            store(engine, wait_for(5000))
    else:
        store(engine, wait_for(5000))
