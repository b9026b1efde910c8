# SPDX-License-Identifier: Apache-2.0
"""
What is refused before anything is submitted, because no task could wait for how it ends.

A job that has been submitted costs money whether or not its task can wait for it, and so does an environment; the same
holds for jobs that run again and for nodes that are added. What is known to be wrong is refused first; what cannot be
found out right now (a queue service that does not answer) does not stop a submission.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Protocol

from airflow_batch_events.exceptions import (
    CloudError,
    CmqCredentialsError,
    CmqParameterError,
    CmqQueueNotFoundError,
    ConfigurationError,
    CredentialsError,
    WaitQueueNotFoundError,
)
from airflow_batch_events.hooks.cmq import CmqHook
from airflow_batch_events.limits import MAX_REQUEST_BYTES
from airflow_batch_events.provisioning.queue_names import HOSTNAME

if TYPE_CHECKING:
    from airflow_batch_events.hooks.batch import BatchHook


class WaitingTask(Protocol):
    """What the checks read of an operator that submits something and waits for it."""

    tencentcloud_conn_id: str
    region: str | None
    queue_name: str | None

    @property
    def hook(self) -> BatchHook:
        """The Batch API with the task's connection."""
        ...


def check_description(**parts: Any) -> None:
    """
    Refuse a description that cannot be written as JSON, or is too long for the API.

    :param parts: The parameters by name, each with what a request would carry of it.
    :raises ConfigurationError: Naming the parameter and the place in it, never a value: descriptions hold passwords.
    """
    size = 0
    for name, part in parts.items():
        try:
            _check_json(name, part)
            size += len(json.dumps(part))
        except RecursionError:
            raise ConfigurationError(f"{name} is nested too deeply, or contains itself") from None
    if size > MAX_REQUEST_BYTES:
        raise ConfigurationError(
            f"{' and '.join(parts)} have {size} bytes as JSON, more than the {MAX_REQUEST_BYTES} of a request: keep "
            f"large inputs in object storage and name them in the description"
        )


def check_wait(task: WaitingTask, *, reads_queue: bool) -> None:
    """
    Refuse what the wait of a task could not use.

    :param task: The task.
    :param reads_queue: Whether the wait is going to read the task's queue.
    :raises ConfigurationError: When the connection cannot be used.
    """
    access = task.hook.access
    if task.queue_name is not None and reads_queue:
        access.required_cmq_endpoint  # noqa: B018 - raises ConfigurationError where it is missing


def check_queue(task: WaitingTask, *, reads_queue: bool) -> None:
    """
    Refuse a queue that the wait of a task could not read; one call to the queue service.

    :param task: The task.
    :param reads_queue: Whether the wait is going to read the task's queue.
    :raises WaitQueueNotFoundError: When there is no such queue.
    :raises CredentialsError: When the queue service refuses the keys.
    :raises ConfigurationError: When it refuses the name.
    """
    name = task.queue_name
    # Only the triggerer knows what its host is called.
    if name is None or not reads_queue or HOSTNAME in name:
        return
    hook = CmqHook(task.tencentcloud_conn_id, task.region)
    where = f"at {hook.access.required_cmq_endpoint} ({hook.access.region}, {hook.access.source})"
    try:
        hook.check_queue(name)
    except CmqQueueNotFoundError as error:
        raise WaitQueueNotFoundError(
            f"Queue {name!r} does not exist {where}; nothing was submitted. Create it and subscribe it to the topic "
            f"that is notified (airflow-batch-events provision), or correct queue_name or the connection"
        ) from error
    except CmqCredentialsError as error:
        raise CredentialsError(
            f"The queue service {where} refused the keys (SecretId as login, SecretKey as password, token in extra); "
            f"nothing was submitted: {error}"
        ) from error
    except CmqParameterError as error:
        raise ConfigurationError(
            f"The queue service {where} refuses queue_name {name!r}; nothing was submitted: {error}"
        ) from error
    except CloudError as error:
        # The wait does not need the queue: until it can be read, the API is polled more often.
        hook.log.warning("Cannot find out whether queue %r exists %s, going on without: %s", name, where, error)


def _check_json(place: str, value: Any) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ConfigurationError(f"{place} has a key of type {type(key).__name__}, where keys must be text")
            _check_json(f"a key of {place}", key)
            _check_json(f"{place}[{key:.60}]" if key.isprintable() else f"{place}[{key[:60]!r}]", item)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _check_json(f"{place}[{index}]", item)
    elif isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ConfigurationError(f"{place} holds half a character (a lone surrogate)") from None
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ConfigurationError(f"{place} is not a finite number")
    elif isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise ConfigurationError(f"{place} is a number of more than 64 bits")
    elif value is not None:
        raise ConfigurationError(
            f"{place} is a {type(value).__name__}, where text, numbers, lists and dictionaries may be"
        )
