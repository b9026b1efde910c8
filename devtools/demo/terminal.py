# SPDX-License-Identifier: Apache-2.0
"""
Show the demo: on a terminal as a live table below the list of events, elsewhere as plain lines.

The words are the same in both, so a build log reads like what a person saw.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from airflow_batch_events.events.message import BatchEvent
from devtools.demo.expectations import ExpectedRun
from devtools.demo.report import Row

_STYLES = {
    "success": "green",
    "failed": "red",
    "upstream_failed": "red",
    "deferred": "magenta",
    "running": "cyan",
    "queued": "yellow",
    "scheduled": "yellow",
    "skipped": "dim",
}
_EVENT_STYLES = {"SUCCEED": "green", "FAILED": "red", "INTERRUPTED": "red", "RUNNING": "cyan"}
# Mapped tasks change faster than anyone reads.
_PLAIN_PAUSE = 1.5
_SHOWN_EACH = 50


@dataclass
class _Line:
    """What is shown of a run."""

    began: float
    state: str = "queued"
    progress: Text = field(default_factory=Text)
    ended: float | None = None
    shown: str = ""
    shown_at: float = 0.0


class Terminal:
    """
    Where the demo is shown, as a context manager.

    :param console: The terminal, or the file that takes the output.
    :param plain: Lines only; by default when the console is no terminal.
    """

    def __init__(self, console: Console, *, plain: bool | None = None) -> None:
        self._console = console
        self._plain = (not console.is_terminal) if plain is None else plain
        self._began = time.monotonic()
        self._lines: dict[str, _Line] = {}
        self._counts: Counter[str] = Counter()
        self._step = ""
        self._lock = threading.Lock()
        self._live = Live(get_renderable=self._draw, console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> Terminal:
        if not self._plain:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the live part; what has been shown stays."""
        if self._live.is_started:
            self._live.stop()

    def step(self, what: str) -> None:
        """Begin a step of the demo."""
        self._step = what
        self.say(Text(what, style="bold"))

    def say(self, what: Text | str) -> None:
        """Show a line that stays."""
        stamp = Text(f"{time.monotonic() - self._began:6.1f} s  ", style="dim")
        with self._lock:
            self._console.print(stamp + (what if isinstance(what, Text) else Text(what)), soft_wrap=True)

    def event(self, event: BatchEvent) -> None:
        """Show an event that has arrived on the queue; callable from any thread."""
        style = _EVENT_STYLES.get(event.name.rpartition("_")[2], "")
        run = event.vars.get("run") or event.job_name or ""
        part = "/".join(str(item) for item in (event.task_name, event.task_instance_index) if item is not None)
        self.say(
            Text.assemble(
                ("event  ", "dim"),
                (f"{event.name:<24}", style),
                f" {event.job_id or event.env_id or ''}",
                f" {part}" if part else "",
                (f"  {run}" if run else "", "dim"),
            )
        )

    def counted_event(self, event: BatchEvent) -> None:
        """Count an event of hundreds, and show every fiftieth; callable from any thread."""
        with self._lock:
            self._counts[event.name] += 1
            count = self._counts[event.name]
        if count % _SHOWN_EACH == 0:
            style = _EVENT_STYLES.get(event.name.rpartition("_")[2], "")
            self.say(Text.assemble(("events ", "dim"), (f"{event.name:<24}", style), f" {count}"))

    def progress(self, run: ExpectedRun, state: str, tasks: Sequence[Mapping[str, Any]]) -> None:
        """Show how far a run is."""
        now = time.monotonic()
        line = self._lines.setdefault(run.title, _Line(began=now))
        line.state, line.progress = state, describe_progress(run, tasks)
        is_over = state in ("success", "failed")
        if is_over and line.ended is None:
            line.ended = now
        if self._plain and (is_over or now - line.shown_at >= _PLAIN_PAUSE or not run.is_mapped):
            shown = f"run    {run.title:<13} {state:<8} {line.progress.plain}"
            if shown != line.shown:
                line.shown, line.shown_at = shown, now
                self.say(shown)

    def table(self, rows: Sequence[Row]) -> None:
        """Show how the demo ended."""
        table = Table(box=SIMPLE_HEAD, title="Results", title_justify="left", padding=(0, 1, 0, 0))
        for heading in ("run", "job", "outcome", "ended by", "branch", "event to next task", "as expected"):
            table.add_column(heading, overflow="fold")
        for row in rows:
            seconds = "-" if row.seconds is None else f"{row.seconds:.1f} s"
            as_expected = Text("no", style="bold red") if row.problems else Text("yes", style="green")
            table.add_row(row.run, row.job, row.outcome, row.ended_by, row.branch, seconds, as_expected)
        with self._lock:
            self._console.print()
            self._console.print(table)
        for row in rows:
            for problem in row.problems:
                self.say(Text(f"{row.run}: {problem}", style="red"))

    def _draw(self) -> Table:
        now = time.monotonic()
        if not self._lines:
            waiting = Table.grid(padding=(0, 1))
            waiting.add_row(Text(f"{now - self._began:6.1f} s ", style="dim"), Text(f"{self._step} ...", style="cyan"))
            return waiting
        table = Table(box=SIMPLE_HEAD)
        for heading in ("run", "state", "tasks", "elapsed"):
            table.add_column(heading)
        for title, line in self._lines.items():
            elapsed = f"{(line.ended or now) - line.began:.1f} s"
            table.add_row(title, Text(line.state, style=_STYLES.get(line.state, "")), line.progress, elapsed)
        return table


def describe_progress(run: ExpectedRun, tasks: Sequence[Mapping[str, Any]]) -> Text:
    """Put the states of a run's tasks into words, mapped instances counted: ``submit 20 success, wait 12 deferred``."""
    parts = []
    for task_id in run.tasks:
        states = Counter(task["state"] for task in tasks if task["task_id"] == task_id and task["state"])
        if not states:
            continue
        is_counted = sum(states.values()) > 1
        counts = [
            Text(f"{count} {state}" if is_counted else state, style=_STYLES.get(state, ""))
            for state, count in states.most_common()
        ]
        parts.append(Text(f"{task_id} ") + Text(" ").join(counts))
    return Text(", ").join(parts)
