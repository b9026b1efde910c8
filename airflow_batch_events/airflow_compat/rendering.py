# SPDX-License-Identifier: Apache-2.0
"""What a task's template fields were before Airflow rendered them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk import BaseOperator as _Operator
    from airflow.sdk.definitions.context import Context
else:
    _Operator = object


class ObservedRendering(_Operator):
    """
    Tell a task what its template fields were before they were rendered; a base of operators.

    Only where Airflow renders a task, a mapped one included, it can be seen what a value was made from, and no public
    method is called for both.

    Source: ``sdk/definitions/_internal/templater.py``, line 162; ``sdk/definitions/mappedoperator.py``, line 848.
    Since: before 3.1. It can go when a public method renders mapped tasks and others.
    """

    def needs_rendering(self, name: str, value: Any) -> bool:
        """
        Whether a field has to be rendered.

        Airflow compiles each text in a field as a template, which takes it a minute for ten thousand descriptions.

        :param name: The field.
        :param value: What it holds.
        """
        return True

    def on_rendered(self, before: Mapping[str, Any]) -> None:
        """
        Take note of what was rendered.

        :param before: The fields that were rendered, as they were before.
        """

    def render_again(self, context: Context, *fields: str) -> None:
        """
        Render some fields whose values have become known only in ``execute``.

        :param context: The task's context.
        :param fields: Their names.
        """
        self._do_render_template_fields(self, fields, context, self.get_template_env(), set())

    def _do_render_template_fields(
        self, parent: Any, template_fields: Iterable[str], context: Any, jinja_env: Any, seen_oids: set[int]
    ) -> None:
        fields = [
            name
            for name in template_fields
            if parent is not self or not hasattr(self, name) or self.needs_rendering(name, getattr(self, name))
        ]
        before = {name: getattr(self, name) for name in fields if hasattr(self, name)}
        super()._do_render_template_fields(parent, fields, context, jinja_env, seen_oids)
        if parent is self:
            self.on_rendered(before)


def expanded_with(task: BaseOperator, name: str) -> Any:
    """
    Return what a mapped task's parameter is expanded with; None for another parameter, and for a task that is not
    mapped.

    The instances of a mapped task have the value only, which was read already.

    Source: ``sdk/bases/operator.py``, lines 563 to 570; ``sdk/definitions/mappedoperator.py``, line 802. Since: before
    3.1. It can go when an instance of a mapped task knows publicly what it was expanded with.

    :param task: The instance's operator.
    :param name: The parameter.
    """
    dag: Any = task.get_dag() if getattr(task, "_BaseOperator__from_mapped", False) else None
    mapped = dag.task_dict.get(task.task_id) if dag is not None else None
    given = getattr(task, "_BaseOperator__init_kwargs", {})
    if mapped is None or name in mapped.partial_kwargs or name not in given:
        return None
    expanded = getattr(mapped._get_specified_expand_input(), "value", None)
    return expanded.get(name) if isinstance(expanded, dict) else expanded
