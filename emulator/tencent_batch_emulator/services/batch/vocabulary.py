# SPDX-License-Identifier: Apache-2.0
"""
The words of the Batch API: events, and the states of jobs, tasks, instances and compute nodes.

They are taken from the vendor's pages and from nowhere else, so that a client that has one of them wrong fails here.

Sources:

- events of jobs: https://cloud.tencent.com/document/product/599/15907 (SubmitJob, EventConfig)
- events of environments: https://cloud.tencent.com/document/product/599/15891 (CreateComputeEnv, EventConfig)
- states of jobs and tasks: https://cloud.tencent.com/document/product/599/15904 (DescribeJob)
- states of instances: https://cloud.tencent.com/document/product/599/15905 (DescribeTask)
- states of nodes: https://cloud.tencent.com/document/product/599/15892 (DescribeComputeEnv)
"""

from __future__ import annotations

from enum import Enum


class _Word(str, Enum):
    def __str__(self) -> str:
        return str(self.value)


class State(_Word):
    """A job's, a task's or an instance's state; the three share their words."""

    SUBMITTED = "SUBMITTED"
    PENDING = "PENDING"
    RUNNABLE = "RUNNABLE"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    SUCCEED = "SUCCEED"
    FAILED = "FAILED"
    FAILED_INTERRUPTED = "FAILED_INTERRUPTED"


class NodeState(_Word):
    """A compute node's state."""

    PENDING = "PENDING"
    SUBMITTED = "SUBMITTED"
    CREATING = "CREATING"
    CREATED = "CREATED"
    CREATION_FAILED = "CREATION_FAILED"
    RUNNING = "RUNNING"
    ABNORMAL = "ABNORMAL"
    DELETING = "DELETING"


class EventName(_Word):
    """An event, as messages and the API spell it."""

    JOB_RUNNING = "JOB_RUNNING"
    JOB_SUCCEED = "JOB_SUCCEED"
    JOB_FAILED = "JOB_FAILED"
    JOB_FAILED_INTERRUPTED = "JOB_FAILED_INTERRUPTED"
    TASK_RUNNING = "TASK_RUNNING"
    TASK_SUCCEED = "TASK_SUCCEED"
    TASK_FAILED = "TASK_FAILED"
    TASK_FAILED_INTERRUPTED = "TASK_FAILED_INTERRUPTED"
    TASK_INSTANCE_RUNNING = "TASK_INSTANCE_RUNNING"
    TASK_INSTANCE_SUCCEED = "TASK_INSTANCE_SUCCEED"
    TASK_INSTANCE_FAILED = "TASK_INSTANCE_FAILED"
    TASK_INSTANCE_FAILED_INTERRUPTED = "TASK_INSTANCE_FAILED_INTERRUPTED"
    COMPUTE_ENV_CREATED = "COMPUTE_ENV_CREATED"
    COMPUTE_ENV_DELETED = "COMPUTE_ENV_DELETED"
    COMPUTE_NODE_CREATED = "COMPUTE_NODE_CREATED"
    COMPUTE_NODE_CREATION_FAILED = "COMPUTE_NODE_CREATION_FAILED"
    COMPUTE_NODE_RUNNING = "COMPUTE_NODE_RUNNING"
    COMPUTE_NODE_ABNORMAL = "COMPUTE_NODE_ABNORMAL"
    COMPUTE_NODE_DELETING = "COMPUTE_NODE_DELETING"


JOB_EVENTS = tuple(name for name in EventName if not name.startswith("COMPUTE_ENV"))
"""What SubmitJob accepts in a notification."""

COMPUTE_ENV_EVENTS = tuple(name for name in EventName if name.startswith("COMPUTE"))
"""What CreateComputeEnv accepts in a notification."""


def find_event_name(text: str) -> EventName | None:
    """
    Return the event of that name, or None.

    The API says ``JOB_FAILED``; the sample of the vendor's guide sends ``JobFailed``, so that is read, too.
    https://cloud.tencent.com/document/product/599/17924
    """
    for name in EventName:
        if text in (name.value, name.value.title().replace("_", "")):
            return name
    return None
