# SPDX-License-Identifier: Apache-2.0
"""
One class per cause, so that a retry policy can tell them apart.

::

    BatchEventsError
    ├── ConfigurationError (ValueError)      fix the connection or the parameters; a retry does not help
    │   ├── CredentialsError                 no key, a role or key that was refused, a clock off
    │   ├── ParameterError                   a parameter of a task holds what it does not take
    │   ├── WaitQueueNotFoundError           the queue of a wait does not exist
    │   ├── SubmissionChangedError           the job description is not the one that was submitted
    │   └── IdentityChangedError             the account, region or endpoint is not the one that was used
    ├── IdentityUnknownError                 could not find out whether it is the same account; a later try may
    ├── SubmissionRecordError                what earlier tries have noted cannot be read or written
    ├── CloudError                           the cloud's answer was an error, or there was none
    │   ├── TransportError                   no usable answer: cut connection, HTTP status, HTML
    │   │   └── CallTimeoutError             ... and none within the bound of the call
    │   ├── ApiError                         a TC3 API (Batch, TDMQ) answered with an error code
    │   │   ├── ApiCredentialsError          AuthFailure.*, UnauthorizedOperation.*
    │   │   ├── ApiThrottledError            RequestLimitExceeded.*
    │   │   ├── ApiQuotaError                LimitExceeded.*
    │   │   ├── ApiNotFoundError             ResourceNotFound.*
    │   │   ├── ApiInUseError                ResourceInUse.*
    │   │   ├── ApiParameterError            InvalidParameter*, MissingParameter, ...
    │   │   ├── ApiRefusedError              UnsupportedOperation.*
    │   │   └── ApiServerError               InternalError.*, ServiceUnavailable, ...: may pass
    │   ├── CosError                         COS refused to show an object, or did not answer
    │   └── CmqError                         the queue service's data plane answered with a code
    │       ├── CmqCredentialsError          4100: the key or the signature was refused
    │       ├── CmqParameterError            4000: the request itself is wrong
    │       ├── CmqOverdueError              4300: the account has to be paid for
    │       ├── CmqTooLargeError             4400, 4470: a message or a batch is too large
    │       ├── CmqQueueFullError            4410: the queue takes no more messages
    │       ├── CmqThrottledError            4420, 4480: the rate limit was hit
    │       ├── CmqStaleHandleError          4430: the receipt handle is not valid any more
    │       ├── CmqQueueNotFoundError        4440: there is no such queue
    │       ├── CmqTopicNotFoundError        4440: there is no such topic
    │       ├── CmqServerError               6000: may pass
    │       ├── CmqNoSubscriberError         6030: no subscription wants what was published
    │       ├── CmqBeingReleasedError        6040: a queue or topic of that name was deleted a moment ago
    │       └── CmqTooManyUnackedError       6070: too many messages are received but not deleted
    ├── ComputeEnvError                      how a wait for a compute environment ended
    │   ├── ComputeEnvFailedError            nodes cannot be created, or it is being deleted
    │   ├── ComputeEnvNotFoundError          the API does not know it
    │   ├── ComputeEnvRefusedError           the API will not do this while it is as it is
    │   ├── ComputeEnvStateUnknownError      could not find out; a later try may
    │   └── ComputeEnvTimeoutError           the wait's deadline passed first
    ├── NotStorableError (ValueError)        what a trigger would fire is nothing that Airflow can store
    └── JobError                             how a job or a wait for it ended
        ├── BatchJobFailedError              the job ended FAILED
        │   ├── BatchJobOutOfMemoryError     ... because its command had too little memory
        │   ├── BatchJobNoCapacityError      ... because the cloud had no machine for it
        │   ├── BatchJobRunTimeoutError      ... because a task ran longer than its Timeout
        │   └── BatchJobInterruptedError     ... FAILED_INTERRUPTED: it still holds its instances
        ├── BatchJobsFailedError             of many jobs more failed than may, or not all have ended
        ├── BatchJobResultError              the job succeeded without the value that its task is to return
        ├── BatchJobNotFoundError            the API does not know the job
        ├── BatchJobTimeoutError             the wait's deadline passed first
        ├── BatchJobNotStartedError          the job had not begun to run by its start deadline
        └── JobStateUnknownError             could not find out; a later try may
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_batch_events.text import MAX_TEXT, printable

_MAX_MESSAGE = 2000
_MAX_NAME = 200


class BatchEventsError(Exception):
    """
    Everything that this package raises on purpose.

    Its text is one line that can be shown anywhere, whatever of a name, an answer or a job's output is quoted in it.
    """

    def __str__(self) -> str:
        return printable(super().__str__(), MAX_TEXT)


class ConfigurationError(BatchEventsError, ValueError):
    """A setting is missing or wrong: raised before anything was done, and a retry will not help."""


class CredentialsError(ConfigurationError):
    """There is no usable key, or the cloud refused it or the role: fix the connection, then run the task again."""


class ParameterError(ConfigurationError):
    """A parameter of a task holds what it does not take, often a rendered template: correct it; a retry cannot help."""


class WaitQueueNotFoundError(ConfigurationError):
    """The queue that a wait reads does not exist: create it, then run the task again."""


class SubmissionChangedError(ConfigurationError):
    """An earlier try has submitted another job description; a retry will not help, ``on_changed_job`` will."""


class IdentityChangedError(ConfigurationError):
    """An earlier try has submitted elsewhere or as somebody else; nothing was submitted, and a retry will not help."""


class IdentityUnknownError(BatchEventsError):
    """Whether an earlier try's key belongs to the same account could not be found out; nothing was submitted."""


