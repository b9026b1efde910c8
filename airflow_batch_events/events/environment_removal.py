# SPDX-License-Identifier: Apache-2.0
"""
Decide how the removal of a compute environment goes on: take its nodes away, delete it, poll until it is gone.

Decided from the environment as it is shown now, so a removal that begins anew after a crash knows as much as the one
before. Nothing is taken away that a user has attached.

Source: API page 599/15893 (DeleteComputeEnv).
"""

from __future__ import annotations

from enum import Enum

from airflow_batch_events.events.confirmation import Confirmation
from airflow_batch_events.events.environment import (
    GONE,
    REFUSED,
    TIMEOUT,
    EnvFacts,
    EnvOutcome,
    is_attached,
    node_counts,
)
from airflow_batch_events.exceptions import (
    ApiCredentialsError,
    ApiError,
    ApiNotFoundError,
    ApiParameterError,
    CloudError,
)


class RemovalStep(Enum):
    """What a removal does next."""

    WAIT = "wait"
    DRAIN = "drain"
    DELETE = "delete"
    DONE = "done"


class Removal:
    """
    The removal of an environment: take its nodes away, delete it, poll until it is gone.

    :param env_id: The environment.
    :param drain: Whether its nodes are taken away if it is still meant to have some.
    """

    def __init__(self, env_id: str, *, drain: bool) -> None:
        self.env_id = env_id
        self.drain = drain
        self.outcome: EnvOutcome | None = None
        self.progress = "it has not been seen yet"
        self._refusal = ""
        # By action: that the environment can be read says nothing about whether it can be deleted.
        self._refusals: dict[str, Confirmation] = {}

    @property
    def is_done(self) -> bool:
        """Whether there is nothing more to do."""
        return self.outcome is not None

    @property
    def is_refused(self) -> bool:
        """Whether the API refused something when last asked, which the next tries confirm or not."""
        return any(refusals.is_open for refusals in self._refusals.values())

    def on_poll(self, env: EnvFacts) -> RemovalStep:
        """Take the environment as the API shows it, and say what to do about it."""
        self._refusals.pop("DescribeComputeEnv", None)
        attached = sum(map(is_attached, env.nodes))
        self.progress = f"it has {len(env.nodes)} nodes{node_counts(env.nodes)}"
        if env.next_action == "DELETING":
            self.progress = "it is being deleted"
            return RemovalStep.WAIT
        if attached:
            self._end(REFUSED, f"{attached} of its nodes were attached by a user: detach them (DetachInstances) first")
            return RemovalStep.DONE
        if env.desired_node_count > 0 and self.drain:
            return RemovalStep.DRAIN
        if not env.nodes:
            return RemovalStep.DELETE
        if env.desired_node_count > 0:
            reason = f"it is meant to have {env.desired_node_count} nodes, so it is not deleted: set drain=True"
            self._end(REFUSED, reason)
            return RemovalStep.DONE
        return RemovalStep.WAIT

    def on_error(self, error: CloudError) -> None:
        """Take the error that a poll or a step ended with."""
        if isinstance(error, ApiNotFoundError):
            self.outcome = self.outcome or EnvOutcome(self.env_id, GONE, True)
        elif isinstance(error, ApiError):
            self._refusal = f"{error.code}: {error.message}"
            # Both loops keep their tries apart.
            refusals = self._refusals.setdefault(error.action, Confirmation(spread=0.0))
            if isinstance(error, ApiCredentialsError) or (isinstance(error, ApiParameterError) and refusals.add()):
                self._end(REFUSED, self._refusal)

    def on_deadline(self) -> None:
        """Give up because the time is over."""
        refusal = f"; last refused with {self._refusal}" if self._refusal else ""
        self._end(TIMEOUT, f"it was not gone in time; {self.progress}{refusal}")

    def _end(self, state: str, reason: str) -> None:
        self.outcome = self.outcome or EnvOutcome(self.env_id, state, False, reason=reason)
