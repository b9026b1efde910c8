# SPDX-License-Identifier: Apache-2.0
"""
What OpenLineage is told, in its own classes. Imported only where it asks: it is an extra, ``[openlineage]``.

Its provider takes a task's inlets and outlets only from tasks that tell no data themselves, so they are added here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airflow.providers.openlineage.extractors import OperatorLineage
from airflow.providers.openlineage.extractors.manager import ExtractorManager
from airflow.providers.openlineage.utils.utils import translate_airflow_asset
from airflow.sdk import Asset
from attr import define, field
from openlineage.client.event_v2 import Dataset
from openlineage.client.facet_v2 import JobFacet, RunFacet, external_query_run

from airflow_batch_events.events.values import is_list
from airflow_batch_events.lineage.datasets import DataName, data_of
from airflow_batch_events.lineage.gathering import Gathered

KEY = "tencentBatch"
"""The name of our facets in an event."""

SOURCE = "tencent-batch"
"""What the standard facet ``externalQuery`` names as the system that a job's id belongs to."""

MAX_DATA = 1_000
"""Inputs, and outputs, in one event."""

MAX_TASKS = 20
"""Tasks of a job that its facet names."""


@define
class BatchJobFacet(JobFacet):
    """
    The job as it was submitted; of many, the first one.

    :param jobName: Its name.
    :param tasks: Its tasks: ``name`` and ``instances``, and ``image``, ``instanceTypes`` or ``envId`` where given.
    """

    jobName: str | None = None
    tasks: list[dict[str, Any]] = field(factory=list)


@define
class BatchRunFacet(RunFacet):
    """
    How the jobs of a run ended.

    :param total: How many there are.
    :param succeeded: How many have succeeded.
    :param jobs: The first of them; see :func:`~airflow_batch_events.lineage.gathering.told_of`.
    :param region: Where they ran.
    """

    total: int = 0
    succeeded: int = 0
    jobs: list[dict[str, Any]] = field(factory=list)
    region: str | None = None


def lineage_of(task: Any, gathered: Gathered) -> OperatorLineage[Any, Any]:
    """
    Return what OpenLineage is told of a task.

    :param task: The operator, with its inlets and outlets.
    :param gathered: What is known of its jobs.
    """
    data = data_of(gathered.descriptions)
    return OperatorLineage(
        inputs=_datasets([*_named(data.inputs), *_declared(task.inlets)]),
        outputs=_datasets([*_named(data.outputs), *_declared(task.outlets)]),
        run_facets=_run_facets(gathered),
        job_facets={KEY: _job_facet(gathered.descriptions[0])} if gathered.descriptions else {},
    )


def _run_facets(gathered: Gathered) -> dict[str, RunFacet]:
    if not gathered.jobs:
        return {}
    facets: dict[str, RunFacet] = {
        KEY: BatchRunFacet(
            total=gathered.total,
            succeeded=gathered.succeeded,
            jobs=[dict(job) for job in gathered.jobs],
            region=gathered.region,
        )
    }
    if gathered.total == 1 and (job_id := gathered.jobs[0].get("jobId")):
        facets["externalQuery"] = external_query_run.ExternalQueryRunFacet(externalQueryId=job_id, source=SOURCE)
    return facets


def _job_facet(description: object) -> BatchJobFacet:
    job = description if isinstance(description, Mapping) else {}
    tasks = job.get("Tasks")
    return BatchJobFacet(
        jobName=_text(job.get("JobName")),
        tasks=[
            _task(task) for task in (list(tasks)[:MAX_TASKS] if is_list(tasks) else ()) if isinstance(task, Mapping)
        ],
    )


def _task(task: Mapping[str, Any]) -> dict[str, Any]:
    env = task.get("ComputeEnv")
    data = env.get("EnvData") if isinstance(env, Mapping) else None
    machine = data if isinstance(data, Mapping) else {}
    types = machine.get("InstanceTypes") or machine.get("InstanceType")
    told = {
        "name": _text(task.get("TaskName")),
        "instances": task.get("TaskInstanceNum", 1),
        "image": _text(machine.get("ImageId")),
        "instanceTypes": [str(one) for one in (types if is_list(types) else [types] if types else [])],
        "envId": _text(task.get("EnvId")),
    }
    return {name: value for name, value in told.items() if value}


def _declared(given: Iterable[Any]) -> Iterable[Dataset]:
    """Return what a task's inlets or outlets are in OpenLineage, as far as they are anything there."""
    for one in given:
        # Older versions of the provider, those of Airflow 3.1, leave assets out.
        is_asset = isinstance(one, Asset)
        found = translate_airflow_asset(one, None) if is_asset else ExtractorManager.convert_to_ol_dataset(one)
        if found is not None:
            yield found


def _named(names: Iterable[DataName]) -> Iterable[Dataset]:
    return (Dataset(namespace=name.namespace, name=name.name) for name in names)


def _datasets(given: Iterable[Dataset]) -> list[Dataset]:
    """Return each dataset once."""
    return list({(one.namespace, one.name): one for one in reversed(list(given))}.values())[::-1][:MAX_DATA]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
