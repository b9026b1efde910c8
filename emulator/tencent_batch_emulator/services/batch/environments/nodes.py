# SPDX-License-Identifier: Apache-2.0
"""Compute nodes: the servers on which instances run, in an environment or made for one execution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tencent_batch_emulator.services.batch.catalog import size_of
from tencent_batch_emulator.services.batch.vocabulary import NodeState
from tencent_batch_emulator.services.tc3_schema import iso

NODE_COUNTERS = {
    NodeState.SUBMITTED: "SubmittedCount",
    NodeState.CREATING: "CreatingCount",
    NodeState.CREATION_FAILED: "CreationFailedCount",
    NodeState.CREATED: "CreatedCount",
    NodeState.RUNNING: "RunningCount",
    NodeState.DELETING: "DeletingCount",
    NodeState.ABNORMAL: "AbnormalCount",
}

TERMINABLE = frozenset({NodeState.CREATED, NodeState.CREATION_FAILED, NodeState.RUNNING, NodeState.ABNORMAL})
"""The states in which a node may be destroyed."""


@dataclass(slots=True, eq=False)
class Node:
    """
    One compute node.

    :param node_id: ``node-...``
    :param instance_id: The cloud server, ``ins-...``; empty until it is created.
    :param instance_type: Decides about cores and memory.
    :param env_id: Its environment; empty for a node made for one execution.
    :param busy: Whether an instance occupies it, or it restarts.
    :param creation_failures: How often its server could not be created.
    """

    node_id: str
    instance_type: str
    env_id: str = ""
    env_name: str = ""
    state: NodeState = NodeState.SUBMITTED
    instance_id: str = ""
    created: float | None = None
    origin: str = "BATCH_CREATED"
    busy: bool = False
    reason: str = ""
    creation_failures: int = 0

    @property
    def is_idle(self) -> bool:
        """Whether an instance may start on it."""
        return self.state is NodeState.RUNNING and not self.busy

    def event_fields(self) -> dict[str, Any]:
        """Return the ``Batch`` part of an event about it."""
        cpu, mem = size_of(self.instance_type)
        fields: dict[str, Any] = {
            "ComputeNodeId": self.node_id,
            "EnvId": self.env_id,
            "ComputeNodeState": self.state.value,
            "Mem": mem,
            "ResourceCreatedTime": iso(self.created),
            "EnvName": self.env_name,
            "ComputeNodeInstanceId": self.instance_id,
            "Cpu": cpu,
        }
        if self.reason:
            fields["StateReason"] = self.reason
        return fields

    def view(self) -> dict[str, Any]:
        """Return the node as DescribeComputeEnv shows it."""
        cpu, mem = size_of(self.instance_type)
        has_server = bool(self.instance_id)
        return {
            "ComputeNodeId": self.node_id,
            "ComputeNodeInstanceId": self.instance_id,
            "ComputeNodeState": self.state.value,
            "Cpu": cpu,
            "Mem": mem,
            "ResourceCreatedTime": iso(self.created),
            "TaskInstanceNumAvailable": int(self.is_idle),
            "AgentVersion": "1.0.0" if has_server else "",
            "PrivateIpAddresses": ["10.0.0.1"] if has_server else [],
            "PublicIpAddresses": [],
            "ResourceType": "CVM",
            "ResourceOrigin": self.origin,
        }
