# SPDX-License-Identifier: Apache-2.0
"""
A temporary queue that receives what a topic forwards, and takes no message from other readers.

It is deleted with its subscription, however the command ends. One that a killed command has left behind is harmless: it
empties itself, and its name says what it was for.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from airflow_batch_events.protocol.apis import tdmq
from airflow_batch_events.protocol.sdk import SdkClient

RETENTION = 60
"""Seconds that a temporary queue keeps a message."""


@contextmanager
def temporary_queue(client: SdkClient, topic_name: str, purpose: str) -> Iterator[str]:
    """
    Create a queue, subscribe it to the topic, and delete it in the end.

    :param client: A client of the control plane.
    :param topic_name: The topic to listen to.
    :param purpose: Goes into the queue's name.
    """
    name = f"airflow-{purpose}-{uuid.uuid4().hex[:12]}"
    client.send(tdmq.create_queue(name, tdmq.QueueSettings(msg_retention_seconds=RETENTION)))
    try:
        client.send(tdmq.create_subscription(topic_name, name, name))
        yield name
    finally:
        client.send(tdmq.delete_queue(name))
