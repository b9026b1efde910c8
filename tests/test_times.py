# SPDX-License-Identifier: Apache-2.0
"""Moments as the cloud and people write them; a word such as "now" is none, and what is none breaks nothing."""

from __future__ import annotations

from datetime import datetime, timezone
from email.utils import format_datetime

import pendulum
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_batch_events.exceptions import ConfigurationError
from airflow_batch_events.times import parse_http_date, parse_moment, parse_time, parse_unix, parse_unix_seconds

NOW = pendulum.datetime(2026, 11, 24, 12)

seconds = st.integers(100_000_001, 7_000_000_000).map(lambda unix: datetime.fromtimestamp(unix, timezone.utc))
anything = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.lists(st.text())


@given(seconds, st.sampled_from(["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S"]))
def test_both_spellings_of_a_time_are_utc(moment: datetime, spelling: str) -> None:
    read = parse_time(moment.strftime(spelling))
    assert read == moment
    assert read is not None
    assert read.timezone_name == "UTC"


@given(anything)
@example(67_768_036_191_676_796_000)
def test_what_is_no_time_is_none(value: object) -> None:
    assert isinstance(parse_time(value), pendulum.DateTime | None)
    assert isinstance(parse_unix(value), pendulum.DateTime | None)
    assert isinstance(parse_unix_seconds(value), float | None)
    assert parse_http_date(str(value)) is None or isinstance(value, str)


@given(seconds)
def test_unix_times_are_told_apart_by_their_size(moment: datetime) -> None:
    unix = int(moment.timestamp())
    assert parse_unix(unix) == parse_unix(unix * 1000) == moment


def test_a_time_with_an_offset_is_read_as_utc() -> None:
    assert parse_time("2018-06-15T22:43:17+08:00") == pendulum.datetime(2018, 6, 15, 14, 43, 17, tz="UTC")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2018-06-15T14:43Z", 0),
        ("20180615T144317Z", 17),
        ("2018-06-15T14:43:17.25Z", 17.25),
        ("2018-06-15t20:13:17+05:30", 17),
        ("2018-06-15T14:43:17-00:00", 17),
    ],
)
def test_other_moments_of_iso_8601_are_read(text: str, seconds: float) -> None:
    assert parse_time(text) == pendulum.datetime(2018, 6, 15, 14, 43, tz="UTC").add(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    [
        *("", "10:00", "12:", "2018-06-15", "P1D", "yesterday", "now", 17, None, [], {}, True),
        *("2018-13-45T99:99:99Z", "2026-W01/T00:00", "2026-W01-1T00:00:00Z", "2026-001T00:00:00Z"),
        *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59-53:59"),
        *("2026-01-01T00:00:00+24:00", "2026-01-01T00:00:60Z", "2026-01-01T00:00:00Z/P1D", "٢٠٢٦-01-01T00:00:00Z"),
        *("2026-01-01T00:00:00Z\n", "9" * 5000, "1767225600"),
    ],
)
def test_what_is_not_a_moment_is_no_time(text: object) -> None:
    assert parse_time(text) is None


@given(st.text(alphabet="0123456789-:+TZW/. nowP", max_size=30))
def test_no_text_makes_the_reader_raise(text: str) -> None:
    moment = parse_time(text)
    assert moment is None or isinstance(moment.timestamp(), float)


@pytest.mark.parametrize("text", ["now", " now", "NOW", "today", "0", "1w"])
def test_a_word_is_no_time(text: str) -> None:
    assert parse_time(text) is None


@pytest.mark.parametrize(
    ("value", "read"), [(0, 0.0), (1.5, 1.5), ("1767225600", 1_767_225_600.0), (-1, None), ("nan", None), (1e12, None)]
)
def test_unix_seconds_stay_seconds(value: object, read: float | None) -> None:
    assert parse_unix_seconds(value) == read


@given(seconds)
def test_a_date_header_is_read(moment: datetime) -> None:
    assert parse_http_date(format_datetime(moment, usegmt=True)) == moment.timestamp()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("-2h", NOW.subtract(hours=2)),
        ("2h", NOW.subtract(hours=2)),
        ("-1d12h", NOW.subtract(hours=36)),
        ("-90m", NOW.subtract(minutes=90)),
        (" -30s ", NOW.subtract(seconds=30)),
        ("2026-11-24T08:00:00+08:00", pendulum.datetime(2026, 11, 24)),
        ("2026-11-24T08:00:00Z", pendulum.datetime(2026, 11, 24, 8)),
        ("2026-11-24T08:00:00", pendulum.datetime(2026, 11, 24, 8)),
        ("2026-11-24 08:00", pendulum.datetime(2026, 11, 24, 8)),
        ("2026-11-24", pendulum.datetime(2026, 11, 24)),
    ],
)
def test_a_time_is_given_as_people_say_it(text: str, moment: datetime) -> None:
    assert parse_moment(text, NOW) == moment


@pytest.mark.parametrize(
    "text",
    ["", "-", "yesterday", "12:00", "-2", "2h ago", "-h", "2026-13-01", "-9999999d", "-" + "9" * 5000 + "s"],
    ids=len,
)
def test_what_is_no_time_is_refused_with_what_one_looks_like(text: str) -> None:
    with pytest.raises(ConfigurationError, match="-2h"):
        parse_moment(text, NOW)


@given(st.text())
def test_no_text_is_taken_for_a_time_by_accident(text: str) -> None:
    try:
        moment = parse_moment(text, NOW)
    except ConfigurationError:
        return
    assert isinstance(moment, pendulum.DateTime)
