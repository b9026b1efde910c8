# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from importlib.metadata import version

import pytest

from devtools.release.sbom import bill_of_materials, dependencies_of, notices


def test_everything_that_is_needed_is_named_once() -> None:
    needed = dependencies_of("airflow-batch-events")
    assert {"airflow-batch-events", "apache-airflow", "aiohttp", "tencentcloud-sdk-python-common"} <= set(needed)
    assert "apache-airflow-core" in needed["apache-airflow"]
    # Those of extras, and of an editable installation's environment, are not.
    assert not {"pytest", "mypy", "tencent-batch-emulator"} & set(needed)


def test_the_emulator_brings_no_airflow() -> None:
    assert not [name for name in dependencies_of("tencent-batch-emulator") if "airflow" in name]


@pytest.mark.parametrize("name", ["airflow-batch-events", "tencent-batch-emulator"])
def test_a_bill_names_versions_and_licenses_and_is_the_same_again(name: str) -> None:
    text = bill_of_materials(name, 1_800_000_000)
    assert text == bill_of_materials(name, 1_800_000_000)
    bill = json.loads(text)
    assert bill["metadata"]["component"]["purl"] == f"pkg:pypi/{name}@{version(name)}"
    assert bill["metadata"]["timestamp"] == "2027-01-15T08:00:00+00:00"
    refs = {one["bom-ref"] for one in bill["components"]} | {bill["metadata"]["component"]["bom-ref"]}
    assert {one["ref"] for one in bill["dependencies"]} == refs
    assert {other for one in bill["dependencies"] for other in one["dependsOn"]} < refs
    for one in bill["components"]:
        assert one["version"] == version(one["name"])
        assert one["licenses"][0]["license"]["name"]


def test_the_notices_name_each_dependency() -> None:
    text = notices("airflow-batch-events")
    assert f"| aiohttp | {version('aiohttp')} | Apache-2.0" in text
    assert "| airflow-batch-events |" not in text
