# SPDX-License-Identifier: Apache-2.0
"""
Compute environments and the life of their nodes, on the emulator's clock.

An environment keeps as many nodes as it is asked for: it creates what is missing and destroys what is too much, one
activity for each. Destroying a node by request lowers the wanted number, or it would come back at once.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.services.batch.catalog import size_of
from tencent_batch_emulator.services.batch.environments.nodes import TERMINABLE, Node
from tencent_batch_emulator.services.batch.ids import Ids
from tencent_batch_emulator.services.batch.notifications import Announcement, Publisher, Subscriptions
from tencent_batch_emulator.services.batch.schema import EnvSpec, Placement
from tencent_batch_emulator.services.batch.settings import NODE_LOST, Delays, chosen_type, creation_error
from tencent_batch_emulator.services.batch.vocabulary import EventName, NodeState
from tencent_batch_emulator.services.tc3_schema import iso

ATTACHED = "USER_ATTACHED"


@dataclass(slots=True, eq=False)
class Activity:
    """The creation or the destruction of one node."""

    activity_id: str
    kind: str
    cause: str
    node: Node
    start: float
    state: str = "SUBMITTED"
    reason: str = ""
    end: float | None = None


@dataclass(slots=True, eq=False)
class Env:
    """One compute environment; ``number`` counts up with every environment."""

    env_id: str
    number: int
    spec: EnvSpec
    placement: Placement
    created: float
    subscriptions: Subscriptions
    nodes: dict[str, Node] = field(default_factory=dict)
    activities: deque[Activity] = field(default_factory=lambda: deque(maxlen=1000))
    history: deque[Announcement] = field(default_factory=lambda: deque(maxlen=100))
    deleting: bool = False
    has_lost_a_node: bool = False

    @property
    def attached(self) -> int:
        """How many nodes its user has attached."""
        return sum(node.origin == ATTACHED for node in self.nodes.values())

    def own_nodes(self) -> list[Node]:
        """Return the nodes that count towards the wanted number."""
        return [
            node for node in self.nodes.values() if node.origin != ATTACHED and node.state is not NodeState.DELETING
        ]

    def node_counts(self) -> Counter[NodeState]:
        """Return how many nodes are in which state."""
        return Counter(node.state for node in self.nodes.values())


class Environments:
    """
    All compute environments.

    Set ``on_idle``, ``on_lost`` and ``on_gone`` to hear of nodes that could work, nodes that do not work any more, and
    environments that do not exist any more.
    """

    def __init__(self, clock: Clock, publisher: Publisher, ids: Ids, delays: Delays) -> None:
        self._clock = clock
        self._publisher = publisher
        self._ids = ids
        self._delays = delays
        self._created = 0
        self.by_id: dict[str, Env] = {}
        self.on_idle: Callable[[], None] = lambda: None
        self.on_lost: Callable[[Node], None] = lambda node: None
        self.on_gone: Callable[[str], None] = lambda env_id: None

    # What the engine needs

    def exists(self, env_id: str) -> bool:
        """Whether there is such an environment."""
        return env_id in self.by_id

    def has_idle(self, env_id: str) -> bool:
        """Whether a node could take an instance now."""
        env = self.by_id.get(env_id)
        return env is not None and any(node.is_idle for node in env.nodes.values())

    def take(self, env_id: str) -> Node:
        """Occupy an idle node."""
        node = next(node for node in self.by_id[env_id].nodes.values() if node.is_idle)
        node.busy = True
        return node

    def give_back(self, node: Node, *, restart: bool) -> None:
        """Free a node, after a restart when asked for."""
        if restart and node.state is NodeState.RUNNING:
            self._clock.call_later(self._delays.node_created, partial(self._restarted, node))
        else:
            node.busy = False

    def _restarted(self, node: Node) -> None:
        node.busy = False
        self.on_idle()

    # Requests

    def create(self, spec: EnvSpec, placement: Placement) -> Env:
        """Add an environment and begin to create its nodes."""
        self._created += 1
        subscriptions = Subscriptions.of(spec.notifications, spec.notification_target)
        env = Env(self._ids.new("Env"), self._created, spec, placement, self._clock.time(), subscriptions)
        self.by_id[env.env_id] = env
        self._announce(env, EventName.COMPUTE_ENV_CREATED)
        self._balance(env, f"CreateComputeEnv: the capacity is {spec.desired_compute_node_count}")
        return env

    def resize(self, env: Env, desired: int, doomed: Iterable[Node] = ()) -> None:
        """
        Change the wanted number of nodes.

        :param doomed: The nodes to destroy when there are fewer; they can be destroyed.
        """
        before = env.spec.desired_compute_node_count
        env.spec.desired_compute_node_count = desired
        word = "increase" if desired > before else "decrease"
        cause = f"ModifyComputeEnv: {word} the capacity from {before} to {desired}"
        for node in doomed:
            self.destroy(env, node, cause)
        self._balance(env, cause)

    def attach(self, env: Env, instance_id: str) -> None:
        """Add a server that its user has made."""
        node = self._new_node(env)
        node.origin, node.instance_id = ATTACHED, instance_id
        self._create(env, node, "AttachInstances")

    def destroy(self, env: Env, node: Node, cause: str) -> None:
        """Destroy a node, or give an attached one back to its user."""
        activity = self._activity(env, node, "TERMINATE_COMPUTE_NODE", cause)
        activity.state = "PROCESSING"
        self._node_enters(env, node, NodeState.DELETING, EventName.COMPUTE_NODE_DELETING)
        self.on_lost(node)
        self._clock.call_later(self._delays.node_deleting, partial(self._destroyed, env, node, activity))

    def delete(self, env: Env) -> None:
        """Remove an environment without nodes."""
        env.deleting = True
        self._clock.call_later(self._delays.node_deleting, partial(self._deleted, env))

    def cores(self) -> int:
        """Return how many cores all environments ask for."""
        return sum(cores_of(env.spec, env.spec.desired_compute_node_count) for env in self.by_id.values())

    # The life of a node

    def _balance(self, env: Env, cause: str) -> None:
        if env.deleting or env.env_id not in self.by_id:
            return
        for _ in range(env.spec.desired_compute_node_count - len(env.own_nodes())):
            self._create(env, self._new_node(env), cause)

    def _new_node(self, env: Env) -> Node:
        name = chosen_type(env.spec.env_data)
        node = Node(self._ids.new("ComputeNode"), name, env_id=env.env_id, env_name=env.spec.env_name)
        env.nodes[node.node_id] = node
        return node

    def _create(self, env: Env, node: Node, cause: str) -> None:
        node.state = NodeState.SUBMITTED
        node.reason = ""
        activity = self._activity(env, node, "CREATE_COMPUTE_NODE", cause)
        self._clock.call_later(self._delays.node_submitted, partial(self._creating, env, node, activity))

    def _creating(self, env: Env, node: Node, activity: Activity) -> None:
        node.state = NodeState.CREATING
        activity.state = "PROCESSING"
        self._clock.call_later(self._delays.node_creating, partial(self._created_or_not, env, node, activity))

    def _created_or_not(self, env: Env, node: Node, activity: Activity) -> None:
        error = creation_error(env.spec.env_data) if node.origin != ATTACHED else None
        if error is not None:
            self._creation_failed(env, node, activity, error)
            return
        node.instance_id = node.instance_id or self._ids.new("Instance")
        node.created = self._clock.time()
        self._node_enters(env, node, NodeState.CREATED, EventName.COMPUTE_NODE_CREATED)
        self._clock.call_later(self._delays.node_created, partial(self._booted, env, node, activity))

    def _creation_failed(self, env: Env, node: Node, activity: Activity, error: str) -> None:
        node.reason = error
        node.creation_failures += 1
        self._close(activity, "FAILED", error)
        self._node_enters(env, node, NodeState.CREATION_FAILED, EventName.COMPUTE_NODE_CREATION_FAILED)
        number = node.creation_failures
        if env.spec.action_if_compute_node_inactive == "RECREATE" and number <= env.spec.resource_max_retry_count:
            self._clock.call_later(self._delays.resource_retry(number), partial(self._create_again, env, node))

    def _create_again(self, env: Env, node: Node) -> None:
        if node.state is NodeState.CREATION_FAILED:
            self._create(env, node, f"CreateComputeNode {node.node_id}")

    def _booted(self, env: Env, node: Node, activity: Activity) -> None:
        if node.state is not NodeState.CREATED:
            self._close(activity, "FAILED", "the node was destroyed")
            return
        self._close(activity, "SUCCEED")
        self._node_enters(env, node, NodeState.RUNNING, EventName.COMPUTE_NODE_RUNNING)
        if node.instance_type == NODE_LOST and not env.has_lost_a_node:
            env.has_lost_a_node = True
            self._clock.call_later(self._delays.node_lost, partial(self._lose, env, node))
        self.on_idle()

    def _lose(self, env: Env, node: Node) -> None:
        if node.state is not NodeState.RUNNING:
            return
        self._node_enters(env, node, NodeState.ABNORMAL, EventName.COMPUTE_NODE_ABNORMAL)
        self.on_lost(node)
        if env.spec.action_if_compute_node_inactive == "RECREATE":
            self._clock.call_later(self._delays.node_deleting, partial(self._replace, env, node))

    def _replace(self, env: Env, node: Node) -> None:
        if node.state is NodeState.ABNORMAL:
            self.destroy(env, node, f"CreateComputeNode {node.node_id}")

    def _destroyed(self, env: Env, node: Node, activity: Activity) -> None:
        self._close(activity, "SUCCEED")
        env.nodes.pop(node.node_id, None)
        self._balance(env, f"CreateComputeNode {node.node_id}")

    def _deleted(self, env: Env) -> None:
        del self.by_id[env.env_id]
        self._announce(env, EventName.COMPUTE_ENV_DELETED)
        self.on_gone(env.env_id)

    # Activities and events

    def _activity(self, env: Env, node: Node, kind: str, cause: str) -> Activity:
        activity = Activity(self._ids.new("Activity"), kind, cause, node, self._clock.time())
        env.activities.append(activity)
        return activity

    def _close(self, activity: Activity, state: str, reason: str = "") -> None:
        activity.state, activity.reason, activity.end = state, reason, self._clock.time()

    def _node_enters(self, env: Env, node: Node, state: NodeState, event: EventName) -> None:
        node.state = state
        self._publisher.announce(event, node.event_fields, env.subscriptions, env.history)

    def _announce(self, env: Env, event: EventName) -> None:
        fields = {
            "EnvId": env.env_id,
            "EnvName": env.spec.env_name,
            "CreateTime": iso(env.created),
            "DesiredComputeNodeCount": env.spec.desired_compute_node_count,
        }
        self._publisher.announce(event, lambda: fields, env.subscriptions, env.history)


def cores_of(spec: EnvSpec, nodes: int) -> int:
    """Return how many cores so many nodes of an environment have."""
    return nodes * size_of(chosen_type(spec.env_data))[0]


def first_to_go(nodes: Iterable[Node]) -> list[Node]:
    """Return the nodes that can be destroyed, those that do nothing first."""
    return sorted((node for node in nodes if node.state in TERMINABLE), key=lambda node: node.busy)
