# SPDX-License-Identifier: Apache-2.0
"""
Follow what jobs write: one procedure for a triggerer and a worker.

The procedure yields each request and is sent the answer, or thrown the error; it makes no call itself and never fails.
Output is for people, so what cannot be read is told once and tried again: no result depends on it.

DescribeTaskLogs (https://cloud.tencent.com/document/product/599/30318) shows at most 2,048 bytes of each stream, so of
what is written faster than it is read a part is missing, which is said where it is noticed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any

from airflow_batch_events.events.catalog import SETTLED_STATES
from airflow_batch_events.events.outcomes.output_news import Seen, news_in
from airflow_batch_events.exceptions import ApiNotFoundError, BatchEventsError
from airflow_batch_events.limits import MAX_LOGS
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.protocol.apis.flow import sent, thrown
from airflow_batch_events.text import MAX_TEXT, printable, printable_lines

if TYPE_CHECKING:
    from airflow_batch_events.protocol.apis.request import Request

FOLLOWED_JOBS = 20
"""Jobs of one wait whose output is followed: the first ones."""

FOLLOWED_TASKS = 10
"""Tasks of a job whose output is followed, each with its first ten instances, which one call shows."""

MAX_LINES = 10_000
"""Lines of output that one wait shows."""

_NOT_BEGUN = frozenset({"SUBMITTED", "PENDING", "RUNNABLE", "STARTING"})

Flow = Generator["Request[Any]", Any, None]


class LiveOutput:
    """
    The output of the jobs of one wait, as far as it was told.

    :param job_ids: The jobs.
    :param show: Takes a line for the task's log.
    :param told: What another process has told already, as :attr:`told` has it.
    """

    def __init__(self, job_ids: Sequence[str], show: Callable[[str], None], told: object = None) -> None:
        self._all = len(job_ids)
        self._job_ids = list(job_ids[:FOLLOWED_JOBS])
        self._show = show
        self._seen = _read_told(told)
        self._running: dict[str, str] = {}
        self._finished: set[tuple[str, str]] = set()
        self._said: set[str] = set()
        self._left = MAX_LINES

    @property
    def told(self) -> list[Any]:
        """What was told so far, in a form that can be stored: 60 bytes or so for each instance."""
        return [[*instance, out, err] for instance, (out, err) in self._seen.items()]

    @property
    def is_full(self) -> bool:
        """Whether no more is shown."""
        return self._left <= 0

    def read(self, *, is_over: bool = False) -> Flow:
        """
        Read all jobs once.

        :param is_over: Whether the jobs have ended, so that the last line of each stream is whole.
        """
        if self._all > len(self._job_ids):
            self._say_once(f"Of {self._all} jobs the output of the first {len(self._job_ids)} is shown")
        for job_id in self._job_ids:
            try:
                yield from self._read_job(job_id, is_over)
            except ApiNotFoundError:
                # Not visible yet, or deleted; the wait itself tells.
                continue
            except BatchEventsError as error:
                trouble = f"Cannot read the output of job {job_id}, will try again: {printable(error, 500)}"
                self._say_once(trouble, job_id)
            if self.is_full:
                self._say_once(f"No more output is shown: {MAX_LINES} lines are")
                return

    def _read_job(self, job_id: str, is_over: bool) -> Flow:
        name = self._running.get(job_id)
        if name is not None:
            # One task, which was seen to run: asking for the job would tell nothing new.
            yield from self._read_task(job_id, name, is_over)
            return
        job = yield batch.describe_job(job_id)
        if len(job.tasks) > FOLLOWED_TASKS:
            self._say_once(f"Of {len(job.tasks)} tasks of job {job_id} the output of {FOLLOWED_TASKS} is shown")
        for task in job.tasks[:FOLLOWED_TASKS]:
            if task.state in _NOT_BEGUN or (job_id, task.name) in self._finished:
                continue
            if len(job.tasks) == 1:
                self._running[job_id] = task.name
            yield from self._read_task(job_id, task.name, is_over or task.state in SETTLED_STATES)
            if task.state in SETTLED_STATES:
                self._finished.add((job_id, task.name))

    def _read_task(self, job_id: str, name: str, is_over: bool) -> Flow:
        page = yield batch.describe_first_task_logs(job_id, name)
        if page.total_count > MAX_LOGS:
            self._say_once(
                printable(
                    f"Of {page.total_count} instances of task {name!r} of job {job_id} the output of the first "
                    f"{MAX_LOGS} is shown"
                )
            )
        for written in page.logs:
            key = (job_id, name, written.index)
            out, err = self._seen.get(key, (None, None))
            self._seen[key] = (
                self._tell(key, "stdout", written.stdout, out, is_over),
                self._tell(key, "stderr", written.stderr, err, is_over),
            )

    def _tell(self, key: tuple[str, str, int], stream: str, text: str, seen: Seen | None, is_over: bool) -> Seen | None:
        found = news_in(text, seen, is_over=is_over)
        lines = printable_lines("\n".join(found.lines))[: max(0, self._left)]
        if lines:
            job_id, name, index = key
            where = f"job {job_id}, " if self._all > 1 else ""
            gap = f" ({found.gap})" if found.gap else ""
            self._show(printable(f"{where}task {name!r} instance {index}, new on {stream}{gap}:", MAX_TEXT))
            for line in lines:
                self._show(f"    {line}")
            self._left -= len(lines)
        return found.seen

    def _say_once(self, text: str, about: str | None = None) -> None:
        if (about or text) not in self._said:
            self._said.add(about or text)
            self._show(text)


def follow_blocking(
    flow: Flow, send: Callable[[Request[Any]], Any], goes_on: Callable[[], bool] = lambda: True
) -> bool:
    """
    Make the calls of a read one after the other.

    :param flow: The read.
    :param send: Makes one call.
    :param goes_on: Says before each call whether there is still time for it.
    :return: Whether there was time for all of them.
    """
    request = next(flow, None)
    while request is not None and goes_on():
        try:
            answer: Any = send(request)
        except BatchEventsError as error:
            request = thrown(flow, error)
        else:
            request = sent(flow, answer)
    return request is None


async def follow(flow: Flow, send: Callable[[Request[Any]], Awaitable[Any]]) -> None:
    """
    Make the calls of a read one after the other, in an event loop.

    :param flow: The read.
    :param send: Makes one call, and keeps the pace.
    """
    request = next(flow, None)
    while request is not None:
        try:
            answer = await send(request)
        except BatchEventsError as error:
            request = thrown(flow, error)
        else:
            request = sent(flow, answer)


def _read_told(told: object) -> dict[tuple[str, str, int], tuple[Seen | None, Seen | None]]:
    """Read what another process has told; what is no such thing is told again."""
    found: dict[tuple[str, str, int], tuple[Seen | None, Seen | None]] = {}
    for item in told if isinstance(told, list | tuple) else ():
        if isinstance(item, list | tuple) and len(item) == 5:
            job_id, name, index, out, err = item
            if isinstance(job_id, str) and isinstance(name, str) and type(index) is int:
                found[job_id, name, index] = (Seen.read(out), Seen.read(err))
    return found
