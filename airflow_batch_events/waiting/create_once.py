# SPDX-License-Identifier: Apache-2.0
"""
What :func:`~airflow_batch_events.waiting.submit_once.submit_once` has to know of a compute environment.

The rule that must not be relaxed: an environment costs money until somebody deletes it, so a task that fails says in
its log what is left.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from airflow_batch_events.airflow_compat.exceptions import AirflowSkipException
from airflow_batch_events.events.environment import DEFAULT_GRACE
from airflow_batch_events.exceptions import (
    ApiNotFoundError,
    ApiQuotaError,
    CloudError,
    ComputeEnvNotFoundError,
    ComputeEnvStateUnknownError,
    IdentityChangedError,
    SubmissionChangedError,
)
from airflow_batch_events.jobs.blocking_wait import VISIBILITY_CHECK
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.submission.record import Submission
from airflow_batch_events.waiting.submit_once import Submittable

log = logging.getLogger(__name__)

_QUOTA_ADVICE = "an account may have 10 environments, and so many cores: delete or shrink what is not needed"


class ComputeEnvSubmission(Submittable):
    """A compute environment that a task creates."""

    noun = "compute environment"
    api_name = "ComputeEnv"
    name_field = "EnvName"

    def send(self, description: dict[str, Any], token: str) -> str:
        """Create the environment, and return its id."""
        try:
            return self.hook.send(batch.create_compute_env(description, self.placement, token))
        except ApiQuotaError as error:
            message = f"{error.message:.1000}; {_QUOTA_ADVICE}"
            raise ApiQuotaError(error.action, error.code, message, error.request_id) from error

    def state_of(self, submission: Submission) -> str | None:
        """Return a state for an environment that is there; None only when the API surely does not have it any more."""
        if submission.job_id is None:
            return None
        began = time.monotonic()
        while True:
            try:
                env = self.hook.send(batch.describe_compute_env(submission.job_id))
            except ApiNotFoundError:
                # It may not be visible yet.
                if time.monotonic() - began >= DEFAULT_GRACE:
                    return None
                time.sleep(VISIBILITY_CHECK)
            except CloudError as error:
                raise ComputeEnvStateUnknownError(
                    f"Cannot find out what became of {submission.job_id}, which an earlier try has created; nothing "
                    f"was created: {error}"
                ) from error
            else:
                return None if env.next_action == "DELETING" else "EXISTS"

    def moved(self, submission: Submission, points: Sequence[str]) -> IdentityChangedError:
        """Return the error for an environment of an earlier try that is elsewhere."""
        return IdentityChangedError(
            f"An earlier try has created an environment elsewhere ({submission.job_id or 'its id is not known'}), "
            f"which costs money until it is deleted there: {'; '.join(points)}. Nothing was created: change the "
            f"connection and the region back, or delete that environment and start a new DAG run"
        )

    def changed(self, submission: Submission) -> SubmissionChangedError:
        """Return the error for an environment of an earlier try that has another description."""
        return SubmissionChangedError(
            f"An earlier try has created another environment ({submission.job_id or 'its id is not known'}): change "
            f"the description back, or clear the task's state; BatchModifyComputeEnvOperator changes what exists"
        )


@contextmanager
def saying_what_is_left(env_id: object = None, errors: tuple[type[Exception], ...] = (Exception,)) -> Iterator[None]:
    """
    Say in the log of a task that fails what becomes of the environment that it has created.

    :param env_id: The environment.
    :param errors: What fails the task.
    """
    try:
        yield
    except (ComputeEnvNotFoundError, AirflowSkipException):
        raise
    except errors:
        log.error(
            "The environment %s is left as it is, and costs money as long as it exists: a later try of this task finds "
            "it, and BatchDeleteComputeEnvOperator(env_id=..., drain=True) deletes it",
            env_id or "of this task",
        )
        raise
