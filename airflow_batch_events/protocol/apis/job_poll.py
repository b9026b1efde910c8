# SPDX-License-Identifier: Apache-2.0
"""
Ask DescribeJobs about many jobs: one procedure for all who poll, whether they block meanwhile or not.

The procedure yields the ids of each call and is sent the answer, or thrown the error; it makes no call itself. What is
alike for all is here: a refusal is put down to the id that is to blame, and what an answer does not tell is no fact.
How to go on after a failure is each caller's own decision, because a worker has one attempt and a triggerer has more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import TYPE_CHECKING, Protocol

from airflow_batch_events.exceptions import ApiParameterError
from airflow_batch_events.protocol.apis.flow import sent, thrown

if TYPE_CHECKING:
    from airflow_batch_events.protocol.apis.batch_answers import JobStates
    from airflow_batch_events.protocol.apis.id_batches import IdBatches

PollFlow = Generator[list[str], "JobStates", None]


class PollListener(Protocol):
    """Takes what the calls bring, and decides what a failure means."""

    def on_poll(self, job_id: str, state: str | None) -> None:
        """Take the job's state, or None when the API does not know the job."""

    def on_refusal(self, job_id: str, error: ApiParameterError) -> None:
        """Take the API's refusal to read this as a job id."""

    def on_answer(self, batches: IdBatches, ids: list[str], unread: Sequence[str]) -> bool:
        """Take that a call was answered, and the ids about which it tells nothing; return whether to go on."""

    def on_error(self, batches: IdBatches, ids: list[str], error: Exception) -> bool:
        """Take that a call failed; return whether to go on."""


def poll_jobs(batches: IdBatches, listener: PollListener) -> PollFlow:
    """
    Yield the ids of each call; send its answer, or throw its error.

    :param batches: The calls of this poll.
    :param listener: Takes what they bring.
    """
    while (ids := batches.take()) is not None:
        try:
            answer = yield ids
        except ApiParameterError as error:
            refused = batches.refused(ids)
            if refused is not None:
                listener.on_refusal(refused, error)
        except Exception as error:  # noqa: BLE001 - it is the listener's, who may raise it again
            if not listener.on_error(batches, ids, error):
                return
        else:
            unread = answer.unread(ids)
            if len(unread) < len(ids):
                batches.is_answered = True
            untold = set(unread)
            for job_id in ids:
                if job_id not in untold:
                    listener.on_poll(job_id, answer.states.get(job_id))
            if not listener.on_answer(batches, ids, unread):
                return


def run_blocking(flow: PollFlow, describe: Callable[[list[str]], JobStates]) -> None:
    """
    Make the calls of a poll one after the other.

    :param flow: The poll.
    :param describe: Makes one call.
    """
    ids = next(flow, None)
    while ids is not None:
        try:
            answer = describe(ids)
        except Exception as error:  # noqa: BLE001 - the procedure raises what it cannot take
            ids = thrown(flow, error)
        else:
            ids = sent(flow, answer)


async def run(
    flow: PollFlow,
    describe: Callable[[list[str]], Awaitable[JobStates]],
    after_call: Callable[[list[str]], Awaitable[None]],
) -> None:
    """
    Make the calls of a poll one after the other, in an event loop.

    :param flow: The poll.
    :param describe: Makes one call.
    :param after_call: Keeps the pace; called after what a call brought was taken.
    """
    ids = next(flow, None)
    while ids is not None:
        asked = ids
        try:
            answer = await describe(asked)
        except Exception as error:  # noqa: BLE001 - the procedure raises what it cannot take
            ids = thrown(flow, error)
        else:
            ids = sent(flow, answer)
        await after_call(asked)
