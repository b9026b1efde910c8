# SPDX-License-Identifier: Apache-2.0
"""
What a benchmark yields: figures, each beside its alternative of the same run and its goal.

A figure that misses its goal is printed like all others; there is no way to leave one out.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """
    One measurement.

    :param part: The part of the suite that made it.
    :param name: What was measured, at which size.
    :param value: The result.
    :param unit: Its unit.
    :param beside: The alternative's result in the same unit, and which alternative that is.
    :param goal: The bound that the value is held to.
    :param at_least: Whether the goal is a lower bound.
    :param note: How it came about, where that matters.
    """

    part: str
    name: str
    value: float
    unit: str
    beside: tuple[float, str] | None = None
    goal: float | None = None
    at_least: bool = False
    note: str = ""

    @property
    def is_met(self) -> bool | None:
        """Whether the goal is reached; None without a goal."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.at_least else self.value <= self.goal


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which that share of the values is."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median(values: Sequence[float]) -> float:
    """Return the value in the middle."""
    return statistics.median(values)


def show(figures: Sequence[Figure]) -> None:
    """Print one table."""
    table = Table(title=f"{os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}")
    for column in ("part", "figure"):
        table.add_column(column, overflow="fold")
    for column in ("value", "beside", "goal"):
        table.add_column(column, justify="right", overflow="fold")
    table.add_column("note", overflow="fold", ratio=1)
    for one in figures:
        table.add_row(one.part, one.name, _value(one), _beside(one), _goal(one), one.note)
    Console(width=170).print(table)


def markdown(figures: Sequence[Figure]) -> str:
    """Return the same table for a document."""
    lines = ["| Part | Figure | Value | Beside it | Goal | Note |", "|---|---|---:|---|---|---|"]
    lines += [f"| {f.part} | {f.name} | {_value(f)} | {_beside(f)} | {_goal(f)} | {f.note} |" for f in figures]
    return "\n".join(lines) + "\n"


def save(figures: Sequence[Figure], path: Path) -> None:
    """Write the figures, and where and when they were measured, as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "when": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load": os.getloadavg(),
        "figures": [{**asdict(figure), "is_met": figure.is_met} for figure in figures],
    }
    path.write_text(json.dumps(content, indent=1))


def _value(one: Figure) -> str:
    return f"{one.value:,.4g} {one.unit}" if one.value < 10_000 else f"{one.value:,.0f} {one.unit}"


def _beside(one: Figure) -> str:
    return f"{one.beside[0]:,.4g} {one.unit} ({one.beside[1]})" if one.beside else ""


def _goal(one: Figure) -> str:
    if one.goal is None:
        return ""
    bound = f"{'at least' if one.at_least else 'at most'} {one.goal:g}"
    return bound if one.is_met else f"MISSED: {bound}"
