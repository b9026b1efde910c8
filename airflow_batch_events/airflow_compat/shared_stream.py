# SPDX-License-Identifier: Apache-2.0
"""
Airflow's shared streams: one reader for all event triggers of a triggerer that name the same source.

Source: ``triggers/shared_stream.py``. Since: 3.3; before, each trigger reads by itself in ``run``. It can go when 3.2
is not supported.
"""

from __future__ import annotations

import asyncio

try:
    from airflow.triggers.shared_stream import AdvanceItem, SharedStreamProducer, reject_shared_stream_event
except ImportError:
    # Nobody opens a stream then.
    AdvanceItem = tuple  # type: ignore[misc,assignment]
    SharedStreamProducer = object  # type: ignore[misc,assignment]

    def reject_shared_stream_event() -> None:
        """Do nothing: there is no stream to tell."""


__all__ = ["JOIN_GRACE", "AdvanceItem", "SharedStreamProducer", "reject_shared_stream_event", "until_stored"]

JOIN_GRACE = 30.0
"""
Seconds from the start of a stream during which further watchers may join it and must not miss anything.

After a restart the watchers of a stream join it one after the other, and a message counts as handled when those that
have joined have handled it.

Source: ``triggers/shared_stream.py``, the module's docstring ("every subscriber that was online"). Since: 3.3. It can
go when a stream begins with all its watchers.
"""

STORED_BOUND = 60.0
"""Seconds for which :func:`until_stored` waits; longer than Airflow needs to store an event, and not for good."""


async def until_stored() -> None:
    """
    Keep the trigger of a deferred task from firing again after its event; to be awaited after ``yield``.

    Airflow cancels such a trigger when its event is stored, and counts the message as handled then. A trigger that
    ended by itself would leave the stream before that, and its message would come back.

    Source: ``triggers/shared_stream.py``, the module's docstring ("or unsubscribed"). Since: 3.3. It can go when a
    trigger is told that its event is stored.
    """
    await asyncio.sleep(STORED_BOUND)
