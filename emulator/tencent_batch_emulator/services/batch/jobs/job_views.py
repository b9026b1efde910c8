# SPDX-License-Identifier: Apache-2.0
"""
How jobs, tasks and instances are shown: in answers, in events, and on a console page.

Which fields an event of a job, a task or an instance carries is not published by the vendor; they are the API's own
views with the parents' ids and names, as in the one body (of a node) that is.
"""

from __future__ import annotations

import base64
from collections import Counter
from typing import Any

from tencent_batch_emulator.services.batch.jobs.jobs import Instance, Job, Task
from tencent_batch_emulator.services.batch.jobs.states import metrics
from tencent_batch_emulator.services.batch.notifications import Announcement
from tencent_batch_emulator.services.tc3_schema import iso, write

Fields = dict[str, Any]


def job_event(job: Job) -> Fields:
    """Return the ``Batch`` part of a job's event."""
    return {
        "JobId": job.job_id,
        "JobName": job.spec.job_name,
        "JobState": job.state.value,
        "Priority": job.spec.priority,
        "Zone": job.placement.zone,
        "CreateTime": iso(job.created),
        "EndTime": iso(job.ended),
        "StateReason": job.reason,
        "TaskMetrics": task_metrics(job),
    }


def task_event(task: Task) -> Fields:
    """Return the ``Batch`` part of a task's event."""
    return {
        "JobId": task.job.job_id,
        "JobName": task.job.spec.job_name,
        "TaskName": task.name,
        "TaskState": task.state.value,
        "CreateTime": iso(task.created),
        "EndTime": iso(task.ended),
        "TaskInstanceMetrics": metrics(task.counts),
    }


def instance_event(instance: Instance) -> Fields:
    """Return the ``Batch`` part of an instance's event."""
    view = instance_view(instance)
    del view["RedirectInfo"], view["StateDetailedReason"]
    task = instance.task
    return {"JobId": task.job.job_id, "JobName": task.job.spec.job_name, "TaskName": task.name, **view}


def job_view(job: Job) -> Fields:
    """Return a job as DescribeJob shows it."""
    return {
        "JobId": job.job_id,
        "JobName": job.spec.job_name,
        "Zone": job.placement.zone,
        "Priority": job.spec.priority,
        "JobState": job.state.value,
        "CreateTime": iso(job.created),
        "EndTime": iso(job.ended),
        "TaskSet": [task_view(task) for task in job.tasks.values()],
        "DependenceSet": write(job.spec.dependences or []),
        "TaskMetrics": task_metrics(job),
        "TaskInstanceMetrics": metrics(job.instance_counts()),
        "StateReason": job.reason,
        "Tags": write(job.spec.tags),
        "NextAction": "TERMINATING" if job.terminating else "",
    }


def job_summary(job: Job) -> Fields:
    """Return a job as DescribeJobs lists it."""
    return {
        "JobId": job.job_id,
        "JobName": job.spec.job_name,
        "JobState": job.state.value,
        "Priority": job.spec.priority,
        "Placement": write(job.placement),
        "CreateTime": iso(job.created),
        "EndTime": iso(job.ended),
        "TaskMetrics": task_metrics(job),
        "Tags": write(job.spec.tags),
    }


def submit_info(job: Job) -> Fields:
    """Return a job as it was submitted, without its notifications (the API does not give them back)."""
    return {
        "JobId": job.job_id,
        "JobName": job.spec.job_name,
        "JobDescription": job.spec.job_description,
        "Priority": job.spec.priority,
        "Tasks": write(job.spec.tasks),
        "Dependences": write(job.spec.dependences or []),
        "Tags": write(job.spec.tags),
    }


def task_view(task: Task) -> Fields:
    """Return a task as DescribeJob lists it."""
    return {
        "TaskName": task.name,
        "TaskState": task.state.value,
        "CreateTime": iso(task.created),
        "EndTime": iso(task.ended),
    }


def task_metrics(job: Job) -> dict[str, int]:
    """Return how many tasks of a job are in which state."""
    return metrics(Counter(task.state for task in job.tasks.values()))


def instance_view(instance: Instance) -> Fields:
    """Return an instance as DescribeTask lists it."""
    return {
        "TaskInstanceIndex": instance.index,
        "TaskInstanceState": instance.state.value,
        "ExitCode": instance.exit_code,
        "StateReason": instance.reason,
        "StateDetailedReason": instance.detail,
        "ComputeNodeInstanceId": instance.node_instance_id,
        "CreateTime": iso(instance.created),
        "LaunchTime": iso(instance.launched),
        "RunningTime": iso(instance.running),
        "EndTime": iso(instance.ended),
        "RedirectInfo": redirect_info(instance),
    }


def instance_log(instance: Instance) -> Fields:
    """Return the end of an instance's output, in the form that the API's sample response shows."""
    return {
        "TaskInstanceIndex": instance.index,
        "StdoutLog": _data_url(instance.logs.stdout),
        "StderrLog": _data_url(instance.logs.stderr),
        **redirect_info(instance),
    }


def redirect_info(instance: Instance) -> dict[str, str]:
    """Return where an instance's whole output would go."""
    task = instance.task
    given = task.spec.redirect_info
    names = {
        "${BATCH_JOB_ID}": task.job.job_id,
        "${BATCH_TASK_NAME}": task.name,
        "${BATCH_TASK_INSTANCE_INDEX}": str(instance.index),
    }

    def name_of(template: str | None, stream: str) -> str:
        text = template or f"{stream}.{'.'.join(names)}.log"
        for placeholder, value in names.items():
            text = text.replace(placeholder, value)
        return text

    return {
        "StdoutRedirectPath": (given.stdout_redirect_path if given else None) or "",
        "StderrRedirectPath": (given.stderr_redirect_path if given else None) or "",
        "StdoutRedirectFileName": name_of(given.stdout_redirect_file_name if given else None, "stdout"),
        "StderrRedirectFileName": name_of(given.stderr_redirect_file_name if given else None, "stderr"),
    }


def _data_url(output: bytes | bytearray) -> str:
    return "data:text/plain;charset=utf-8;base64," + base64.b64encode(output).decode()


def console_row(job: Job) -> Fields:
    """Return a job as a console page lists it."""
    return {
        **job_summary(job),
        "NextAction": "TERMINATING" if job.terminating else "",
        "TaskInstanceMetrics": metrics(job.instance_counts()),
        "NotificationTarget": job.spec.notification_target,
    }


def console_page(job: Job) -> Fields:
    """Return everything about a job: tasks, instances, output as text, and the events written for it."""
    return {
        **job_view(job),
        "Notifications": write(job.spec.notifications or []),
        "NotificationTarget": job.spec.notification_target,
        "Tasks": [
            {**task_view(task), "Instances": [_console_instance(one) for one in task.instances]}
            for task in job.tasks.values()
        ],
        "Events": [event_row(one) for one in job.history],
    }


def event_row(announcement: Announcement) -> Fields:
    """Return one event as a console page lists it."""
    return {
        "TopicName": announcement.topic_name,
        "EventName": announcement.event_name,
        "EventTime": announcement.event_time,
        "Result": announcement.result,
        "Body": announcement.body,
    }


def _console_instance(instance: Instance) -> Fields:
    return {
        **instance_view(instance),
        "Executions": instance.attempts,
        "Stdout": instance.logs.stdout.decode(errors="replace"),
        "Stderr": instance.logs.stderr.decode(errors="replace"),
    }
