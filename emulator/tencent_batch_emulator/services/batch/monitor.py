# SPDX-License-Identifier: Apache-2.0
"""
Monitoring curves of an instance.

Nothing is measured: the values are a plain function of time, the same for the same instance and second, so that charts
and clients have something to read. Only the period, the limits of the range and the gaps are rules.
"""

from __future__ import annotations

import math
from typing import Any

from tencent_batch_emulator.services.batch.jobs.jobs import Instance
from tencent_batch_emulator.services.tc3_schema import parse_iso

METRICS = {
    "CpuUsage": 60.0,
    "MemUsage": 40.0,
    "LanOuttraffic": 20_000.0,
    "LanIntraffic": 50_000.0,
    "MaxDiskUsage": 30.0,
    "TargetDiskUsage": 10.0,
}
"""Per metric the middle of its curve: per cent, or bytes a second."""

_PERIODS = (10, 60, 300, 3600, 86400)
_MAX_POINTS = 1440


def data_points(instance: Instance, metric: str, start: str | None, end: str | None, now: float) -> dict[str, Any]:
    """
    Return a curve between two times, which are moved into the life of the instance.

    :param start: ISO 8601 in UTC, or None for the instance's creation.
    :param end: The same, or None for its end or now.
    """
    last = instance.ended if instance.ended is not None else now
    begin = max(instance.created, parse_iso(start, "StartTime")) if start else instance.created
    finish = min(last, parse_iso(end, "EndTime")) if end else last
    length = max(0.0, finish - begin)
    period = next((seconds for seconds in _PERIODS if length / seconds <= _MAX_POINTS), _PERIODS[-1])
    first = math.ceil(begin / period) * period
    times = list(range(first, int(finish) + 1, period))[:_MAX_POINTS]
    return {
        "Period": period,
        "DataPoints": {"Timestamps": times, "Values": [_value(instance, METRICS[metric], at) for at in times]},
    }


def _value(instance: Instance, middle: float, at: int) -> float | None:
    if instance.running is None or at < instance.running:
        return None
    return round(middle * (1 + 0.2 * math.sin(at / 60 + instance.index)), 2)
