# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from airflow.sdk import Asset

from airflow_batch_events.assets.batch import create_asset


def test_jobs_of_one_name_are_one_asset():
    assert (
        create_asset(region="ap-guangzhou", name="nightly load").uri
        == "tencent-batch://ap-guangzhou/jobs/nightly%20load"
    )
    assert create_asset(region="ap-guangzhou", name="e", kind="envs").uri == "tencent-batch://ap-guangzhou/envs/e"


@pytest.mark.parametrize(
    "uri", ["tencent-batch://AP-Guangzhou/jobs/nightly/", "tencent-batch://ap-guangzhou/jobs/nightly"]
)
def test_spellings_of_one_asset_are_brought_into_one_form(uri):
    assert Asset(uri=uri).uri == "tencent-batch://ap-guangzhou/jobs/nightly"


@pytest.mark.parametrize(
    "uri",
    [
        "tencent-batch:///jobs/nightly",
        "tencent-batch://ap-guangzhou/jobs",
        "tencent-batch://ap-guangzhou/tasks/x",
        "tencent-batch://ap-guangzhou/jobs/a/b",
    ],
)
def test_a_uri_that_names_nothing_is_refused(uri):
    with pytest.raises(ValueError, match="must be tencent-batch://REGION/jobs/NAME"):
        Asset(uri=uri)
