# SPDX-License-Identifier: Apache-2.0
"""Tell OpenLineage which data a task's jobs read and write, and how they ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_batch_events.events.outcome import Outcome
from airflow_batch_events.events.values import is_list
from airflow_batch_events.exceptions import ParameterError

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_batch_events.hooks.batch import BatchHook
    from airflow_batch_events.lineage.gathering import Gathered
    from airflow_batch_events.waiting.parameters import Reader


class LineageMixin:
    """
    A task that has jobs.

    OpenLineage calls its method where a task ends, in a fork of the task's process: ``lineage/gathering.py`` says what
    follows from that. A task that has failed is asked by the same method.
    """

    described_by: ClassVar[str | None] = None
    """The parameter with the descriptions of the task's own jobs; None asks the API."""

    if TYPE_CHECKING:
        readers: ClassVar[Mapping[str, Reader]]
        hook: BatchHook
        region: str | None
        log: Any

    _job_id: str | None = None
    _gathered: Gathered | None = None

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Return the data, the job and how it ended, as OpenLineage takes it."""
        from airflow_batch_events.lineage.facets import lineage_of
        from airflow_batch_events.lineage.gathering import gather

        if self._gathered is None:
            # The task does not wait, or has failed before its job had ended.
            ended = [] if self._job_id is None else [{"job_id": self._job_id}]
            return lineage_of(self, gather(ended, self._own_jobs(), self.region))
        return lineage_of(self, self._gathered)

    def note_ends(self, ended: Sequence[Outcome | Mapping[str, Any]]) -> None:
        """
        Keep how the task's jobs ended for OpenLineage, where it is on; never raises.

        :param ended: Outcomes, or of many jobs ``{"job_id", "state"}`` each.
        """
        # A DAG file that imports an operator must not pay for what a running task needs.
        from airflow_batch_events.lineage.gathering import gather, is_wanted, read_descriptions

        try:
            if not ended or not is_wanted():
                return
            descriptions = self._gathered.descriptions if self._gathered else self._own_jobs()
            if not descriptions:
                ids = [one.job_id for one in ended if isinstance(one, Outcome)]
                descriptions = read_descriptions(self.hook, ids)
            self._gathered = gather(ended, descriptions, self.region or self.hook.access.region)
        except Exception:
            # How the task ends does not depend on who is told of it.
            self.log.warning("OpenLineage is not told how the jobs ended", exc_info=True)

    def _own_jobs(self) -> list[Any]:
        """Return the descriptions of the task's own jobs, as far as it knows by itself which were submitted."""
        if self.described_by is None:
            return []
        try:
            given = self.readers[self.described_by](self.described_by, getattr(self, self.described_by))
        except ParameterError:
            return []
        if isinstance(given, Mapping):
            return [given]
        # Of a list with one description for each try only the API knows which one it was.
        return list(given) if is_list(given) and self.described_by == "jobs" else []
