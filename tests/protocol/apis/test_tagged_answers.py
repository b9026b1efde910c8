# SPDX-License-Identifier: Apache-2.0
"""A list of what has certain tags: what cannot be read of it could be what is searched for."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.protocol.apis.tagged_answers import Tagged, TaggedPage

ASKED = {"k": "v", "l": "w"}
LISTED = [{"Key": "k", "Value": "v"}, {"Key": "team", "Value": "x"}, {"Key": "l", "Value": "w"}]


def page(answer: dict[str, Any]) -> TaggedPage:
    return batch.describe_tagged_jobs(ASKED).parse(answer)


def test_jobs_and_environments_come_with_their_tags() -> None:
    tags = {"k": "v", "team": "x", "l": "w"}
    job = {"JobId": "job-1", "JobState": "RUNNING", "Tags": LISTED}
    assert page({"TotalCount": 7, "JobSet": [job]}) == TaggedPage(7, (Tagged("job-1", tags),))
    env = {"EnvId": "env-1", "EnvName": "e", "Tags": LISTED}
    listed = batch.describe_tagged_compute_envs(ASKED).parse({"TotalCount": 1, "ComputeEnvSet": [env]})
    assert listed == TaggedPage(1, (Tagged("env-1", tags),))


@pytest.mark.parametrize("nothing", [[], None])
def test_a_list_of_nothing_may_be_null(nothing: object) -> None:
    assert page({"TotalCount": 0, "JobSet": nothing}) == TaggedPage(0, ())


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"TotalCount": 0},
        {"JobSet": []},
        {"TotalCount": None, "JobSet": []},
        {"TotalCount": True, "JobSet": []},
        {"TotalCount": "1", "JobSet": []},
        {"TotalCount": 1, "JobSet": [None]},
        {"TotalCount": 1, "JobSet": [{"JobId": "job-1"}]},
        {"TotalCount": 1, "JobSet": [{"JobId": "job-1", "Tags": None}]},
        {"TotalCount": 1, "JobSet": [{"JobId": None, "Tags": LISTED}]},
        {"TotalCount": 1, "JobSet": [{"JobId": "job-1", "Tags": LISTED[:2]}]},
        {"TotalCount": 1, "JobSet": [{"JobId": "job-1", "Tags": [*LISTED, {"Key": "k", "Value": "z"}]}]},
    ],
    ids=repr,
)
def test_an_answer_that_does_not_tell_is_no_answer(answer: dict[str, Any]) -> None:
    with pytest.raises((LookupError, TypeError, ValueError)):
        page(answer)


@pytest.mark.parametrize("describe", [batch.describe_tagged_jobs, batch.describe_tagged_compute_envs])
def test_nothing_is_searched_without_tags(describe: Any) -> None:
    with pytest.raises(ValueError, match="needs a tag"):
        describe({})
