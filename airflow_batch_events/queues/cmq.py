# SPDX-License-Identifier: Apache-2.0
"""
The queue service for ``apache-airflow-providers-common-messaging``::

    MessageQueueTrigger(scheme="tencent+cmq", queue_name="plain-messages")

Needs the extra ``messaging``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.common.messaging.providers.base_provider import BaseMessageQueueProvider

from airflow_batch_events.triggers.cmq import CmqMessageTrigger

if TYPE_CHECKING:
    from airflow.triggers.base import BaseEventTrigger


class CmqMessageQueueProvider(BaseMessageQueueProvider):
    """Messages of a CMQ queue, under the scheme ``tencent+cmq``."""

    scheme = "tencent+cmq"

    def trigger_class(self) -> type[BaseEventTrigger]:
        """Return the trigger, whose parameters are the ones to give to ``MessageQueueTrigger``."""
        return CmqMessageTrigger
