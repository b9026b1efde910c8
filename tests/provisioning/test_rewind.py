# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_batch_events.exceptions import ConfigurationError
from airflow_batch_events.protocol.apis.tdmq import QueueAttributes
from airflow_batch_events.provisioning.rewind import MARGIN, plan_rewind

NOW = pendulum.datetime(2026, 11, 24, 12)


def queue(rewind_seconds: int | None = 86_400, **raw: object) -> QueueAttributes:
    return QueueAttributes("q", rewind_seconds=rewind_seconds, raw={"RewindMsgNum": 7, "MinMsgTime": None, **raw})


def test_a_queue_without_rewind_is_refused_with_what_turns_it_on() -> None:
    for rewind_seconds in (0, None):
        with pytest.raises(ConfigurationError, match="provision --rewind-seconds"):
            plan_rewind(queue(rewind_seconds), NOW.subtract(hours=1), NOW)


def test_a_time_out_of_reach_is_refused_with_the_earliest() -> None:
    with pytest.raises(ConfigurationError, match="the earliest is 2026-11-23 12:00:00"):
        plan_rewind(queue(), NOW.subtract(hours=25), NOW)
    with pytest.raises(ConfigurationError, match="in the future"):
        plan_rewind(queue(), NOW.add(seconds=1), NOW)


def test_the_whole_reach_is_allowed_though_clocks_differ() -> None:
    assert plan_rewind(queue(), NOW.subtract(hours=24), NOW).start == NOW.subtract(hours=24) + MARGIN


def test_a_rewind_begins_with_the_oldest_message() -> None:
    oldest = NOW.subtract(hours=3)
    for unit in (1, 1000):
        plan = plan_rewind(queue(MinMsgTime=int(oldest.timestamp()) * unit), NOW.subtract(hours=2), NOW)
        assert plan.start == plan.oldest == oldest
    assert plan_rewind(queue(MinMsgTime=int(oldest.timestamp())), NOW.subtract(hours=4), NOW).start < oldest


def test_a_message_older_than_the_kept_ones_forbids_a_rewind() -> None:
    with pytest.raises(ConfigurationError, match="Receive and delete that message first"):
        plan_rewind(queue(3600, MinMsgTime=int(NOW.subtract(hours=3).timestamp())), NOW.subtract(minutes=5), NOW)


def test_a_time_without_an_offset_is_utc() -> None:
    naive = datetime(2026, 11, 24, 11)  # noqa: DTZ001 - what a user may pass
    assert plan_rewind(queue(), naive, NOW).start == naive.replace(tzinfo=timezone.utc)


@given(st.timedeltas(timedelta(0), timedelta(hours=24)), st.one_of(st.none(), st.integers(0, 86_399)))
def test_a_rewind_begins_no_later_than_asked_plus_the_margin(back: timedelta, age: int | None) -> None:
    oldest = None if age is None else int(NOW.timestamp()) - age
    plan = plan_rewind(queue(MinMsgTime=oldest), NOW - back, NOW)
    assert plan.start <= NOW - back + MARGIN
    assert oldest is None or plan.start.timestamp() <= oldest


@pytest.mark.parametrize("odd", ["soon", {"a": 1}, float("inf"), -1, 10**40])
def test_a_field_of_the_queue_that_cannot_be_read_is_not_known(odd: object) -> None:
    plan = plan_rewind(queue(RewindMsgNum=odd, MinMsgTime=odd), NOW.subtract(hours=1), NOW)
    assert plan.oldest is None
    assert plan.start == NOW.subtract(hours=1)
