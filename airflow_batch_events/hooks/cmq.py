# SPDX-License-Identifier: Apache-2.0
"""The queue service for tasks: send and publish test messages, receive what a queue holds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from airflow_batch_events.exceptions import CmqQueueNotFoundError
from airflow_batch_events.hooks.connection import TencentCloudHook

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_batch_events.protocol.cmq import CmqClient, Message
    from airflow_batch_events.provisioning.rewind import Rewind

T = TypeVar("T")


class CmqHook(TencentCloudHook):
    """
    Use the CMQ data plane with the keys of a connection, from code that is not asynchronous.

    What is asynchronous already uses ``protocol.cmq.CmqClient(hook.access)`` itself.

    :param tencentcloud_conn_id: The connection, of type ``tencentcloud``.
    :param region: Overrides the connection's region.
    """

    def publish(self, topic_name: str, body: str) -> str:
        """Publish a message to a topic and return its id."""
        return self._call(lambda client: client.publish(topic_name, body))

    def send(self, queue_name: str, body: str) -> str:
        """Send a message to a queue and return its id."""
        return self._call(lambda client: client.send(queue_name, body))

    def receive(self, queue_name: str, *, max_messages: int = 16, wait_seconds: int = 0) -> list[Message]:
        """Receive up to 16 messages; they come back after the visibility timeout unless they are deleted."""
        return self._call(
            lambda client: client.receive(queue_name, max_messages=max_messages, wait_seconds=wait_seconds)
        )

    def delete(self, queue_name: str, message: Message) -> bool:
        """Delete a received message; False when its visibility timeout has passed, and then it comes back."""
        return self._call(lambda client: client.delete_one(queue_name, message.receipt_handle)) is None

    def rewind_queue(self, queue_name: str, to: str | datetime) -> Rewind:
        """
        Let a queue deliver again what was deleted from it since a time; doing it twice does no harm.

        Watchers that run recognize the last 100,000 events that they have fired. After a restart they fire them again,
        with the same ``event_id`` in the payload.

        :param queue_name: The queue; message rewind must have been on for it when the messages were deleted.
        :param to: ``-2h``, ``-1d12h``; ISO 8601, in UTC where it names no offset; or a datetime.
        :return: From when on, and how many messages may come again.
        :raises ConfigurationError: When the queue cannot be rewound to that time, with the way out.
        """
        from airflow_batch_events.protocol.sdk import SdkClient
        from airflow_batch_events.provisioning.rewind import apply_rewind, plan_rewind_of

        with SdkClient(self.access) as client:
            plan = plan_rewind_of(client.send, queue_name, to)
            apply_rewind(client.send, plan)
        return plan

    def check(self) -> None:
        """
        Check that the queue service accepts the keys, by asking for a queue that cannot exist.

        :raises CmqError: When it refuses them.
        :raises ConfigurationError: When the connection has no ``cmq_endpoint``.
        """
        try:
            self.check_queue("connection-test-of-airflow-batch-events")
        except CmqQueueNotFoundError:
            self.log.debug("The queue service knows the keys")

    def check_queue(self, queue_name: str) -> None:
        """
        Check that a queue can be read with these keys, without taking a message from anybody; takes seconds at most.

        :param queue_name: The queue.
        :raises CmqQueueNotFoundError: When there is no such queue.
        :raises CmqError: When the queue service refuses to say.
        :raises TransportError: When it does not answer.
        :raises ConfigurationError: When the connection has no ``cmq_endpoint``.
        """
        self._call(lambda client: client.check_queue(queue_name), retries=1)

    def _call(self, use: Callable[[CmqClient], Awaitable[T]], *, retries: int = 3) -> T:
        from airflow_batch_events.protocol.cmq import CmqClient
        from airflow_batch_events.protocol.loop_thread import LoopThread

        async def call() -> T:
            async with CmqClient(self.access, retries=retries) as client:
                return await use(client)

        # In a thread, because this one may run an event loop itself.
        thread = LoopThread()
        try:
            return thread.run(call)
        finally:
            thread.close()
