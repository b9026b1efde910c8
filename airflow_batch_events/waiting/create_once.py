# SPDX-License-Identifier: Apache-2.0
"""
Create a compute environment exactly once, however often its task is tried.

The rule that must not be relaxed: an environment costs money until somebody deletes it, so while it cannot be found out
what became of an earlier try's, none is created.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from airflow.sdk.exceptions import AirflowSkipException

from airflow_batch_events.events.environment import DEFAULT_GRACE
from airflow_batch_events.exceptions import (
    ApiNotFoundError,
    ApiParameterError,
    ApiQuotaError,
    ApiRefusedError,
    ApiThrottledError,
    CloudError,
    ComputeEnvNotFoundError,
    ComputeEnvStateUnknownError,
    ConfigurationError,
    IdentityChangedError,
    SubmissionChangedError,
)
from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.jobs.blocking_wait import VISIBILITY_CHECK
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.submission.decision import SubmitDecision, decide, digest_of, moved_from
from airflow_batch_events.submission.record import Submission
from airflow_batch_events.submission.store import SubmissionStore

log = logging.getLogger(__name__)


def create_once(
    hook: BatchHook,
    store: SubmissionStore,
    description: Mapping[str, Any],
    placement: Mapping[str, Any],
    *,
    check: Callable[[], None] = lambda: None,
) -> str:
    """
    Create the environment, or find the one that an earlier try has created.

    :param hook: The Batch API.
    :param store: What earlier tries of the task have noted.
    :param description: The API's ``NamedComputeEnv`` object.
    :param placement: The API's ``Placement`` object.
    :param check: Called when an environment is about to be created; raises what must keep it from being.
    :return: The environment's id.
    :raises IdentityChangedError: When an earlier try has created one elsewhere, or as somebody else.
    :raises IdentityUnknownError: When it cannot be found out whether that was somebody else.
    :raises SubmissionChangedError: When an earlier try has created one from another description.
    :raises ComputeEnvStateUnknownError: When it cannot be found out whether that one still exists.
    :raises SubmissionRecordError: When what earlier tries have noted cannot be read, or nothing can be noted.
    """
    digest = digest_of({"ComputeEnv": description, "Placement": placement})
    last = store.load()
    identity = hook.identify(last.identity if last else None) if store.is_durable else None
    if last is not None and (moved := moved_from(last, identity)):
        raise IdentityChangedError(
            f"An earlier try has created an environment elsewhere ({last.job_id or 'its id is not known'}), which "
            f"costs money until it is deleted there: {'; '.join(moved)}. Nothing was created: change the connection "
            f"and the region back, or delete that environment and start a new DAG run"
        )
    step = decide(last, _state_of(hook, last), digest, "fail")
    if step is SubmitDecision.REFUSE and last is not None:
        raise SubmissionChangedError(
            f"An earlier try has created another environment ({last.job_id or 'its id is not known'}): change the "
            f"description back, or clear the task's state; BatchModifyComputeEnvOperator changes what exists"
        )
    if last is not None and last.job_id is not None and step is not SubmitDecision.SUBMIT_ANEW:
        log.info("Found %s of an earlier try; nothing is created", last.job_id)
        store.found(last, identity)
        return last.job_id
    check()
    if last is None or step is SubmitDecision.SUBMIT_ANEW:
        last = store.intend(last.number + 1 if last else 1, digest, identity)
    elif last.was_refused:
        last = store.intend(last.number, digest, identity)
    try:
        env_id = hook.send(batch.create_compute_env(description, placement, last.token))
    except ApiQuotaError as error:
        store.refused(last)
        advice = "an account may have 10 environments, and so many cores: delete or shrink what is not needed"
        raise ApiQuotaError(error.action, error.code, f"{error.message:.1000}; {advice}", error.request_id) from error
    except (ConfigurationError, ApiParameterError, ApiRefusedError, ApiThrottledError):
        store.refused(last)
        raise
    except BaseException:
        log.error("Whether the environment was created is not known: a retry of this task gets it, if there is one")
        raise
    log.info("Created %s in %s", env_id, hook.access.region)
    store.submitted(last, env_id)
    return env_id


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


def _state_of(hook: BatchHook, submission: Submission | None) -> str | None:
    """Return a state for an environment that is there; None when the API surely does not have it any more."""
    if submission is None or submission.job_id is None:
        return None
    began = time.monotonic()
    while True:
        try:
            env = hook.send(batch.describe_compute_env(submission.job_id))
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
