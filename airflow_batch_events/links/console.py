# SPDX-License-Identifier: Apache-2.0
"""
Links from a task to the cloud's console, or to the pages that the connection names.

The vendor documents the addresses of its lists, never those of an object's own page, so a link leads to the list. With
``console_url`` in the connection it leads to the object's page there, as the emulator serves them. A link is written to
XCom before a task waits, so that it is there meanwhile; what was written stays, whatever the connection says later.

Source: https://console.cloud.tencent.com addresses printed on pages 599/15905, 1496/61025.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink

from airflow_batch_events.airflow_compat.xcom import read_xcom
from airflow_batch_events.provisioning.queue_names import HOSTNAME

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.definitions.context import Context
    from airflow.sdk.types import TaskInstanceKey

    from airflow_batch_events.protocol.credentials.access import CloudAccess

CONSOLE = "https://console.cloud.tencent.com"


class ConsoleLink(BaseOperatorLink):
    """
    A link to one kind of object; the subclasses say where it is.

    ``name`` is the button's text, ``list_path`` the list in the vendor's console, ``page_path`` the folder of the
    object's page below ``console_url``.
    """

    name: ClassVar[str] = ""
    list_path: ClassVar[str] = ""
    page_path: ClassVar[str] = ""

    @classmethod
    def url(cls, access: CloudAccess, identity: str) -> str:
        """Return the address of the object's page, or of the list that it is in."""
        if access.console_url is None:
            return f"{CONSOLE}/{cls.list_path}"
        # What cannot be encoded is no object's name; a link that leads nowhere must not end the task.
        return f"{access.console_url}/{cls.page_path}/{quote(identity, safe='', errors='replace')}"

    @classmethod
    def persist(cls, context: Context, access: CloudAccess, identity: str) -> None:
        """Write the link, so that the task's page shows it from now on."""
        context["ti"].xcom_push(key=cls().xcom_key, value=cls.url(access, identity))

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address that the task has written, or nothing."""
        return read_xcom(ti_key, self.xcom_key) or ""


class BatchJobLink(ConsoleLink):
    """Link to a job."""

    name = "Batch job"
    list_path = "batch/job"
    page_path = "jobs"


class BatchComputeEnvLink(ConsoleLink):
    """Link to a compute environment."""

    name = "Compute environment"
    list_path = "batch/env"
    page_path = "envs"


class CmqQueueLink(ConsoleLink):
    """Link to a queue."""

    name = "Queue"
    list_path = "tdmq/cmq-queue"
    page_path = "queues"

    @classmethod
    def persist(cls, context: Context, access: CloudAccess, identity: str) -> None:
        """Write the link; a queue of which each triggerer has its own has no page that a task could know."""
        if HOSTNAME not in identity:
            super().persist(context, access, identity)


class CmqTopicLink(ConsoleLink):
    """Link to a topic."""

    name = "Topic"
    list_path = "tdmq/cmq-topic"
    page_path = "topics"