class SubmissionRecordError(BatchEventsError):
    """What earlier tries have noted cannot be read or written; nothing was submitted. A retry helps if that passes."""


class CloudError(BatchEventsError):
    """The cloud answered with an error, or did not answer."""

    follows_unknown = False
    """Whether the same call was made before, and what became of it then is not known."""


class TransportError(CloudError):
    """No usable answer: a cut connection, an HTTP status, HTML. Nothing is known of the effect; retry."""


class CallTimeoutError(TransportError):
    """The whole answer had not come within the bound of the call; retry, with a longer bound for a slow API."""


class ApiError(CloudError):
    """
    A TC3 API (Batch, TDMQ), or something that answers in its place, answered with an error code.

    Code, message and request id are kept as text that can be shown: the message up to 2,000 characters.

    :param action: The action that was called, for example ``SubmitJob``.
    :param code: The API's error code, for example ``ResourceNotFound.Job``.
    :param message: The API's own text.
    :param request_id: What the vendor's support asks for.
    """

    def __init__(self, action: str, code: str, message: str, request_id: str | None = None) -> None:
        code, message, request_id = _shown_name(code), printable(message, _MAX_MESSAGE), _shown_id(request_id)
        super().__init__(action, code, message, request_id)
        self.action = action
        self.code = code
        self.message = message
        self.request_id = request_id

    def __str__(self) -> str:
        return f"{self.action}: {self.code}: {self.message} (request {self.request_id or 'unknown'})"


class ApiCredentialsError(ApiError):
    """The API refused the key, the signature or the permission; a retry will not help."""


class ApiThrottledError(ApiError):
    """The account's rate limit was hit; retry after a pause."""


class ApiQuotaError(ApiError):
    """A quota is used up (1,000 existing jobs an account, for example); delete something, then retry."""


class ApiNotFoundError(ApiError):
    """The named object does not exist (any more)."""


class ApiInUseError(ApiError):
    """The object exists already or is busy."""


class ApiParameterError(ApiError):
    """The request itself is wrong; a retry will not help."""


class ApiRefusedError(ApiError):
    """The operation is not allowed in the object's present state; a later retry may be."""


class ApiServerError(ApiError):
    """The service failed on its side; retry."""


class CosError(CloudError):
    """COS refused to show an object, or did not answer; the job has ended, and a retry of the task only reads again."""


class CmqError(CloudError):
    """
    The queue service's data plane, or something that answers in its place, answered with a code.

    Message and request id are kept as text that can be shown: the message up to 2,000 characters.

    :param action: The action that was called, for example ``BatchReceiveMessage``.
    :param code: The outer code, for example 4440.
    :param module: The number in parentheses at the head of the service's text, or None.
    :param message: The service's own text, without that number.
    :param name: The queue or topic that was named.
    :param request_id: What the vendor's support asks for.
    """

    def __init__(
        self, action: str, code: int, module: int | None, message: str, name: str, request_id: str | None = None
    ) -> None:
        message, request_id = printable(message, _MAX_MESSAGE), _shown_id(request_id)
        super().__init__(action, code, module, message, name, request_id)
        self.action, self.code, self.module = action, code, module
        self.message, self.name, self.request_id = message, name, request_id

    def __str__(self) -> str:
        number = self.code if self.module is None else f"{self.code} ({self.module})"
        name = _shown_name(self.name)
        return f"{self.action} of '{name}': {number} {self.message} (request {self.request_id or 'unknown'})"


class CmqCredentialsError(CmqError):
    """The queue service refused the key or the signature; a retry will not help."""


class CmqParameterError(CmqError):
    """The request itself is wrong; a retry will not help."""


class CmqOverdueError(CmqError):
    """The account is overdue; a retry helps once it is paid for."""


class CmqTooLargeError(CmqError):
    """A message, or the sum of a batch, is larger than the queue or topic takes; a retry will not help."""


class CmqQueueFullError(CmqError):
    """The queue holds as many messages as it may; a retry helps once some were read."""


class CmqThrottledError(CmqError):
    """The rate limit of the queue or topic was hit; retry after a pause."""


class CmqStaleHandleError(CmqError):
    """The receipt handle is unknown, used or older than the visibility timeout: the message will come again."""


class CmqQueueNotFoundError(CmqError):
    """There is no such queue at this address; create it, or correct its name, the region or the endpoint."""


class CmqTopicNotFoundError(CmqError):
    """There is no such topic at this address; create it, or correct its name, the region or the endpoint."""


