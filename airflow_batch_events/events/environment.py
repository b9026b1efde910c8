# SPDX-License-Identifier: Apache-2.0
"""
Decide how a wait for a compute environment ends: its nodes run, they cannot be created, or it is gone.

One decision for two loops: the worker's, which blocks, and the triggerer's, which does not. The rules that must not be
relaxed: "could not read" is no fact, and a node that cannot be read is not missing; an environment that the API does
not know counts as not visible yet for a grace period; that the API refuses its id has to be confirmed; a node that
could not be created fails the wait only when the cloud will not try again, or when the caller has said how many
failures are too many.

Everything is decided from the environment as it is shown now, so a wait that begins anew after a crash knows as much as
the one before.

Sources: API pages 599/15892 (DescribeComputeEnv), 599/15891 (ResourceMaxRetryCount and its pauses), DeleteComputeEnv.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypedDict

import msgspec
from pendulum import DateTime

from airflow_batch_events.events.catalog import NodeState
from airflow_batch_events.events.confirmation import Confirmation
from airflow_batch_events.exceptions import (
    ApiNotFoundError,
    ApiParameterError,
    CloudError,
    ComputeEnvError,
    ComputeEnvFailedError,
    ComputeEnvNotFoundError,
    ComputeEnvRefusedError,
    ComputeEnvTimeoutError,
)
from airflow_batch_events.text import MAX_TEXT, printable

READY = "READY"
"""The state in the outcome of a wait whose nodes run."""

GONE = "GONE"
"""The state in the outcome of a removal: the environment does not exist any more."""

CREATION_FAILED = "CREATION_FAILED"
"""The state in the outcome of a wait whose nodes cannot be created."""

DELETING = "DELETING"
"""The state in the outcome of a wait for the nodes of an environment that is being deleted."""

NOT_FOUND = "NOT_FOUND"
"""The state in the outcome of a wait for an environment that the API does not know."""

REFUSED = "REFUSED"
"""The state in the outcome of a wait, or a removal, that the API will not let happen."""

TIMEOUT = "TIMEOUT"
"""The state in the outcome of a wait whose deadline passed first."""

DEFAULT_GRACE = 60.0
"""Seconds for which an environment that the API does not know counts as not visible yet."""

DEFAULT_CREATION_RETRIES = 7
"""How often the cloud tries again to create a node, unless ``ResourceMaxRetryCount`` says otherwise."""

CLOCK_DRIFT = 300.0
"""Seconds by which this machine's clock may differ from the cloud's, the drift that the API itself allows a caller."""

EXPLAINED_NODES = 3
"""Failed nodes whose activities are read: that takes a call for each, and an account has two calls a second."""

_PAUSES = ((3, 600.0), (10, 900.0), (50, 1800.0), (100, 3600.0))


class NodeFacts(Protocol):
    """What is known of a node."""

    @property
    def node_id(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def raw(self) -> Mapping[str, Any]: ...


class EnvFacts(Protocol):
    """What is known of an environment."""

    @property
    def desired_node_count(self) -> int: ...
    @property
    def next_action(self) -> str: ...
    @property
    def nodes(self) -> Sequence[NodeFacts]: ...


class ActivityFacts(Protocol):
    """What is known of something that an environment does to a node."""

    @property
    def node_id(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def state_reason(self) -> str: ...
    @property
    def end_time(self) -> DateTime | None: ...


class EnvOutcomeDict(TypedDict):
    """An :class:`EnvOutcome` as XCom and trigger payloads hold it."""

    env_id: str
    state: str
    succeeded: bool
    running_nodes: int
    reason: str | None


class EnvOutcome(msgspec.Struct, frozen=True):
    """
    How a wait for an environment ended, as the task receives it in XCom and in the trigger's event.

    :param env_id: The environment.
    :param state: ``READY``, ``GONE``, ``CREATION_FAILED``, ``DELETING``, ``NOT_FOUND``, ``REFUSED``, ``TIMEOUT``.
    :param succeeded: Whether it ended as it was wanted.
    :param running_nodes: How many nodes ran at the last poll.
    :param reason: Why, in words, where the state alone does not say it.
    """

    env_id: str
    state: str
    succeeded: bool
    running_nodes: int = 0
    reason: str | None = None

    def to_dict(self) -> EnvOutcomeDict:
        """Return the outcome as JSON-serializable data."""
        return {
            "env_id": self.env_id,
            "state": self.state,
            "succeeded": self.succeeded,
            "running_nodes": self.running_nodes,
            "reason": self.reason,
        }

    @classmethod
    def from_dict(cls, data: object) -> EnvOutcome:
        """
        Read an outcome back, whichever version has written it: what is not known is ignored, what is missing defaulted.

        :raises ValueError: When ``data`` does not say which environment it is about, or how the wait has ended.
        """
        if not isinstance(data, Mapping):
            raise ValueError(f"not the outcome of a wait: a {type(data).__name__}")
        env_id, state = data.get("env_id"), data.get("state")
        if not isinstance(env_id, str) or not isinstance(state, str):
            raise ValueError(f"not the outcome of a wait, which has an env_id and a state: {sorted(map(str, data))}")
        succeeded, running, reason = data.get("succeeded"), data.get("running_nodes"), data.get("reason")
        return cls(
            env_id=env_id,
            state=state,
            succeeded=succeeded if isinstance(succeeded, bool) else state in (READY, GONE),
            running_nodes=running if isinstance(running, int) else 0,
            reason=None if reason is None else str(reason),
        )

    @property
    def error(self) -> ComputeEnvError | None:
        """The error for an outcome that is not as wanted."""
        if self.succeeded:
            return None
        kind = {
            NOT_FOUND: ComputeEnvNotFoundError,
            REFUSED: ComputeEnvRefusedError,
            TIMEOUT: ComputeEnvTimeoutError,
        }.get(self.state, ComputeEnvFailedError)
        return kind(f"Compute environment {self.env_id}: {self.reason or self.state}")


class NodeWait:
    """
    A wait until so many nodes of an environment run.

    :param env_id: The environment.
    :param wanted: How many nodes.
    :param exactly: Whether those above that number have to go as well; then nodes that users have attached do not
        count.
    :param max_failed_nodes: How many nodes may be CREATION_FAILED while the cloud tries again; None for any number.
    :param creation_retries: How often the cloud tries again to create a node; None if that is not known, and then a
        failure is final when the pause before the next try has passed without one.
    :param grace: Seconds for which an environment that the API does not know counts as not visible yet.
    """

    def __init__(
        self,
        env_id: str,
        wanted: int,
        *,
        exactly: bool = False,
        max_failed_nodes: int | None = None,
        creation_retries: int | None = None,
        grace: float = DEFAULT_GRACE,
    ) -> None:
        self.env_id = env_id
        self.wanted = wanted
        self.exactly = exactly
        self.max_failed_nodes = max_failed_nodes
        self.creation_retries = creation_retries
        self.grace = grace
        self.outcome: EnvOutcome | None = None
        self.progress = "it has not been seen yet"
        self._running = 0
        self._failed: list[str] = []
        self._reasons: dict[str, str] = {}
        self._missing_since: float | None = None
        self._refusals = Confirmation()

    @property
    def is_done(self) -> bool:
        """Whether the wait has ended."""
        return self.outcome is not None

    @property
    def is_refused(self) -> bool:
        """Whether the API refused the id when last asked, which the next polls confirm or not."""
        return self._refusals.is_open

    @property
    def is_missing(self) -> bool:
        """Whether the API said, when last asked, that it does not know the environment."""
        return self._missing_since is not None

    def on_poll(self, env: EnvFacts) -> Sequence[str]:
        """
        Take the environment as the API shows it.

        :return: The failed nodes whose activities are wanted next, for :meth:`on_activities`; often none.
        """
        self._missing_since = None
        self._refusals.reset()
        nodes = [node for node in env.nodes if not (self.exactly and is_attached(node))]
        running = sum(node.state == NodeState.RUNNING for node in nodes)
        self._running = running
        self._failed = [node.node_id for node in nodes if node.state == NodeState.CREATION_FAILED]
        self.progress = f"{running} of {self.wanted} nodes run{node_counts(nodes)}"
        if env.desired_node_count < self.wanted:
            self.progress += f" (the environment is set to {env.desired_node_count} nodes)"
        if env.next_action == "DELETING":
            self._end(DELETING, f"it is being deleted; {self.progress}")
        elif running == len(nodes) == self.wanted or (running >= self.wanted and not self.exactly):
            self.outcome = self.outcome or EnvOutcome(self.env_id, READY, True, running)
        return () if self.is_done else [node_id for node_id in self._failed if node_id][:EXPLAINED_NODES]

    def on_activities(self, activities: Iterable[ActivityFacts], as_of: float | None) -> None:
        """
        Take what was done to the failed nodes that :meth:`on_poll` has named.

        :param activities: Of all these nodes, in any order; empty when they could not be read.
        :param as_of: The cloud's time of the poll, Unix seconds; None while not known: no failure grows final.
        """
        by_node: dict[str, list[ActivityFacts]] = {}
        for activity in activities:
            if activity.kind == "CREATE_COMPUTE_NODE":
                by_node.setdefault(activity.node_id, []).append(activity)
        for node_id, creations in by_node.items():
            failures = sorted(
                (creation for creation in creations if creation.state == "FAILED"),
                key=lambda creation: creation.end_time.timestamp() if creation.end_time else 0.0,
            )
            if failures:
                self._reasons[node_id] = failures[-1].state_reason or "no reason given"
            if node_id in self._failed and self._is_final(creations, failures, as_of):
                self._end(CREATION_FAILED, f"the cloud has given up on a node; {self._account()}")
        if self.max_failed_nodes is not None and len(self._failed) > self.max_failed_nodes:
            count = f"too many nodes could not be created ({len(self._failed)}, where {self.max_failed_nodes} may fail)"
            self._end(CREATION_FAILED, f"{count}; {self._account()}")

    def on_error(self, error: CloudError, as_of: float) -> None:
        """
        Take the error that a poll ended with; only what the API surely knows is a fact.

        :param error: The error.
        :param as_of: The time of the poll, in seconds of a clock that does not step.
        """
        if isinstance(error, ApiNotFoundError):
            self._refusals.reset()
            if self._missing_since is None:
                self._missing_since = as_of
            if as_of - self._missing_since >= self.grace:
                self._end(
                    NOT_FOUND, f"the API has not known it for {self.grace:g} s: the id is wrong, or it is deleted"
                )
        elif isinstance(error, ApiParameterError) and self._refusals.add(as_of):
            self._end(NOT_FOUND, f"{error.code}: {error.message}")

    def on_deadline(self) -> None:
        """End the wait because its time is over."""
        self._end(TIMEOUT, f"the deadline passed first; {self._account()}")

    def _is_final(
        self, creations: Sequence[ActivityFacts], failures: Sequence[ActivityFacts], as_of: float | None
    ) -> bool:
        # One whose state cannot be read may be under way.
        if not failures or any(creation.state in ("SUBMITTED", "PROCESSING", "") for creation in creations):
            return False
        if self.creation_retries is not None and len(failures) > self.creation_retries:
            return True
        last = failures[-1].end_time
        if last is None or as_of is None:
            return False
        return as_of - last.timestamp() > creation_pause(len(failures)) + CLOCK_DRIFT

    def _account(self) -> str:
        shown = [f"{node_id}: {reason}" for node_id, reason in self._reasons.items() if node_id in self._failed]
        return "; ".join([self.progress, *shown])

    def _end(self, state: str, reason: str) -> None:
        self.outcome = self.outcome or EnvOutcome(self.env_id, state, False, self._running, reason)


def creation_pause(failures: int) -> float:
    """Return the seconds between the failed creation of that number, counted from 1, and the next try."""
    return next((seconds for last, seconds in _PAUSES if failures <= last), _PAUSES[-1][1])


def creation_retries_of(compute_env: Mapping[str, Any]) -> int:
    """Return how often the cloud tries again to create a node of an environment that is described so."""
    if compute_env.get("ActionIfComputeNodeInactive", "RECREATE") != "RECREATE":
        return 0
    retries = compute_env.get("ResourceMaxRetryCount")
    return DEFAULT_CREATION_RETRIES if retries is None else int(retries)


def is_attached(node: NodeFacts) -> bool:
    """Whether a user has attached the node, so that the environment's own number of nodes does not include it."""
    return node.raw.get("ResourceOrigin") == "USER_ATTACHED"


def node_counts(nodes: Iterable[NodeFacts]) -> str:
    """Say how many nodes there are beside those that run, by their states."""
    counts: dict[str, int] = {}
    for node in nodes:
        if node.state != NodeState.RUNNING:
            counts[node.state] = counts.get(node.state, 0) + 1
    return printable("".join(f", {count} {state}" for state, count in counts.items()), MAX_TEXT)
