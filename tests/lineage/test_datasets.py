# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_batch_events.events.job_builder import build_job
from airflow_batch_events.lineage.datasets import DataName, data_at, data_of

HOST = "data-1250000000.cos.ap-guangzhou.myqcloud.com"


@pytest.mark.parametrize(
    ("path", "namespace", "name"),
    [
        (f"cos://{HOST}/in/a/", "cos://data-1250000000", "in/a"),
        (f"cos://{HOST.upper()}/in", "cos://data-1250000000", "in"),
        ("cos://data-1250000000.cos-internal.ap-guangzhou.tencentcos.cn/in", "cos://data-1250000000", "in"),
        (f"cos://{HOST}", "cos://data-1250000000", "/"),
        ("cos://bucket/in", "cos://bucket", "in"),
        ("cfs://10.0.0.7/share/a", "cfs://10.0.0.7", "share/a"),
    ],
)
def test_a_path_is_named_by_its_bucket(path: str, namespace: str, name: str) -> None:
    assert data_at(path) == DataName(namespace, name)


@pytest.mark.parametrize("path", [None, 7, "", "/local", "cos:///in", "cos://[/in", "in/a"])
def test_what_is_no_storage_path_has_no_name(path: object) -> None:
    assert data_at(path) is None


def test_the_data_of_jobs_are_their_mappings_each_once() -> None:
    job = build_job(
        "j",
        "true",
        env_id="env-1",
        input_mappings={f"cos://{HOST}/in/": "/in", f"cos://{HOST}/in": "/again"},
        output_mappings={"/out": f"cos://{HOST}/out/"},
    )
    inputs, outputs = data_of([job, job])
    assert inputs == [DataName("cos://data-1250000000", "in")]
    assert outputs == [DataName("cos://data-1250000000", "out")]


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["Tasks", "InputMappings", "OutputMappings", "SourcePath", "DestinationPath", "x"]), inner
        )
    ),
)


@given(json_like)
def test_no_description_is_too_odd_to_be_read(job: object) -> None:
    data_of([job])
