# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import pytest
from airflow.sdk.execution_time.xcom import XCom
from support.tasks import TaskInstance

from airflow_batch_events.links.console import BatchComputeEnvLink, BatchJobLink, CmqQueueLink, CmqTopicLink
from airflow_batch_events.protocol.credentials.access import CloudAccess

VENDOR = CloudAccess("AKIDexample", "example", "ap-guangzhou")
OWN = replace(VENDOR, console_url="http://127.0.0.1:8700/console")


@pytest.mark.parametrize(
    ("job_id", "path"),
    [
        ("job-4yn0we13", "job-4yn0we13"),
        ("a/../b?c#d", "a%2F..%2Fb%3Fc%23d"),
        ("\x1b\r\n", "%1B%0D%0A"),
        ("\ud800", "%3F"),
        ("배치", "%EB%B0%B0%EC%B9%98"),
    ],
)
def test_an_id_is_one_part_of_the_address_whatever_it_holds(job_id, path):
    assert BatchJobLink.url(OWN, job_id) == f"http://127.0.0.1:8700/console/jobs/{path}"


@pytest.mark.parametrize(
    ("link", "page", "listed"),
    [
        (BatchJobLink, "jobs/x", "batch/job"),
        (BatchComputeEnvLink, "envs/x", "batch/env"),
        (CmqQueueLink, "queues/x", "tdmq/cmq-queue"),
        (CmqTopicLink, "topics/x", "tdmq/cmq-topic"),
    ],
)
def test_a_link_leads_to_the_own_or_the_vendor_s_console(link, page, listed):
    assert link.url(OWN, "x") == f"http://127.0.0.1:8700/console/{page}"
    assert link.url(VENDOR, "x") == f"https://console.cloud.tencent.com/{listed}"


def test_an_endpoint_on_this_machine_is_no_console():
    access = CloudAccess.at_endpoint("http://127.0.0.1:8700", "AKIDexample", "example")
    assert BatchJobLink.url(access, "job-1") == "https://console.cloud.tencent.com/batch/job"


def test_a_written_link_stays_when_the_connection_changes(monkeypatch):
    stored = "http://127.0.0.1:8700/console/jobs/job-1"
    monkeypatch.setattr(XCom, "get_value", lambda *, ti_key, key: {"_link_BatchJobLink": stored}.get(key))
    assert BatchJobLink().get_link(None, ti_key=None) == stored
    assert CmqQueueLink().get_link(None, ti_key=None) == ""


def test_a_queue_of_which_each_triggerer_has_its_own_has_no_link():
    ti = TaskInstance()
    CmqQueueLink.persist({"ti": ti}, OWN, "{hostname}-waits")
    assert ti.xcoms == {}
    CmqQueueLink.persist({"ti": ti}, OWN, "waits")
    assert ti.xcoms == {"_link_CmqQueueLink": "http://127.0.0.1:8700/console/queues/waits"}
