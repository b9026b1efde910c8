# SPDX-License-Identifier: Apache-2.0
"""The sign of a queue, by the waits that have ended on it."""

from __future__ import annotations

import pytest

from airflow_batch_events.plugins.health import FIRST_POLL, LATE, Health, health_of

EVENT = {"source": "event", "waited": 60, "has_event": True}


def judge(sources: str, *, waited: float = 300, queue: str | None = "q", region: str | None = None) -> Health:
    """
    Judge a queue by what ended its waits, the latest first: (e)vent, (a)pi, a(p)i that an event has caused, (d)eadline,
    or (-) not known.
    """
    names = {"e": "event", "a": "api", "p": "api", "d": "deadline", "-": None}
    ended = [{"source": names[letter], "waited": waited, "has_event": letter in "ep"} for letter in sources]
    return health_of(queue, "conn", region, [], ended)


@pytest.mark.parametrize(
    ("sources", "sign"),
    [
        ("", "unknown"),
        ("d-", "unknown"),
        ("e", "ok"),
        ("eeee", "ok"),
        ("a", "broken"),
        ("aaaa", "broken"),
        ("aaaeeeee", "broken"),
        ("aaeeee", "warning"),
        ("eaaaa", "warning"),
        ("ppp", "ok"),
        ("paaa", "warning"),
        ("e" * 20 + "a" * 20, "ok"),
    ],
)
def test_the_sign_follows_what_has_ended_the_waits(sources: str, sign: str) -> None:
    assert judge(sources).sign == sign


def test_a_job_that_had_ended_before_tells_nothing() -> None:
    assert judge("aaa", waited=FIRST_POLL - 1).sign == "unknown"
    assert judge("aaae", waited=FIRST_POLL - 1).sign == "ok"


def test_a_broken_queue_says_which_command_to_run() -> None:
    found = judge("aaa", region="ap-shanghai")
    assert "Events do not arrive" in found.text
    assert "doctor --conn-id conn --queue q --region ap-shanghai:" in (found.advice or "")


def test_tasks_without_a_queue_poll_and_that_is_fine() -> None:
    assert judge("aaa", queue=None) == Health("polls", "These tasks read no queue: they poll the API.")


@pytest.mark.parametrize(("age", "sign"), [(LATE - 1, "ok"), (LATE + 1, "broken")])
def test_waits_that_no_triggerer_takes_are_told_first(age: float, sign: str) -> None:
    found = health_of("q", "c", None, [{"has_triggerer": False, "age": age}], [EVENT])
    assert found.sign == sign
    if sign == "broken":
        assert "No triggerer has taken 1 of the open waits" in found.text
        assert "airflow triggerer" in (found.advice or "")
