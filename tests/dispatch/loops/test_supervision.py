# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import logging

import pytest

from airflow_batch_events.dispatch import metrics
from airflow_batch_events.dispatch.loops import supervision
from airflow_batch_events.dispatch.loops.supervision import Isolation, keep_running
from airflow_batch_events.dispatch.metrics import Counts, IsolatedMetrics


def test_an_item_that_raises_ends_alone_and_is_logged_once(caplog):
    counts = Counts()
    isolation = Isolation(counts)
    handled = []
    for item in [1, 2, 3, 2, 2]:
        with isolation.of("message", item):
            if item == 2:
                raise RuntimeError("nobody has foreseen it")
            handled.append(item)
    assert handled == [1, 3]
    assert counts.counters["errors"] == 3
    assert [record.getMessage() for record in caplog.records] == ["The message 2 has failed; everything else goes on"]


def test_cancellation_is_no_error_of_an_item():
    with pytest.raises(asyncio.CancelledError), Isolation(Counts()).of("message"):
        raise asyncio.CancelledError


def test_a_loop_that_dies_is_started_again_ever_later(run, caplog):
    async def scenario():
        counts = Counts()
        starts = []

        async def loop():
            starts.append(asyncio.get_running_loop().time())
            if len(starts) < 8:
                raise RuntimeError("nobody has foreseen it")

        await keep_running("reader", loop, counts, ends=(ValueError,))
        assert starts == [0, 1, 3, 7, 15, 31, 61, 91]
        assert counts.counters["loops.restarted"] == 7

    with caplog.at_level(logging.ERROR):
        run(scenario())
    assert len(caplog.records) == 7


def test_a_loop_ends_with_what_is_meant_to_end_it(run):
    async def loop():
        raise ValueError("a setting")

    with pytest.raises(ValueError, match="a setting"):
        run(keep_running("reader", loop, Counts(), ends=(ValueError,)))


def test_a_log_handler_that_fails_costs_a_line(run, monkeypatch):
    """One bad item stops the others: a log handler is somebody's callback, too."""

    def broken(*_: object, **__: object) -> None:
        raise OSError("the disk is full")

    for module in (supervision, metrics):
        monkeypatch.setattr(module.log, "handle", broken)
    starts = []

    class Broken:
        count = time = level = broken

    async def loop():
        starts.append(None)
        if len(starts) < 3:
            raise RuntimeError("nobody has foreseen it")

    counts = IsolatedMetrics(Broken())
    with Isolation(counts).of("message"):
        raise RuntimeError("nobody has foreseen it")
    run(keep_running("reader", loop, counts, ends=()))
    assert len(starts) == 3
