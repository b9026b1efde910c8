# SPDX-License-Identifier: Apache-2.0
"""What OpenLineage gets, by the official provider's own classes."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from airflow.sdk import Asset
from openlineage.client.serde import Serde

from airflow_batch_events.events.job_builder import build_job
from airflow_batch_events.lineage.facets import KEY, MAX_DATA, lineage_of
from airflow_batch_events.lineage.gathering import gather

COS = "cos://data-1250000000.cos.ap-guangzhou.myqcloud.com"
JOB = build_job(
    "nightly",
    "true",
    image="img-eb30mz89",
    instance_type=["S5.MEDIUM2", "S5.LARGE8"],
    instances=3,
    input_mappings={f"{COS}/in/": "/in"},
    output_mappings={"/out": f"{COS}/out/"},
)


def task(inlets: list[Any] | None = None, outlets: list[Any] | None = None) -> Any:
    return SimpleNamespace(inlets=inlets or [], outlets=outlets or [])


def names(datasets: list[Any]) -> list[tuple[str, str]]:
    return [(one.namespace, one.name) for one in datasets]


def test_the_data_of_a_job_are_inputs_and_outputs() -> None:
    lineage = lineage_of(task(), gather([{"job_id": "job-1", "state": "SUCCEED"}], [JOB], "ap-guangzhou"))
    assert names(lineage.inputs) == [("cos://data-1250000000", "in")]
    assert names(lineage.outputs) == [("cos://data-1250000000", "out")]


def test_inlets_and_outlets_are_added_to_them() -> None:
    declared = task([Asset(f"{COS}/more")], [Asset(f"{COS}/out"), Asset("x-nobody://knows/this")])
    lineage = lineage_of(declared, gather([], [JOB], None))
    assert names(lineage.inputs) == [("cos://data-1250000000", "in"), ("cos://data-1250000000", "more")]
    assert names(lineage.outputs) == [("cos://data-1250000000", "out")]


def test_facets_say_what_ran_and_how_it_ended() -> None:
    lineage = lineage_of(task(), gather([{"job_id": "job-1", "state": "SUCCEED"}], [JOB], "ap-guangzhou"))
    job = json.loads(Serde.to_json(lineage.job_facets[KEY]))
    assert job["jobName"] == "nightly"
    machine = {"image": "img-eb30mz89", "instanceTypes": ["S5.MEDIUM2", "S5.LARGE8"]}
    assert job["tasks"] == [{"name": "main", "instances": 3, **machine}]
    run = json.loads(Serde.to_json(lineage.run_facets[KEY]))
    assert run["jobs"] == [{"jobId": "job-1", "state": "SUCCEED"}]
    assert (run["total"], run["succeeded"], run["region"]) == (1, 1, "ap-guangzhou")
    external = lineage.run_facets["externalQuery"]
    assert (external.externalQueryId, external.source) == ("job-1", "tencent-batch")


def test_a_task_of_which_nothing_is_known_tells_nothing() -> None:
    lineage = lineage_of(task(), gather([], [], None))
    assert (lineage.inputs, lineage.outputs, lineage.run_facets, lineage.job_facets) == ([], [], {}, {})


def test_a_job_s_command_and_variables_are_not_told() -> None:
    job = build_job("j", "echo s3cret", env_id="env-1", env_vars={"TOKEN": "s3cret"})
    assert "s3cret" not in Serde.to_json(lineage_of(task(), gather([], [job], None)).job_facets[KEY])


def test_thousands_of_outputs_are_cut() -> None:
    jobs = [build_job("j", "x", env_id="e", output_mappings={"/out": f"{COS}/{n}"}) for n in range(MAX_DATA + 1)]
    assert len(lineage_of(task(), gather([], jobs, None)).outputs) == MAX_DATA
