# SPDX-License-Identifier: Apache-2.0
"""
Airflow's shared streams: one reader for all event triggers of a triggerer that name the same source.

Source: ``triggers/shared_stream.py``. Since: 3.3; before, each trigger reads by itself in ``run``, and nobody tells it
when what it has fired is stored. The second half of this module finds that out. It can go when 3.2 is not supported.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from airflow_batch_events.airflow_compat.triggerer import (
    ask_supervisor,
    has_supervisor,
    was_stored,
)

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger

try:
    from airflow.triggers.shared_stream import AdvanceItem, SharedStreamProducer, reject_shared_stream_event
except ImportError:
    # Nobody opens a stream then.
    AdvanceItem = tuple  # type: ignore[misc,assignment]
    SharedStreamProducer = object  # type: ignore[misc,assignment]

    def reject_shared_stream_event() -> None:
        """Do nothing: there is no stream to tell."""


__all__ = [
    "JOIN_GRACE",
    "LEAVES_WITHIN",
    "AdvanceItem",
    "SharedStreamProducer",
    "fires_in_triggerer",
    "reject_shared_stream_event",
    "until_stored",
    "until_supervisor_has_stored",
]

JOIN_GRACE = 30.0
"""
Seconds from the start of a stream during which further watchers may join it and must not miss anything.

After a restart the watchers of a stream join it one after the other, and a message counts as handled when those that
have joined have handled it. Watchers without a stream begin one after the other, too.

Source: ``triggers/shared_stream.py``, the module's docstring ("every subscriber that was online"). Since: 3.3. It can
go when a stream begins with all its watchers.
"""

STORED_BOUND = 60.0
"""Seconds for which :func:`until_stored` waits; longer than Airflow needs to store an event, and not for good."""


async def until_stored() -> None:
    """
    Keep the trigger of a deferred task from firing again after its event; to be awaited after ``yield``.

    Airflow cancels such a trigger when its event is stored. A shared stream counts its message as handled then; without
    one, ``triggerer.is_still_deferred`` tells that it is stored. A trigger that ended by itself would let go of its
    message before that, and the message would come back.

    Source: ``triggers/shared_stream.py``, the module's docstring ("or unsubscribed"). Since: 3.3, and before 3.1
    without a stream. It can go when a trigger is told that its event is stored.
    """
    await asyncio.sleep(STORED_BOUND)


# Without shared streams.

LEAVES_WITHIN = 10.0
"""
Seconds within which an event has left the triggerer's own process for its supervisor, which stores it.

It leaves with the next round, of which there is one a second; the rest is for a round that has many triggers to make.
When it is stored after that, is asked: see :func:`until_supervisor_has_stored`. Ten seconds and two answers end within
the 30 seconds for which a queue hides a message by default, so that in general none comes back meanwhile.

Not covered is a round that takes longer than this, in a triggerer that is killed before its next one; and what Airflow
itself drops: an event whose trigger is not in the database any more, or a transaction that the database loses.

Source: ``jobs/triggerer_job_runner.py`` of 3.1, lines 884 and 1041. Since: before 3.1. It can go when 3.2 is not
supported.
"""

BETWEEN_ANSWERS = 2.0
"""Seconds from an answer of the supervisor to the next question; longer than a round of the triggerer's own process."""

UNKNOWN_SUPERVISOR = 20.0
"""Seconds that make up for the answers where there is no supervisor to ask."""


def fires_in_triggerer(trigger: BaseTrigger) -> bool:
    """
    Whether what ``run`` yields is stored some time later by a triggerer, and not taken at once by ``dag.test()``.

    A triggerer that has shared streams does not call ``run``.

    Source: ``sdk/execution_time/supervisor.py`` of 3.1, line 1638, and ``jobs/triggerer_job_runner.py``, line 1152.
    Since: before 3.1; from 3.3 on only ``dag.test()`` calls ``run``. It can go when 3.2 is not supported.
    """
    return was_stored(trigger)


async def until_supervisor_has_stored() -> None:
    """
    Wait until the triggerer has stored all events that have left its own process before this was called.

    The supervisor takes one message in each of its rounds, in the order in which they were sent, and stores all events
    that have come before it takes the next one. So an answer says that what was sent before the question is stored,
    however long that has taken: a thousand events take some ten seconds, and a database may stand still. It is asked
    twice. An event could not leave while the supervisor was busy, and leaves a second after the first answer. A
    supervisor that is told to stop answers for a second or two and stores nothing any more, so time passes after the
    second answer, too; whatever awaits this is cancelled meanwhile.

    Source: ``jobs/triggerer_job_runner.py`` of 3.1, lines 522 and 555; ``sdk/execution_time/supervisor.py``, lines 667,
    743 and 1746. Since: before 3.1. It can go when 3.2 is not supported.

    :raises Exception: The supervisor does not answer any more, or with an error.
    """
    from airflow.sdk.execution_time.comms import MaskSecret

    if not has_supervisor():
        await asyncio.sleep(UNKNOWN_SUPERVISOR)
        return
    for _ in range(2):
        # The one question that needs no database and changes nothing: an empty text masks nothing.
        await ask_supervisor(MaskSecret(value=""))
        await asyncio.sleep(BETWEEN_ANSWERS)
