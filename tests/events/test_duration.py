# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_batch_events.events.duration import MAX_SECONDS, seconds_of
from airflow_batch_events.exceptions import ConfigurationError


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (5, 5.0),
        (1.5, 1.5),
        ("60", 60.0),
        (" 1.5 ", 1.5),
        (timedelta(minutes=5), 300.0),
        (0, 0.0),
        (MAX_SECONDS, 31_622_400.0),
    ],
)
def test_numbers_their_text_and_timedeltas_are_seconds(value, seconds):
    assert seconds_of("timeout", value) == seconds


@pytest.mark.parametrize(
    "value", [None, True, [5], {}, "", "soon", "nan", float("inf"), float("nan"), 10**400, "9" * 5000, b"5"]
)
def test_anything_else_is_refused_by_name(value):
    with pytest.raises(ConfigurationError, match=r"^timeout is .*must be"):
        seconds_of("timeout", value)


@pytest.mark.parametrize(
    ("value", "shown"),
    [("soon", "'soon'"), ("x" * 49, "'x+'"), ("x" * 50, "a str"), (None, "a NoneType"), ([5], "a list")],
)
def test_a_value_is_shown_if_it_is_a_short_text(value, shown):
    with pytest.raises(ConfigurationError, match=f"^timeout is {shown}, must be seconds: a finite number"):
        seconds_of("timeout", value)


def test_a_duration_has_bounds():
    with pytest.raises(ConfigurationError, match="poll_interval is -1 s, must be 0 to"):
        seconds_of("poll_interval", -1)
    with pytest.raises(ConfigurationError, match="poll_interval is 0 s, must be 1 to 60 s"):
        seconds_of("poll_interval", "0", least=1, most=60)
