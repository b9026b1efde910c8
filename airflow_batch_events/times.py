# SPDX-License-Identifier: Apache-2.0
"""
Read moments in every spelling that the cloud and people write: one reader for each, all of them here.

Beside ``text.py``, because ``events/`` reads the times of events, ``protocol/`` those of answers, and neither may
import the other. Every reader but :func:`parse_moment` takes whatever it is given and returns None for what is no time:
a time that cannot be read must not cost the rest of a message or an answer. None of them knows words such as ``now``:
an event of "now" would be younger than all that a wait knows, and believed.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

import pendulum

from airflow_batch_events.exceptions import ConfigurationError

EARLIEST, LATEST = 1_577_836_800.0, 4_102_444_800.0
"""2020 and 2100 in Unix seconds: what lies outside is no present time of the cloud's."""

MAX_UNIX = 1e11
"""Unix seconds beyond any time that is meant; larger numbers are milliseconds, or nothing."""

_MOMENT = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)[Tt ](\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d{1,9}))?)?(?:[Zz]|([+-])(\d\d)(?::?(\d\d))?)?",
    re.ASCII,
)
_AGO = re.compile(r"-?((?P<d>\d+)d)?((?P<h>\d+)h)?((?P<m>\d+)m)?((?P<s>\d+)s)?")


def parse_time(text: object) -> pendulum.DateTime | None:
    """
    Read a moment of ISO 8601, always as UTC: what events and the Batch API write.

    :param text: ``2018-06-15T14:43:17Z`` or ``2018-06-15 14:43:17``, as the cloud's samples show, or another moment of
        ISO 8601; whatever else it is (a date, a time of day, a word, a value of another type) gives None.
    """
    match = _MOMENT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    # Not pendulum's parser: it takes "now" and weeks, and seven times as long, and every event passes here.
    *day_and_time, second, fraction, sign, offset_hours, offset_minutes = match.groups(default="")
    year, month, day, hour, minute = map(int, day_and_time)
    micros = int(fraction[:6].ljust(6, "0")) if fraction else 0
    try:
        moment = pendulum.DateTime(year, month, day, hour, minute, int(second or "0"), micros, tzinfo=pendulum.UTC)
        if not sign:
            return moment
        offset = timedelta(hours=int(offset_hours), minutes=int(offset_minutes or "0"))
        # Raises for what is no offset.
        return moment.replace(tzinfo=timezone(offset if sign == "+" else -offset)).in_timezone("UTC")
    except (ValueError, OverflowError):
        return None


def parse_unix(value: object) -> pendulum.DateTime | None:
    """Read Unix milliseconds, in places seconds: what the TDMQ API writes; None for null and zero."""
    if not isinstance(value, int | float) or value <= 0:
        return None
    # Seconds of our age have ten digits, milliseconds thirteen.
    try:
        return pendulum.from_timestamp(value / 1000 if value > MAX_UNIX else value)
    except (OSError, OverflowError, ValueError):
        return None


def parse_unix_seconds(value: object) -> float | None:
    """Read Unix seconds, a number or the text of one: what the queue service writes; they stay seconds."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    # Also not a number: it compares as false.
    return seconds if 0 <= seconds <= MAX_UNIX else None


def parse_http_date(text: str) -> float | None:
    """Read a ``Date`` header, as Unix seconds."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def parse_moment(text: str, now: datetime) -> pendulum.DateTime:
    """
    Read a moment in the past as people write it.

    :param text: ``-2h``, ``-1d12h``, ``-90m``, ``-30s``; or a moment or a date of ISO 8601, in UTC where it names no
        offset.
    :param now: What the first kind counts from.
    :raises ConfigurationError: With what it has to look like.
    """
    text = text.strip()
    ago = _AGO.fullmatch(text)
    try:
        if ago and any(ago.groupdict().values()):
            days, hours, minutes, seconds = (int(ago[unit] or 0) for unit in "dhms")
            return pendulum.instance(now - timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds))
        moment = parse_time(text)
        if moment is not None:
            return moment
        day = date.fromisoformat(text)
        return pendulum.datetime(day.year, day.month, day.day)
    except (ValueError, OverflowError):
        pass
    raise ConfigurationError(f"{text[:100]!r} is no time: give one as -2h, -1d12h, or 2026-01-31T08:00:00+08:00")
