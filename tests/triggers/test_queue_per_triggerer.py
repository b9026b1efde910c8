# SPDX-License-Identifier: Apache-2.0
"""A queue for each triggerer: what the command creates on a host is what the triggers on that host read."""

from __future__ import annotations

import asyncio

import pytest
from support.emulator_helpers import PLACEMENT, announced_job, first_payload

from airflow_batch_events.cli.main import main
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.triggers.batch import BatchJobTrigger

QUEUE = "{hostname}-waits"


def submit(topic: str) -> str:
    return BatchHook().submit_job(announced_job("scripted: duration=3", topic), PLACEMENT)


async def outcome_of(trigger: BatchJobTrigger) -> dict[str, object]:
    payload = await asyncio.wait_for(first_payload(trigger), 20)
    return payload["outcomes"][0]


async def test_each_host_reads_the_queue_that_was_provisioned_on_it(cloud, monkeypatch, capsys):
    topic = "for-each-host"
    for name in ("triggerer-a.example.com", "triggerer-b.example.com"):
        monkeypatch.setattr("platform.node", lambda name=name: name)
        monkeypatch.setenv("AIRFLOW__CORE__HOSTNAME_CALLABLE", "platform.node")
        options = ["provision", "--topic", topic, "--queue", QUEUE, "--json"]
        assert await asyncio.to_thread(main, options) == 0
        assert f'create queue {name.replace(".", "-")}-waits"' in capsys.readouterr().out
        job_id = await asyncio.to_thread(submit, topic)
        outcome = await outcome_of(BatchJobTrigger(job_id, QUEUE))
        assert (outcome["state"], outcome["source"]) == ("SUCCEED", "event")


async def test_a_queue_missing_on_this_host_has_this_host_s_name(cloud, monkeypatch):
    monkeypatch.setattr("platform.node", lambda: "new-host")
    monkeypatch.setenv("AIRFLOW__CORE__HOSTNAME_CALLABLE", "platform.node")
    job_id = await asyncio.to_thread(submit, "any")
    payload = await asyncio.wait_for(first_payload(BatchJobTrigger(job_id, QUEUE)), 20)
    assert payload["status"] == "error"
    assert "'new-host-waits'" in payload["message"]


def test_the_command_line_refuses_an_impossible_queue_name(capsys):
    with pytest.raises(SystemExit):
        main(["provision", "--queue", "waits-{host}"])
    assert "letters, digits and hyphens beside the placeholder {hostname}" in capsys.readouterr().err
