# SPDX-License-Identifier: Apache-2.0
"""
Links from a task to the cloud's console, or to the emulator's page.

The cloud documents the addresses of its lists, never those of an object's own page, so a link leads to the list; the
emulator's page has one for each object. A link is written to XCom before a task waits, so that it is there meanwhile.

Source: https://console.cloud.tencent.com addresses printed on pages 599/15905, 1496/61025.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote, urlsplit

from airflow.sdk import BaseOperatorLink
from airflow.sdk.execution_time.xcom import XCom

from airflow_batch_events.provisioning.queue_names import HOSTNAME

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.definitions.context import Context
    from airflow.sdk.types import TaskInstanceKey

    from airflow_batch_events.protocol.credentials.access import CloudAccess

CONSOLE = "https://console.cloud.tencent.com"

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class ConsoleLink(BaseOperatorLink):
    """
    A link to one kind of object; the subclasses say where it is.

    ``name`` is the button's text, ``console_path`` the list in the cloud's console, ``emulator_path`` the folder of the
    object's page in the emulator.
    """

    name: ClassVar[str] = ""
    console_path: ClassVar[str] = ""
    emulator_path: ClassVar[str] = ""

    @classmethod
    def url(cls, access: CloudAccess, identity: str) -> str:
        """Return the address of the object's page, or of the list that it is in."""
        endpoint = access.batch_endpoint
        if endpoint is not None and urlsplit(endpoint).hostname in _LOOPBACK:
            # What cannot be encoded is no object's name; a link that leads nowhere must not end the task.
            return f"{endpoint}/console/{cls.emulator_path}/{quote(identity, safe='', errors='replace')}"
        return f"{CONSOLE}/{cls.console_path}"

    @classmethod
    def persist(cls, context: Context, access: CloudAccess, identity: str) -> None:
        """Write the link, so that the task's page shows it from now on."""
        context["ti"].xcom_push(key=cls().xcom_key, value=cls.url(access, identity))

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address that the task has written, or nothing."""
        return XCom.get_value(ti_key=ti_key, key=self.xcom_key) or ""


class BatchJobLink(ConsoleLink):
    """Link to a job."""

    name = "Batch job"
    console_path = "batch/job"
    emulator_path = "jobs"


class BatchComputeEnvLink(ConsoleLink):
    """Link to a compute environment."""

    name = "Compute environment"
    console_path = "batch/env"
    emulator_path = "envs"


class CmqQueueLink(ConsoleLink):
    """Link to a queue."""

    name = "Queue"
    console_path = "tdmq/cmq-queue"
    emulator_path = "queues"

    @classmethod
    def persist(cls, context: Context, access: CloudAccess, identity: str) -> None:
        """Write the link; a queue of which each triggerer has its own has no page that a task could know."""
        if HOSTNAME not in identity:
            super().persist(context, access, identity)


class CmqTopicLink(ConsoleLink):
    """Link to a topic."""

    name = "Topic"
    console_path = "tdmq/cmq-topic"
    emulator_path = "topics"
