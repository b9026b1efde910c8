# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from helpers.batch_cloud import Cloud, task

from tencent_batch_emulator.services.batch.settings import Quotas

UNKNOWN = "task-tmpl-00000000"


async def create(cloud: Cloud, name: str = "a-template", **settings: Any) -> str:
    answer = await cloud.call("CreateTaskTemplate", TaskTemplateName=name, TaskTemplateInfo=task(), **settings)
    return str(answer["TaskTemplateId"])


async def test_a_template_is_kept_changed_listed_and_deleted(cloud: Cloud) -> None:
    first = await create(cloud, Tags=[{"Key": "k", "Value": "v"}])
    second = await create(cloud, "other")
    await cloud.call("ModifyTaskTemplate", TaskTemplateId=first, TaskTemplateDescription="better")
    listed = await cloud.call("DescribeTaskTemplates")
    assert [one["TaskTemplateId"] for one in listed["TaskTemplateSet"]] == [second, first]
    shown = listed["TaskTemplateSet"][1]
    assert (shown["TaskTemplateName"], shown["TaskTemplateDescription"]) == ("a-template", "better")
    assert shown["TaskTemplateInfo"]["Application"] == task()["Application"]
    by_tag = [{"Name": "tag-key", "Values": ["k"]}]
    assert (await cloud.call("DescribeTaskTemplates", Filters=by_tag))["TotalCount"] == 1
    await cloud.call("DeleteTaskTemplates", TaskTemplateIds=[first])
    assert (await cloud.call("DescribeTaskTemplates", TaskTemplateIds=[first, second]))["TotalCount"] == 1


async def test_the_number_of_templates_is_limited(make_cloud: Callable[..., Cloud]) -> None:
    cloud = make_cloud(quotas=Quotas(task_templates=1))
    await create(cloud)
    code = await cloud.error("CreateTaskTemplate", TaskTemplateName="more", TaskTemplateInfo=task())
    assert code == "LimitExceeded.TaskTemplateQuota"


@pytest.mark.parametrize(
    ("action", "code", "request_"),
    [
        ("CreateTaskTemplate", "InvalidParameter.TaskTemplateNameTooLong", {"TaskTemplateName": "x" * 61}),
        ("CreateTaskTemplate", "InvalidParameter.TaskTemplateName", {"TaskTemplateName": "a b"}),
        (
            "CreateTaskTemplate",
            "InvalidParameter.TaskTemplateDescriptionTooLong",
            {"TaskTemplateDescription": "x" * 201},
        ),
        ("CreateTaskTemplate", "InvalidParameterValue.TaskInstanceNum", {"TaskTemplateInfo": task(TaskInstanceNum=0)}),
        ("ModifyTaskTemplate", "InvalidParameterAtLeastOneAttribute", {}),
        ("ModifyTaskTemplate", "InvalidParameter.TaskTemplateIdMalformed", {"TaskTemplateId": "x"}),
        ("ModifyTaskTemplate", "ResourceNotFound.TaskTemplate", {"TaskTemplateId": UNKNOWN}),
        ("DeleteTaskTemplates", "ResourceNotFound.TaskTemplate", {"TaskTemplateIds": [UNKNOWN]}),
        ("DeleteTaskTemplates", "InvalidParameter.TaskTemplateIdMalformed", {"TaskTemplateIds": ["x"]}),
        (
            "DescribeTaskTemplates",
            "InvalidParameter.InvalidParameterCombination",
            {"TaskTemplateIds": [UNKNOWN], "Filters": [{"Name": "task-template-name", "Values": ["x"]}]},
        ),
        ("DescribeTaskTemplates", "InvalidParameterValue", {"Limit": 101}),
    ],
)
async def test_a_bad_request_is_refused_with_its_code(
    cloud: Cloud, action: str, code: str, request_: dict[str, Any]
) -> None:
    complete: dict[str, dict[str, Any]] = {
        "CreateTaskTemplate": {"TaskTemplateName": "name", "TaskTemplateInfo": task()},
        "ModifyTaskTemplate": {"TaskTemplateId": await create(cloud)},
    }
    assert await cloud.error(action, **{**complete.get(action, {}), **request_}) == code
