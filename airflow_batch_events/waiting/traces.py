# SPDX-License-Identifier: Apache-2.0
"""
Spans for what a task does in the cloud, where Airflow's OpenTelemetry is on.

Airflow gives each run of a task on a worker and each trigger a span and makes it the current one, so ours are below
them. The rule that must not be relaxed: where ``[traces] otel_on`` is False nothing is imported, and no task ends
otherwise because it is traced.

Source: ``sdk/execution_time/task_runner.py``, line 204, and ``jobs/triggerer_job_runner.py``, line 156. Since: 3.2;
before, a task has no current span, and these spans go nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_batch_events import __version__
from airflow_batch_events.airflow_compat.configuration import conf
from airflow_batch_events.events.catalog import JobState
from airflow_batch_events.events.outcome import Outcome
from airflow_batch_events.submission.trace_context import is_traceparent
from airflow_batch_events.text import printable
from airflow_batch_events.times import parse_time

if TYPE_CHECKING:
    from opentelemetry.trace import Link, Span

SUBMIT, WAIT = "batch.submit", "batch.wait"
"""The names of the spans."""

MAX_JOBS = 100
"""Jobs that a span names."""


class Traced:
    """
    A span, or nothing where nothing is traced.

    :param span: OpenTelemetry's span.
    """

    def __init__(self, span: Span | None = None) -> None:
        self._span = span

    @property
    def traceparent(self) -> str | None:
        """The span as W3C's ``traceparent``; None where nothing is traced."""
        if self._span is None:
            return None
        context = self._span.get_span_context()
        if not context.is_valid:
            return None
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    def set(self, **attributes: Any) -> None:
        """Add attributes, whose names get the prefix ``batch.``; None adds nothing."""
        if self._span is not None:
            self._span.set_attributes(_attributes(attributes))

    def link(self, traceparent: str | None) -> None:
        """Add a span that this one belongs to besides, unless it is this one."""
        if self._span is not None and is_traceparent(traceparent) and traceparent != self.traceparent:
            link = _link(str(traceparent))
            self._span.add_link(link.context)

    def ended(self, outcomes: Sequence[Outcome]) -> None:
        """Add how jobs ended: an event for each, at the time of the cloud's event; a failed job fails the span."""
        if self._span is None:
            return
        from opentelemetry.trace import Status, StatusCode

        for outcome in outcomes[:MAX_JOBS]:
            told = {"job_id": outcome.job_id, "state": outcome.state, "ended_by": outcome.source}
            self._span.add_event(printable(outcome.event_name or "poll", 100), _attributes(told), _nanoseconds(outcome))
        failed = [outcome for outcome in outcomes if outcome.state != JobState.SUCCEED.value]
        if failed:
            text = f"{failed[0].job_id} {failed[0].state}" + (f" and {len(failed) - 1} more" if failed[1:] else "")
            self._span.set_status(Status(StatusCode.ERROR, printable(text, 200)))


def is_on() -> bool:
    """Whether Airflow's OpenTelemetry traces are on."""
    return bool(conf.getboolean("traces", "otel_on", fallback=False))


@contextmanager
def traced(name: str, *, link: str | None = None, **attributes: Any) -> Iterator[Traced]:
    """
    Make a span the current one as long as the context lasts; an error that leaves it is told by it.

    :param name: The span's name.
    :param link: A span that it belongs to besides, as ``traceparent``; what is none is left out.
    :param attributes: Its attributes, whose names get the prefix ``batch.``; None adds nothing.
    """
    if not is_on():
        yield Traced()
        return
    from opentelemetry import trace

    tracer = trace.get_tracer("airflow_batch_events", __version__)
    links = [_link(str(link))] if is_traceparent(link) else []
    with tracer.start_as_current_span(name, attributes=_attributes(attributes), links=links) as span:
        yield Traced(span)


def _link(traceparent: str) -> Link:
    from opentelemetry.trace import Link, get_current_span
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    context = TraceContextTextMapPropagator().extract({"traceparent": traceparent})
    return Link(get_current_span(context).get_span_context())


def _attributes(given: Mapping[str, Any]) -> dict[str, Any]:
    return {f"batch.{name}": _value(value) for name, value in given.items() if value is not None}


def _value(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value, 1000)
    if isinstance(value, Sequence):
        return [printable(one, 200) for one in value[:MAX_JOBS]]
    return value


def _nanoseconds(outcome: Outcome) -> int | None:
    """Return when the cloud published the event; None takes the present."""
    moment = parse_time(outcome.event_time)
    return None if moment is None else int(moment.timestamp() * 1_000_000_000)
