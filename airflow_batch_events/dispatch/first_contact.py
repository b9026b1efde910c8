# SPDX-License-Identifier: Apache-2.0
"""
Say what ends the waits on a queue at once, and how to put it right.

A queue that does not exist, a name that cannot exist and keys that are refused end a consumer only as the answer to its
first call: then a setting is wrong. After a first success the same errors are transient, because a queue may be made
anew and keys are exchanged while waits go on.
"""

from __future__ import annotations

from airflow_batch_events.exceptions import (
    ApiCredentialsError,
    BatchEventsError,
    CmqCredentialsError,
    CmqParameterError,
    CmqQueueNotFoundError,
    CredentialsError,
    WaitQueueNotFoundError,
)

READER_ERRORS = (CmqQueueNotFoundError, CmqCredentialsError, CmqParameterError)
"""What ends a reader as the answer to its first call."""

POLLER_ERRORS = (ApiCredentialsError,)
"""What ends a poller before anything was read."""


def explain(name: str, error: BatchEventsError) -> BatchEventsError:
    """
    Return the error that the waits end with.

    :param name: The queue's name, region, endpoint and connection.
    :param error: What the cloud answered.
    """
    if isinstance(error, CmqQueueNotFoundError):
        return WaitQueueNotFoundError(
            f"{name} does not exist: create it, subscribe it to the topic that the jobs notify "
            f"(NotifyContentFormat SIMPLIFIED), or correct queue_name"
        )
    if isinstance(error, CmqParameterError):
        return WaitQueueNotFoundError(f"{name} cannot exist: correct queue_name ({error})")
    if isinstance(error, ApiCredentialsError | CmqCredentialsError):
        return CredentialsError(f"The cloud refused the keys for {name}: {error}")
    return error
