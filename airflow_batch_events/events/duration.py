# SPDX-License-Identifier: Apache-2.0
"""
Seconds, as people write them: a number, a ``timedelta``, or a number that a template has made a text.

One reader for every duration of the package, so that all of them take the same and fail alike, before anything is done.
"""

from __future__ import annotations

import math
from datetime import timedelta

from airflow_batch_events.exceptions import ConfigurationError

MAX_SECONDS = 366 * 86_400.0
"""The longest duration that makes sense to ask for: a year."""

ENDLESS = 100 * 365 * 86_400.0
"""More than any wait lasts, and than any deadline has in Unix seconds: the most that a stored wait may hold."""


def seconds_of(name: str, value: object, *, least: float = 0.0, most: float = MAX_SECONDS) -> float:
    """
    Read a duration.

    :param name: The parameter's name, for the message.
    :param value: A ``timedelta``, an ``int`` or ``float`` in seconds, or such a number as text.
    :param least: The least that makes sense, in seconds.
    :param most: The most that makes sense, in seconds.
    :return: Finite seconds.
    :raises ConfigurationError: Naming the parameter, the value's type and what is taken.
    """
    seconds = _number(value)
    if seconds is None or not math.isfinite(seconds):
        shown = repr(value) if isinstance(value, str) and len(value) < 50 else f"a {type(value).__name__}"
        raise ConfigurationError(
            f"{name} is {shown}, must be seconds: a finite number, such a number as text, or a timedelta"
        )
    if not least <= seconds <= most:
        raise ConfigurationError(f"{name} is {seconds:g} s, must be {least:g} to {most:g} s")
    return seconds


def _number(value: object) -> float | None:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None
