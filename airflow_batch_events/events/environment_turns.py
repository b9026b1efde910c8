# SPDX-License-Identifier: Apache-2.0
"""
Decide what follows each turn of a wait for a compute environment, or of its removal: its end, or a pause.

One decision for two loops: the worker's, which blocks, and the triggerer's, which does not. They ask the API, log and
sleep. The rules that must not be relaxed: what a turn has found out counts although the deadline has passed meanwhile,
and no pause outlasts the deadline.
"""

from __future__ import annotations

from dataclasses import dataclass

from airflow_batch_events.events.confirmation import CONFIRM_INTERVAL
from airflow_batch_events.events.environment import EnvOutcome, NodeWait
from airflow_batch_events.events.environment_removal import Removal


@dataclass(frozen=True)
class Pause:
    """
    The time between two turns.

    :param seconds: How long it is at the most.
    :param news: The progress, in words; empty when it is the same as after the last turn.
    """

    seconds: float
    news: str


class EnvTurns:
    """
    The turns of one wait or removal.

    :param decision: What the loop brings the API's answers to.
    :param interval: Seconds between two turns; while the API refuses something they are shorter, to confirm it.
    """

    def __init__(self, decision: NodeWait | Removal, interval: float) -> None:
        self._decision = decision
        self._interval = interval
        self._shown = ""

    def after_turn(self, left: float | None) -> EnvOutcome | Pause:
        """
        Return the outcome, or the pause before the next turn.

        :param left: Seconds until the deadline, 0 when it has passed; None without one.
        """
        decision = self._decision
        if left == 0.0:
            decision.on_deadline()
        if decision.outcome is not None:
            return decision.outcome
        news = "" if decision.progress == self._shown else decision.progress
        self._shown = decision.progress
        seconds = min(self._interval, CONFIRM_INTERVAL) if decision.is_refused else self._interval
        return Pause(seconds if left is None else min(seconds, left), news)
