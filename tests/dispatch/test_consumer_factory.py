# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_batch_events.dispatch.consumer_factory import consumer_key, make_consumer
from airflow_batch_events.protocol.credentials.access import CloudAccess

ACCESS = CloudAccess(
    secret_id="AKIDfirst",
    secret_key="secret",
    region="ap-guangzhou",
    cmq_endpoint="https://cmq-gz.public.tencenttdmq.com",
    source="connection 'c'",
)


def test_an_exchanged_key_keeps_the_consumer():
    assert consumer_key(ACCESS, "q") == consumer_key(replace(ACCESS, secret_key="another"), "q")


@pytest.mark.parametrize(
    "other",
    [
        consumer_key(ACCESS, "other"),
        consumer_key(ACCESS, None),
        consumer_key(replace(ACCESS, region="ap-beijing"), "q"),
        consumer_key(replace(ACCESS, cmq_endpoint="https://cmq-bj.public.tencenttdmq.com"), "q"),
        consumer_key(replace(ACCESS, batch_endpoint="https://batch.example"), "q"),
    ],
    ids=["queue", "no queue", "region", "queue service", "API"],
)
def test_waits_at_different_places_share_no_consumer(other):
    assert consumer_key(ACCESS, "q") != other


def test_a_consumer_s_name_tells_queue_region_and_connection(run):
    async def names():
        return make_consumer(ACCESS, "q").name, make_consumer(ACCESS, None).name

    assert run(names()) == (
        "queue 'q' at https://cmq-gz.public.tencenttdmq.com in ap-guangzhou (connection 'c')",
        "the Batch API in ap-guangzhou (connection 'c')",
    )
