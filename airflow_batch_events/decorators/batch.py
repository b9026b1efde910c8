# SPDX-License-Identifier: Apache-2.0
"""
``@task.batch_job`` and ``@task.batch_jobs``: a function that returns the description of a job, or of many, which are
then submitted and waited for.

The function runs once in each try, before anything is submitted, never after a deferral. A retry reattaches to what the
try before has submitted only when the function returns the same again, so it must not put the time or a random name
into it (or ``on_changed_job`` has to say what is to happen then).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.bases.decorator import DecoratedOperator, TaskDecorator, task_decorator_factory

from airflow_batch_events.airflow_compat.operators import keyword_arguments
from airflow_batch_events.events.values import is_list, items_of, kind_of
from airflow_batch_events.operators.batch import BatchSubmitJobOperator, BatchSubmitJobsOperator

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context


class _DescribedOperator(DecoratedOperator):
    """An operator that takes one of its parameters from the decorated function."""

    custom_operator_name: str
    described: ClassVar[str]
    """The parameter."""
    undescribed: ClassVar[type]
    """The type of what it is until the function has run; nothing is in it."""

    # What the function returns is known only when it has run, and the task's page is to show it.
    overwrite_rtif_after_execution = True

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if self.described in kwargs:
            raise TypeError(f"{self.custom_operator_name} takes no {self.described}: the decorated function returns it")
        kwargs[self.described] = self.undescribed()
        super().__init__(python_callable=python_callable, op_args=op_args, op_kwargs=op_kwargs, **kwargs)

    def call_function(self, context: Context) -> Any:
        """Return what the function returns."""
        arguments = keyword_arguments(self, {**context, **self.op_kwargs})
        return self.python_callable(*self.op_args, **arguments)


class BatchJobDecoratedOperator(_DescribedOperator, BatchSubmitJobOperator):
    """
    Submit the job that a function describes, and wait for it as :class:`.BatchSubmitJobOperator` does.

    It has all the parameters of that operator but ``job``: that is what the function returns. Templates in it are
    rendered.

    :param python_callable: Returns the API's ``Job`` object.
    :param op_args: The function's positional arguments. (templated)
    :param op_kwargs: The function's keyword arguments. (templated)
    """

    template_fields: Sequence[str] = (*DecoratedOperator.template_fields, *BatchSubmitJobOperator.template_fields)
    template_fields_renderers: ClassVar[dict[str, str]] = {
        **DecoratedOperator.template_fields_renderers,
        **BatchSubmitJobOperator.template_fields_renderers,
    }
    custom_operator_name = "@task.batch_job"
    described, undescribed = "job", dict

    def execute(self, context: Context) -> Any:
        """
        Ask the function for the job, then submit it and wait.

        :raises TypeError: When the function returns something else than a job.
        """
        job = self.call_function(context)
        if not isinstance(job, Mapping) or not job.get("Tasks"):
            raise TypeError(
                f"{self.python_callable.__name__} has to return the API's Job object, a dictionary with Tasks (or what "
                f"build_job returns); it returned {type(job).__name__}"
            )
        self.job = dict(job)
        # As the fields of a task, so that what is rendered to nothing in it is noticed.
        self.render_again(context, "job")
        return super().execute(context)


def batch_job_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """
    Make a task that submits the Batch job which the function returns.

    The task's value is that of :class:`.BatchSubmitJobOperator`, the job's outcome; it is one value, whatever the
    function's annotation says, unless ``multiple_outputs`` is set.

    :param python_callable: The function.
    :param kwargs: All parameters of :class:`.BatchSubmitJobOperator` but ``job``.
    """
    # Airflow would take a function that is annotated to return a dictionary for a task with an XCom for each key.
    kwargs.setdefault("multiple_outputs", False)
    return task_decorator_factory(
        python_callable=python_callable, decorated_operator_class=BatchJobDecoratedOperator, **kwargs
    )


class BatchJobsDecoratedOperator(_DescribedOperator, BatchSubmitJobsOperator):
    """
    Submit the jobs that a function describes, and wait for them as :class:`.BatchSubmitJobsOperator` does.

    It has all the parameters of that operator but ``jobs``: that is what the function returns. Templates in it are
    rendered.

    :param python_callable: Returns a list of the API's ``Job`` objects.
    :param op_args: The function's positional arguments. (templated)
    :param op_kwargs: The function's keyword arguments. (templated)
    """

    template_fields: Sequence[str] = (*DecoratedOperator.template_fields, *BatchSubmitJobsOperator.template_fields)
    template_fields_renderers: ClassVar[dict[str, str]] = {
        **DecoratedOperator.template_fields_renderers,
        **BatchSubmitJobsOperator.template_fields_renderers,
    }
    custom_operator_name = "@task.batch_jobs"
    described, undescribed = "jobs", list

    def execute(self, context: Context) -> Any:
        """
        Ask the function for the jobs, then submit them and wait.

        :raises TypeError: When the function returns something else than a list.
        """
        jobs = self.call_function(context)
        if not is_list(jobs):
            raise TypeError(
                f"{self.python_callable.__name__} has to return a list of the API's Job objects, of what build_job "
                f"returns; it returned {kind_of(jobs)}"
            )
        self.jobs = items_of(jobs)
        # As the fields of a task, so that what is rendered to nothing in it is noticed.
        self.render_again(context, "jobs")
        return super().execute(context)


def batch_jobs_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """
    Make a task that submits all the Batch jobs which the function returns.

    The task's value is that of :class:`.BatchSubmitJobsOperator`, unless ``multiple_outputs`` is set.

    :param python_callable: The function.
    :param kwargs: All parameters of :class:`.BatchSubmitJobsOperator` but ``jobs``.
    """
    kwargs.setdefault("multiple_outputs", False)
    return task_decorator_factory(
        python_callable=python_callable, decorated_operator_class=BatchJobsDecoratedOperator, **kwargs
    )
