# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import json

import pytest

from airflow_batch_events.dispatch import deleter
from airflow_batch_events.dispatch.deleter import (
    CONCURRENCY,
    Deleter,
    Standing,
    may_delete,
    standing_of,
)
from airflow_batch_events.dispatch.message_subscriber import Offer
from airflow_batch_events.dispatch.metrics import Counts
from airflow_batch_events.events.message import parse_message
from airflow_batch_events.limits import MAX_MESSAGES

ENDED = {"EventName": "JOB_SUCCEED", "EventTime": "2026-01-01T00:00:00Z", "Batch": {"JobId": "job-1"}}
ELSEWHERE = {"EventName": "DISK_FULL", "EventTime": "2026-01-01T00:00:00Z"}


def body(*events):
    return json.dumps({"Events": events})


@pytest.mark.parametrize(
    ("text", "offer", "takers", "standing"),
    [
        (body(ENDED), Offer.UNWANTED, [True], Standing.TAKEN),
        (body(ENDED, ENDED), Offer.UNWANTED, [True, False], Standing.ORPHAN),
        (body(ENDED), Offer.UNWANTED, [False], Standing.ORPHAN),
        (body(ENDED, ELSEWHERE), Offer.UNWANTED, [False, False], Standing.FOREIGN),
        (body(ELSEWHERE), Offer.UNWANTED, [False], Standing.FOREIGN),
        ("hello", Offer.UNWANTED, [], Standing.FOREIGN),
        (body(), Offer.UNWANTED, [], Standing.FOREIGN),
        (body(ENDED), Offer.TAKEN, [True], Standing.SUBSCRIBED),
        (body(ENDED), Offer.LEFT, [True], Standing.BLOCKED),
        ("hello", Offer.TAKEN, [], Standing.SUBSCRIBED),
        ("hello", Offer.LEFT, [], Standing.BLOCKED),
    ],
    ids=[
        "taken",
        "one of two taken",
        "for nobody",
        "one is not Batch's",
        "not Batch's",
        "no event",
        "empty",
        "subscribed, taken",
        "blocked, taken",
        "subscribed, no event",
        "blocked, no event",
    ],
)
def test_what_a_message_is(text, offer, takers, standing):
    assert standing_of(parse_message(text), offer, takers) is standing


@pytest.mark.parametrize("standing", Standing)
@pytest.mark.parametrize("age", [0.0, 119.9, 120.0, 1e9])
def test_only_taken_messages_and_old_orphans_are_deleted(standing, age):
    is_old_orphan = standing is Standing.ORPHAN and age >= 120
    assert may_delete(standing, age, orphan_ttl=120.0) == (standing is Standing.TAKEN or is_old_orphan)


def test_an_outage_does_not_fill_the_memory(run, monkeypatch):
    """Something that is never given back: in an outage each message comes with another handle again and again."""
    monkeypatch.setattr(deleter, "MAX_WAITING", 50)

    async def scenario():
        deleted: list[str] = []
        is_up = asyncio.Event()

        async def call(handles):
            await is_up.wait()
            deleted.extend(handles)
            return []

        deleter = Deleter(call, Counts())
        for number in range(1000):
            deleter.add(str(number))
        await asyncio.sleep(5)
        is_up.set()
        await asyncio.sleep(5)
        assert len(deleted) == CONCURRENCY * MAX_MESSAGES + 50
        assert deleted[-1] == "999"
        await deleter.finish(1)

    run(scenario())
