# SPDX-License-Identifier: Apache-2.0
"""Whatever a queue can carry is read or refused; nothing of it raises, and nothing takes long."""

from __future__ import annotations

import itertools

import pytest
from support.odd_bodies import EVENTS, MAX_BYTES, as_received, as_sent, body_of, good_event, odd_bodies

from airflow_batch_events.events.catalog import EventName
from airflow_batch_events.events.message import parse_message

BODIES = 5_000


@pytest.fixture(scope="module")
def bodies() -> list[str]:
    return list(itertools.islice(odd_bodies(7, ["job-12345678"]), BODIES))


def test_no_body_makes_reading_raise(bodies: list[str]) -> None:
    raised = {}
    for body in bodies:
        try:
            parsed = parse_message(body)
            for event in parsed.events:
                assert hash(event.identity) is not None
                assert event.to_dict()["event_name"]
        except Exception as error:  # noqa: BLE001 - all that were raised are shown, by kind
            raised.setdefault(repr(error)[:200], body[:200])
    assert raised == {}


def test_every_body_has_an_event_or_a_problem(bodies: list[str]) -> None:
    for body in bodies:
        parsed = parse_message(body)
        assert parsed.events or parsed.problem, body[:200]


# The generator itself.


def test_the_same_seed_makes_the_same_bodies(bodies: list[str]) -> None:
    assert list(itertools.islice(odd_bodies(7, ["job-12345678"]), BODIES)) == bodies
    assert list(itertools.islice(odd_bodies(8), BODIES)) != bodies


def test_a_queue_can_carry_every_body(bodies: list[str]) -> None:
    for body in bodies:
        assert 0 < len(as_sent(body).encode()) <= 2 * MAX_BYTES


def test_all_events_are_among_them(bodies: list[str]) -> None:
    assert sorted(EVENTS) == sorted(EventName)
    found = {event.known_name for body in bodies[:1_000] for event in events_of(body)}
    assert found >= set(EventName)


def test_good_and_odd_ones_are_among_them(bodies: list[str]) -> None:
    readable = sum(bool(events_of(body)) for body in bodies)
    assert BODIES / 3 < readable < BODIES * 2 / 3


def test_a_lone_surrogate_arrives_as_an_escape() -> None:
    assert as_received(as_sent("a\ud83db").encode()) == b"a\\ud83db"


def test_a_good_event_is_read() -> None:
    (event,) = parse_message(body_of(good_event("JOB_SUCCEED", {"JobId": "job-1"}))).events
    assert (event.known_name, event.job_id) == (EventName.JOB_SUCCEED, "job-1")


def events_of(body: str):
    try:
        return parse_message(body).events
    except Exception:  # noqa: BLE001 - another test's business
        return ()
