# SPDX-License-Identifier: Apache-2.0
"""Task templates: a task's description under a name, checked as it would be in a job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.services.base import ApiError
from tencent_batch_emulator.services.batch import validation
from tencent_batch_emulator.services.batch.ids import Ids, check_id
from tencent_batch_emulator.services.batch.schema import TaskSpec
from tencent_batch_emulator.services.batch.settings import Quotas
from tencent_batch_emulator.services.tc3_schema import (
    Filter,
    Tag,
    Tc3Struct,
    at_most,
    iso,
    matching,
    not_together,
    page,
    write,
)


class CreateTaskTemplate(Tc3Struct):
    task_template_name: str
    task_template_info: TaskSpec
    task_template_description: str = ""
    tags: list[Tag] | None = None


class ModifyTaskTemplate(Tc3Struct):
    task_template_id: str
    task_template_name: str | None = None
    task_template_description: str | None = None
    task_template_info: TaskSpec | None = None


class DeleteTaskTemplates(Tc3Struct):
    task_template_ids: list[str]


class DescribeTaskTemplates(Tc3Struct):
    task_template_ids: list[str] | None = None
    filters: list[Filter] | None = None
    offset: int = 0
    limit: int = 20


@dataclass(slots=True)
class Template:
    """One task template."""

    template_id: str
    name: str
    description: str
    info: TaskSpec
    tags: list[Tag]
    created: float

    def view(self) -> dict[str, Any]:
        """Return it as DescribeTaskTemplates shows it."""
        return {
            "TaskTemplateId": self.template_id,
            "TaskTemplateName": self.name,
            "TaskTemplateDescription": self.description,
            "TaskTemplateInfo": write(self.info),
            "CreateTime": iso(self.created),
            "Tags": write(self.tags),
        }


class TemplateActions:
    """What the API offers for task templates."""

    def __init__(self, clock: Clock, ids: Ids, quotas: Quotas) -> None:
        self._clock = clock
        self._ids = ids
        self._quotas = quotas
        self._by_id: dict[str, Template] = {}

    def create(self, request: CreateTaskTemplate) -> dict[str, Any]:
        """Keep a template."""
        validation.check_template_texts(request.task_template_name, request.task_template_description)
        validation.check_task(request.task_template_info)
        validation.check_tags(request.tags)
        if len(self._by_id) >= self._quotas.task_templates:
            raise ApiError(
                "LimitExceeded.TaskTemplateQuota",
                f"The account has {self._quotas.task_templates} task templates; delete one first.",
            )
        template = Template(
            self._ids.new("TaskTemplate"),
            request.task_template_name,
            request.task_template_description,
            request.task_template_info,
            request.tags or [],
            self._clock.time(),
        )
        self._by_id[template.template_id] = template
        return {"TaskTemplateId": template.template_id}

    def modify(self, request: ModifyTaskTemplate) -> dict[str, Any]:
        """Change a template's name, description or task."""
        template = self._find(request.task_template_id)
        name, description = request.task_template_name, request.task_template_description
        info = request.task_template_info
        if name is None and description is None and info is None:
            raise ApiError(
                "InvalidParameterAtLeastOneAttribute",
                "Give at least one of TaskTemplateName, TaskTemplateDescription and TaskTemplateInfo.",
            )
        validation.check_template_texts(name, description)
        if info is not None:
            validation.check_task(info)
            template.info = info
        if name is not None:
            template.name = name
        if description is not None:
            template.description = description
        return {}

    def delete(self, request: DeleteTaskTemplates) -> dict[str, Any]:
        """Forget templates, all that are named or none."""
        at_most(len(request.task_template_ids), "TaskTemplateIds")
        check_id("TaskTemplate", *request.task_template_ids)
        found = [self._find(one) for one in dict.fromkeys(request.task_template_ids)]
        for template in found:
            del self._by_id[template.template_id]
        return {}

    def describe(self, request: DescribeTaskTemplates) -> dict[str, Any]:
        """List templates, the newest first."""
        not_together(request.task_template_ids, request.filters, "TaskTemplateIds")
        newest = list(reversed(self._by_id.values()))
        if request.task_template_ids:
            at_most(len(request.task_template_ids), "TaskTemplateIds")
            check_id("TaskTemplate", *request.task_template_ids)
            wanted = set(request.task_template_ids)
            found = [template for template in newest if template.template_id in wanted]
        else:
            values = {"task-template-name": lambda one: [one.name]}
            found = matching(newest, request.filters, values, lambda one: one.tags)
        shown = page(found, request.offset, request.limit, 100)
        return {"TotalCount": len(found), "TaskTemplateSet": [template.view() for template in shown]}

    def _find(self, template_id: str) -> Template:
        check_id("TaskTemplate", template_id)
        template = self._by_id.get(template_id)
        if template is None:
            raise ApiError("ResourceNotFound.TaskTemplate", f"The task template {template_id} does not exist.")
        return template
