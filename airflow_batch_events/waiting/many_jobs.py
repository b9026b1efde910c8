# SPDX-License-Identifier: Apache-2.0
"""
What a task that runs many jobs finds when it begins, and leaves when it ends: the notes, and where they come from.

The rule that must not be relaxed: notes that cannot be read, or not be written before the wait begins, end the try. And
what the triggerer has left is deleted only when it is stored here.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec.structs import replace

from airflow_batch_events.airflow_compat.task_state import drop_handed_over, handed_over
from airflow_batch_events.airflow_compat.xcom import drop_xcom
from airflow_batch_events.events.many.items import CHUNK, Item, chunks_of, pack_items, unpack_items
from airflow_batch_events.exceptions import IdentityChangedError, SubmissionChangedError, SubmissionRecordError
from airflow_batch_events.submission.decision import OnChangedJob
from airflow_batch_events.submission.identity import Identity
from airflow_batch_events.submission.many import (
    JOBS_KEY,
    JobsSubmission,
    chunk_key,
    descriptions_key,
    handover_name,
    read_jobs_record,
    renew,
    token_seed,
)
from airflow_batch_events.submission.trace_context import from_token

log = logging.getLogger(__name__)

MAX_CARRIED = 24_000
"""
Characters that a trigger carries itself. MySQL has 65,535 bytes for all arguments of one, encrypted, which makes them
a third larger; what is longer goes by XCom.
"""

_WAY_OUT = "Nothing was submitted: change it back, set on_changed_job='submit', or start a new DAG run"


def pack_notes(items: Sequence[Item]) -> list[str]:
    """Return the notes of all jobs, chunk by chunk."""
    return [pack_items(items[chunk * CHUNK : (chunk + 1) * CHUNK]) for chunk in range(chunks_of(len(items)))]


def unpack_notes(notes: Mapping[int, object], total: int) -> list[Item]:
    """
    Return the jobs of all chunks; those of a chunk that is missing have no notes.

    :raises SubmissionRecordError: When one cannot be understood.
    """
    items: list[Item] = []
    for chunk in range(chunks_of(total)):
        count = min(CHUNK, total - chunk * CHUNK)
        text = notes.get(chunk)
        items += [Item() for _ in range(count)] if text is None else unpack_items(text, count)
    return items


def carried(
    ti: Any, name: str, descriptions: str, items: Sequence[Item], *, is_stored: bool
) -> tuple[str | None, list[str] | None]:
    """
    Return what a trigger is to carry: the descriptions and the notes, or None for what it finds in XComs of its task.

    :param ti: The task instance, which pushes XComs.
    :param name: The name of the wait.
    :param descriptions: All descriptions, packed.
    :param items: The jobs as the wait begins with them; those that are new need no notes.
    :param is_stored: Whether the trigger is stored, and finds XComs.
    """
    notes = pack_notes(items) if any(item != Item() for item in items) else None
    if not is_stored or len(descriptions) + sum(map(len, notes or ())) <= MAX_CARRIED:
        return descriptions, notes
    for chunk, text in enumerate(notes or ()):
        ti.xcom_push(key=f"{name}_{chunk}", value=text)
    ti.xcom_push(key=descriptions_key(name), value=descriptions)
    return None, None


class JobsRecord:
    """
    The notes of the running task instance.

    :param context: The task's context.
    :param ends_when_cleared: Whether its jobs are ended when a user clears the task while it waits.
    """

    def __init__(self, context: Mapping[str, Any], *, ends_when_cleared: bool = True) -> None:
        self._ti = context["ti"]
        self._store = context.get("task_state_store")
        self._ends_when_cleared = ends_when_cleared
        self._last: JobsSubmission | None = None

    def seed(self, record: JobsSubmission) -> str:
        """Return what the tokens of the jobs are made from."""
        ti = self._ti
        return token_seed(ti.dag_id, ti.task_id, ti.run_id, ti.map_index, record.generation)

    def load(self) -> JobsSubmission | None:
        """
        Return what an earlier try has noted of the jobs as a whole.

        :raises SubmissionRecordError: When the store does not answer, or holds what cannot be understood.
        """
        data = self._get(JOBS_KEY)
        return None if data is None else read_jobs_record(data)

    def plan(
        self,
        digest: str,
        total: int,
        identify: Callable[[Identity | None], Identity],
        *,
        on_changed: OnChangedJob,
        were_ended: bool,
    ) -> tuple[JobsSubmission, list[Item]]:
        """
        Return what a try begins with: the record, and the jobs, of which those that succeeded are not run again.

        :param digest: A digest of all descriptions.
        :param total: How many there are.
        :param identify: Returns where and as whom this try would submit, from what an earlier one has noted.
        :param on_changed: What to do when the descriptions, the account, the region or the endpoint have changed.
        :param were_ended: Whether jobs that had timed out in an earlier try were ended.
        :raises SubmissionChangedError: When an earlier try has submitted other descriptions.
        :raises IdentityChangedError: When an earlier try has submitted elsewhere, or as somebody else.
        :raises IdentityUnknownError: When it cannot be found out whether that was somebody else.
        :raises SubmissionRecordError: When it cannot be read what earlier tries have noted.
        """
        if self._store is None:
            earlier = max(0, int(self._ti.try_number) - 1)
            return JobsSubmission(digest, total, waits=earlier), [Item(earlier=earlier) for _ in range(total)]
        last = self._last = self.load()
        if last is None:
            return JobsSubmission(digest, total, identity=identify(None)), [Item() for _ in range(total)]
        identity = identify(last.identity)
        changes = last.identity.differences(identity) if last.identity is not None and last.waits else []
        is_changed = (last.digest, last.total) != (digest, total)
        is_cleared = last.waited_under is not None and last.waited_under != self._max_tries
        if on_changed == "fail" and last.waits and not is_cleared:
            if changes:
                raise IdentityChangedError(
                    f"An earlier try has submitted jobs elsewhere, where they may still run: {'; '.join(changes)}. "
                    f"{_WAY_OUT}"
                )
            if is_changed:
                raise SubmissionChangedError(
                    f"An earlier try has submitted {last.total} jobs with other descriptions, which may run or have "
                    f"succeeded. {_WAY_OUT}"
                )
        if changes or is_changed or is_cleared:
            fresh = JobsSubmission(digest, total, generation=last.generation + 1, identity=identity)
            return fresh, [Item() for _ in range(total)]
        items, is_noted = self._last_notes(last)
        renewed = renew(items, is_noted=is_noted, waits=last.waits, were_ended=were_ended)
        return replace(last, identity=identity), renewed

    def begin(self, record: JobsSubmission, items: Sequence[Item], traceparent: str | None = None) -> JobsSubmission:
        """
        Note that a wait begins; it is that of the record that is returned.

        :param record: What :meth:`plan` has returned.
        :param items: The jobs.
        :param traceparent: The span that submits them; a job that an earlier try has sent keeps its own.
        :raises SubmissionRecordError: When that cannot be noted.
        """
        waited_under = self._max_tries if self._ends_when_cleared else None
        if self._store is None:
            trace = from_token(traceparent, self.seed(record))
        else:
            trace = record.traceparent if record.waits else traceparent
        record = replace(record, waits=record.waits + 1, is_noted=False, waited_under=waited_under, traceparent=trace)
        self._save(record, items)
        if self._last is not None and self._last.waits and not self._last.is_noted:
            # What it has left for this try is stored now, or does not count any more.
            self._forget_handover(self._last)
        return record

    def begun(self, total: int) -> list[Item]:
        """
        Return the jobs as the last wait has begun with them; new ones where nothing is noted between tries.

        :param total: How many there are.
        :raises SubmissionRecordError: When the store does not answer, or holds what cannot be understood.
        """
        return unpack_notes({chunk: self._get(chunk_key(chunk)) for chunk in range(chunks_of(total))}, total)

    def end(self, items: Sequence[Item]) -> None:
        """Note what a wait has left; where that fails, a later try finds what the triggerer has left."""
        if self._store is None:
            return
        try:
            record = self.load()
            if record is None or record.total != len(items):
                return
            self._save(replace(record, is_noted=True, waited_under=None), items)
        except SubmissionRecordError as error:
            log.warning("A later try of this task has to find out by itself: %s", error)
            return
        self._forget_handover(record)

    def _last_notes(self, last: JobsSubmission) -> tuple[list[Item], bool]:
        """Return the last notes, and whether they are those at the end of the last wait."""
        kept = unpack_notes({chunk: self._get(chunk_key(chunk)) for chunk in range(chunks_of(last.total))}, last.total)
        if last.is_noted:
            self._forget_handover(last)
            return kept, True
        if not last.waits:
            return kept, True
        left = self._read_handover(last)
        if left is None:
            log.warning("What became of the jobs in the last try is not known; they are asked for under their tokens")
            return kept, False
        return left, True

    def _read_handover(self, record: JobsSubmission) -> list[Item] | None:
        try:
            text = handed_over(handover_name(self.seed(record), record.waits))
        except Exception as error:
            raise SubmissionRecordError(
                f"Airflow does not say what the triggerer has noted of the jobs of an earlier try "
                f"({type(error).__name__}). Nothing was submitted: run the task again when it answers"
            ) from error
        if text is None:
            return None
        try:
            notes = json.loads(text)
        except ValueError:
            notes = None
        if not isinstance(notes, list):
            raise SubmissionRecordError(
                "What the triggerer has noted of the jobs of an earlier try cannot be understood. Nothing was "
                "submitted: start a new DAG run"
            )
        return unpack_notes(dict(enumerate(notes)), record.total)

    def _forget_handover(self, record: JobsSubmission) -> None:
        name = handover_name(self.seed(record), record.waits)
        for drop in (partial(drop_handed_over, name), partial(drop_xcom, self._ti, descriptions_key(name))):
            try:
                drop()
            except Exception as error:  # noqa: BLE001 - it is not needed any more
                log.debug("What was handed over is left: %s", type(error).__name__)

    @property
    def _max_tries(self) -> int | None:
        return getattr(self._ti, "max_tries", None)

    def _get(self, key: str) -> Any:
        try:
            return None if self._store is None else self._store.get(key)
        # The store raises whatever its parts do: Airflow's API, and the back end that the deployment has chosen.
        except Exception as error:
            raise SubmissionRecordError(
                f"Airflow's state store does not say what an earlier try of this task has submitted "
                f"({type(error).__name__}). Nothing was submitted: run the task again when the store answers"
            ) from error

    def _save(self, record: JobsSubmission, items: Sequence[Item]) -> None:
        if self._store is None:
            return
        try:
            # The whole last: it says what the chunks are.
            for chunk, notes in enumerate(pack_notes(items)):
                self._store.set(chunk_key(chunk), notes)
            self._store.set(JOBS_KEY, msgspec.to_builtins(record))
        except Exception as error:
            raise SubmissionRecordError(
                f"Airflow's state store does not take what a later try must know of the jobs "
                f"({type(error).__name__}): run the task again when the store answers"
            ) from error
