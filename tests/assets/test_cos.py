# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from airflow.providers.openlineage.utils.utils import translate_airflow_asset
from airflow.sdk import Asset

from airflow_batch_events.assets.cos import convert_to_openlineage


def test_openlineage_s_provider_finds_the_data_of_an_asset() -> None:
    found = translate_airflow_asset(Asset("cos://data-1250000000.cos.ap-guangzhou.myqcloud.com/in/"), None)
    assert found is not None
    assert (found.namespace, found.name) == ("cos://data-1250000000", "in")


def test_what_is_no_path_is_no_data() -> None:
    assert convert_to_openlineage(Asset("data"), None) is None