class CmqServerError(CmqError):
    """The queue service failed on its side; retry."""


class CmqNoSubscriberError(CmqError):
    """The topic has no subscription, or none that matches the tags or the routing key; the message was dropped."""


class CmqBeingReleasedError(CmqError):
    """A queue or topic of that name was deleted a moment ago; retry after half a minute."""


class CmqTooManyUnackedError(CmqError):
    """Too many messages were received but not deleted, or are delayed; retry once some were deleted."""


class NotStorableError(BatchEventsError, ValueError):
    """What a trigger would fire is nothing that Airflow can store: too deep, too large, or of no type that JSON has."""


class JobError(BatchEventsError):
    """
    How a job, or a wait for it, ended badly; with the facts, as far as they are known.

    :param message: What happened, and what to do.
    :param job_id: The job.
    :param state: The state in the outcome, for example ``FAILED``.
    :param cause: Why: ``exit_code``, ``signal``, ``out_of_memory``, ``timeout``, ``no_capacity``, ``bad_image``,
        ``dependence``, ``interrupted``, ``terminated``, ``deleted`` or ``unknown``.
    :param task_name: The task of the instance that failed first by itself.
    :param instance: Its 0-based index.
    :param exit_code: Its exit code; None when the command never ran, or the API does not say.
    :param stdout: The end of its standard output, at most 2,048 characters.
    :param stderr: The end of its standard error, as much.
    """

    def __init__(
        self,
        message: object = "",
        *,
        job_id: str | None = None,
        state: str | None = None,
        cause: str = "unknown",
        task_name: str | None = None,
        instance: int | None = None,
        exit_code: int | None = None,
        stdout: str = "",
        stderr: str = "",
    ) -> None:
        # What is given by name is kept beside the arguments when an exception is copied or goes to another process.
        super().__init__(message)
        self.job_id, self.state, self.cause = job_id, state, cause
        self.task_name, self.instance, self.exit_code = task_name, instance, exit_code
        self.stdout, self.stderr = stdout, stderr


class BatchJobFailedError(JobError):
    """The job ended FAILED; a retry submits it anew."""


class BatchJobOutOfMemoryError(BatchJobFailedError):
    """The command needed more memory than the machine has; a retry helps on a larger one."""


class BatchJobNoCapacityError(BatchJobFailedError):
    """The cloud had no machine for the job; a retry helps later, in another zone or with another type."""


class BatchJobRunTimeoutError(BatchJobFailedError):
    """A task of the job ran longer than its Timeout; a retry helps with a longer one, or on a faster machine."""


class BatchJobInterruptedError(BatchJobFailedError):
    """The job ended FAILED_INTERRUPTED: it keeps its instances, and their cost, until it is terminated."""


class BatchJobsFailedError(JobError):
    """
    Of many jobs more have failed than may, or not all have ended; a retry submits what failed or is missing.

    :param message: What happened.
    :param summary: What the task returns with ``result="summary"``. Its ``causes`` and ``failed`` are the attributes
        ``causes`` and ``failures``; what every error of a job has is that of the first of these.
    """

    def __init__(self, message: object = "", *, summary: Mapping[str, Any] | None = None) -> None:
        self.summary = dict(summary or {})
        self.causes: dict[str, int] = dict(self.summary.get("causes") or {})
        self.failures: list[Mapping[str, Any]] = list(self.summary.get("failed") or ())
        first = dict(self.failures[0]) if self.failures else {}
        super().__init__(message, **{name: value for name, value in first.items() if name not in ("index", "reason")})


class BatchJobResultError(JobError):
    """The job succeeded, but the value that its task is to return is missing or unusable; a retry runs it again."""


class BatchJobNotFoundError(JobError):
    """The API does not know the job: the id is wrong, or the job was deleted."""


class BatchJobTimeoutError(JobError):
    """The deadline of the wait passed before the job ended."""


class BatchJobNotStartedError(JobError):
    """The job had not begun to run by its start deadline: no capacity, a bad image; a retry submits it anew."""


class JobStateUnknownError(JobError):
    """The state of the job could not be found out; nothing was submitted. A retry may succeed."""


class ComputeEnvError(BatchEventsError):
    """How a wait for a compute environment ended badly."""


class ComputeEnvFailedError(ComputeEnvError):
    """Nodes cannot be created, or the environment is being deleted; a retry sees the same environment again."""


class ComputeEnvNotFoundError(ComputeEnvError):
    """The API does not know the environment: the id is wrong, or it was deleted."""


class ComputeEnvRefusedError(ComputeEnvError):
    """The API will not do what was asked of the environment while it is as it is; the message says what to change."""


class ComputeEnvStateUnknownError(ComputeEnvError):
    """The state of the environment could not be found out; nothing was created. A retry may succeed."""


class ComputeEnvTimeoutError(ComputeEnvError):
    """The deadline of the wait passed first."""


def _shown_name(name: object) -> str:
    return printable(name, _MAX_NAME)


def _shown_id(request_id: object) -> str | None:
    return None if request_id is None else _shown_name(request_id)
