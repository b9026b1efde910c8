# SPDX-License-Identifier: Apache-2.0
"""
The actions on compute environments: requests in, answers out.

Sources:

- CreateComputeEnv: https://cloud.tencent.com/document/product/599/15891
- DescribeComputeEnv: https://cloud.tencent.com/document/product/599/15892
- DescribeComputeEnvs: https://cloud.tencent.com/document/product/599/15893
"""

from __future__ import annotations

from typing import Any

from msgspec import field

from tencent_batch_emulator.services.base import ApiError
from tencent_batch_emulator.services.batch import validation
from tencent_batch_emulator.services.batch.environments.environment_views import activity_view, create_info, env_view
from tencent_batch_emulator.services.batch.environments.environments import (
    ATTACHED,
    Env,
    Environments,
    cores_of,
    first_to_go,
)
from tencent_batch_emulator.services.batch.environments.nodes import TERMINABLE, Node
from tencent_batch_emulator.services.batch.ids import check_id, is_id
from tencent_batch_emulator.services.batch.jobs.tokens import Tokens
from tencent_batch_emulator.services.batch.schema import EnvSpec, Opaque, Placement
from tencent_batch_emulator.services.batch.settings import Quotas
from tencent_batch_emulator.services.batch.vocabulary import NodeState
from tencent_batch_emulator.services.tc3_schema import Filter, Tc3Struct, at_most, matching, not_together, page


class CreateComputeEnv(Tc3Struct):
    compute_env: EnvSpec
    placement: Placement
    client_token: str | None = None


class OneEnv(Tc3Struct):
    env_id: str


class ManyEnvs(Tc3Struct):
    env_ids: list[str] | None = None
    filters: list[Filter] | None = None
    offset: int = 0
    limit: int = 20


class DescribeActivities(Tc3Struct):
    env_id: str
    offset: int = 0
    limit: int = 20
    filters: Filter | list[Filter] | None = None


class NewEnvData(Tc3Struct):
    instance_types: list[str]


class ModifyComputeEnv(Tc3Struct):
    env_id: str
    desired_compute_node_count: int | None = None
    env_name: str | None = None
    env_description: str | None = None
    env_data: NewEnvData | None = None


class TerminateComputeNode(Tc3Struct):
    env_id: str
    compute_node_id: str


class TerminateComputeNodes(Tc3Struct):
    env_id: str
    compute_node_ids: list[str]


class Attachment(Tc3Struct):
    instance_id: str
    image_id: str | None = None
    login_settings: Opaque | None = None


class AttachInstances(Tc3Struct):
    env_id: str
    instances: list[Attachment] = field(default_factory=list)


class DetachInstances(Tc3Struct):
    env_id: str
    instance_ids: list[str] = field(default_factory=list)


class EnvironmentActions:
    """
    What the API offers for compute environments.

    :param region: The zones of environments lie in it.
    """

    def __init__(self, environments: Environments, quotas: Quotas, region: str) -> None:
        self._environments = environments
        self._quotas = quotas
        self._region = region
        self._tokens: Tokens = Tokens()

    def create(self, request: CreateComputeEnv) -> dict[str, Any]:
        """Create an environment; the same ClientToken gets the same one again."""
        spec = request.compute_env
        validation.check_token(request.client_token)
        validation.check_placement(request.placement, self._region)
        validation.check_env(spec)
        known = self._tokens.get(request.client_token)
        if known is not None:
            return {"EnvId": known}
        if len(self._environments.by_id) >= self._quotas.compute_envs:
            raise ApiError(
                "LimitExceeded.ComputeEnvQuota",
                f"The account has {self._quotas.compute_envs} compute environments; delete one first.",
            )
        self._check_size(spec.desired_compute_node_count)
        self._check_cores(cores_of(spec, spec.desired_compute_node_count))
        env = self._environments.create(spec, request.placement)
        self._tokens.remember(request.client_token, env.env_id)
        return {"EnvId": env.env_id}

    def describe(self, request: OneEnv) -> dict[str, Any]:
        """Show one environment and its nodes."""
        env = self._find(request.env_id)
        return {**env_view(env), "ComputeNodeSet": [node.view() for node in env.nodes.values()]}

    def describe_many(self, request: ManyEnvs) -> dict[str, Any]:
        """List environments, the newest first."""
        for one in request.filters or []:
            if one.name == "resource-type" and not {"CVM", "CPM"}.issuperset(one.values):
                raise ApiError("InvalidParameterValue.ResourceType", "resource-type is not one of CVM, CPM.")
        found = self._select(request)
        return {"TotalCount": len(found), "ComputeEnvSet": [env_view(env) for env in _page(found, request)]}

    def describe_activities(self, request: DescribeActivities) -> dict[str, Any]:
        """List what was done to nodes, the newest first."""
        env = self._find(request.env_id)
        filters = [request.filters] if isinstance(request.filters, Filter) else request.filters or []
        for one in filters:
            if one.name == "compute-node-id":
                check_id("ComputeNode", *one.values)
        found = matching(reversed(env.activities), filters, {"compute-node-id": lambda one: [one.node.node_id]})
        shown = page(found, request.offset, request.limit, 100)
        return {"TotalCount": len(found), "ActivitySet": [activity_view(env, one) for one in shown]}

    def describe_create_info(self, request: OneEnv) -> dict[str, Any]:
        """Show what an environment was created with."""
        return create_info(self._find(request.env_id))

    def describe_create_infos(self, request: ManyEnvs) -> dict[str, Any]:
        """List what environments were created with."""
        found = self._select(request)
        infos = [create_info(env) for env in _page(found, request)]
        return {"TotalCount": len(found), "ComputeEnvCreateInfoSet": infos}

    def modify(self, request: ModifyComputeEnv) -> dict[str, Any]:
        """Change name, description, instance types or the number of nodes."""
        env = self._find(request.env_id)
        validation.check_env_texts(request.env_name, request.env_description)
        if request.env_data is not None:
            if not request.env_data.instance_types:
                raise ApiError("InvalidParameterValue.InstanceTypesEmpty", "EnvData.InstanceTypes is empty.")
            validation.check_instance_types(request.env_data.instance_types, "InvalidParameterValue.InstanceType")
        self._check_free(env)
        desired = request.desired_compute_node_count
        doomed = self._check_resize(env, desired) if desired is not None else []
        if request.env_name is not None:
            env.spec.env_name = request.env_name
        if request.env_description is not None:
            env.spec.env_description = request.env_description
        if request.env_data is not None and env.spec.env_data is not None:
            env.spec.env_data.instance_type = None
            env.spec.env_data.instance_type_options = None
            env.spec.env_data.instance_types = request.env_data.instance_types
        if desired is not None and desired != env.spec.desired_compute_node_count:
            self._environments.resize(env, desired, doomed)
        return {}

    def terminate_node(self, request: TerminateComputeNode) -> dict[str, Any]:
        """Destroy one node."""
        return self._terminate(request.env_id, [request.compute_node_id])

    def terminate_nodes(self, request: TerminateComputeNodes) -> dict[str, Any]:
        """Destroy nodes, all of them or none."""
        return self._terminate(request.env_id, request.compute_node_ids)

    def attach(self, request: AttachInstances) -> dict[str, Any]:
        """Add servers of the user's own; the emulator takes any id of the right shape for a running server."""
        env = self._find(request.env_id)
        ids = [one.instance_id for one in request.instances]
        _check_instance_ids(ids, "Instances")
        self._check_free(env)
        used = {node.instance_id for one in self._environments.by_id.values() for node in one.nodes.values()}
        for instance_id in ids:
            if not is_id("Instance", instance_id) or instance_id in used:
                raise ApiError(
                    "UnsupportedOperation.InstancesNotAllowToAttach",
                    f"{instance_id!r} is not a running server, or is in a compute environment already.",
                )
        for instance_id in ids:
            self._environments.attach(env, instance_id)
        return {}

    def detach(self, request: DetachInstances) -> dict[str, Any]:
        """Give attached servers back to their user."""
        env = self._find(request.env_id)
        _check_instance_ids(request.instance_ids, "InstanceIds")
        self._check_free(env)
        attached = {node.instance_id: node for node in env.nodes.values() if node.origin == ATTACHED}
        for instance_id in request.instance_ids:
            node = attached.get(instance_id)
            if node is None or node.state not in TERMINABLE:
                raise ApiError(
                    "UnsupportedOperation",
                    f"{instance_id!r} was not attached to {env.env_id} by its user, or is not ready to leave.",
                )
        for instance_id in request.instance_ids:
            self._environments.destroy(env, attached[instance_id], "DetachInstances")
        return {}

    def delete(self, request: OneEnv) -> dict[str, Any]:
        """Delete an environment that has no nodes any more."""
        env = self._find(request.env_id)
        if env.deleting:
            raise ApiError("UnsupportedOperation.AcceptOtherRequest", f"{env.env_id} is being deleted already.")
        if env.nodes:
            raise ApiError(
                "UnsupportedOperation.ComputeEnvOperation",
                f"{env.env_id} still has {len(env.nodes)} nodes; set DesiredComputeNodeCount to 0, detach what was "
                "attached and wait until they are gone.",
            )
        self._environments.delete(env)
        return {}

    def _find(self, env_id: str) -> Env:
        check_id("Env", env_id)
        env = self._environments.by_id.get(env_id)
        if env is None:
            raise ApiError("ResourceNotFound.ComputeEnv", f"The compute environment {env_id} does not exist.")
        return env

    def _select(self, request: ManyEnvs) -> list[Env]:
        not_together(request.env_ids, request.filters, "EnvIds")
        for one in request.filters or []:
            for value in one.values:
                if one.name == "zone":
                    validation.check_zone(value, self._region)
                elif one.name == "env-id":
                    check_id("Env", value)
        newest = list(reversed(self._environments.by_id.values()))
        if request.env_ids:
            at_most(len(request.env_ids), "EnvIds")
            check_id("Env", *request.env_ids)
            wanted = set(request.env_ids)
            return [env for env in newest if env.env_id in wanted]
        values = {
            "zone": lambda env: [env.placement.zone],
            "env-id": lambda env: [env.env_id],
            "env-name": lambda env: [env.spec.env_name],
            "resource-type": lambda env: ["CVM"],
        }
        return matching(newest, request.filters, values, lambda env: env.spec.tags or [])

    def _check_free(self, env: Env) -> None:
        if env.deleting:
            raise ApiError("UnsupportedOperation.ComputeEnvAcceptOtherRequest", f"{env.env_id} is being deleted.")

    def _check_size(self, desired: int) -> None:
        if desired < 0:
            raise ApiError("InvalidParameterValue.Negative", f"DesiredComputeNodeCount={desired} is negative.")
        if desired > self._quotas.nodes_per_env:
            raise ApiError(
                "InvalidParameterValue",
                f"DesiredComputeNodeCount={desired} is larger than {self._quotas.nodes_per_env}.",
            )

    def _check_cores(self, more: int) -> None:
        total = self._environments.cores() + more
        if total > self._quotas.cpus:
            raise ApiError("LimitExceeded.CpuQuota", f"{total} cores would be used; the quota is {self._quotas.cpus}.")

    def _check_resize(self, env: Env, desired: int) -> list[Node]:
        self._check_size(desired)
        surplus = env.spec.desired_compute_node_count - desired
        if surplus <= 0:
            self._check_cores(cores_of(env.spec, -surplus))
            return []
        nodes = env.own_nodes()
        if surplus > len(nodes):
            raise ApiError(
                "UnsupportedOperation.NotEnoughComputeNodesToTerminate",
                f"{surplus} nodes would have to go; {env.env_id} has {len(nodes)}.",
            )
        doomed = first_to_go(nodes)[:surplus]
        if len(doomed) < surplus:
            raise ApiError(
                "UnsupportedOperation.ComputeNodeForbidTerminate",
                f"Nodes of {env.env_id} are still being created; try again when they are CREATED.",
            )
        return doomed

    def _terminate(self, env_id: str, node_ids: list[str]) -> dict[str, Any]:
        env = self._find(env_id)
        at_most(len(node_ids), "ComputeNodeIds")
        check_id("ComputeNode", *node_ids)
        self._check_free(env)
        if len(set(node_ids)) < len(node_ids):
            raise ApiError("UnsupportedOperation", "A compute node is named twice in ComputeNodeIds.")
        nodes = [self._terminable(env, node_id) for node_id in node_ids]
        for node in nodes:
            if node.origin != ATTACHED:
                env.spec.desired_compute_node_count -= 1
            self._environments.destroy(env, node, f"TerminateComputeNode {node.node_id}")
        return {}

    def _terminable(self, env: Env, node_id: str) -> Node:
        node = env.nodes.get(node_id)
        if node is None:
            raise ApiError("ResourceNotFound.ComputeNode", f"{env.env_id} has no compute node {node_id}.")
        if node.state is NodeState.DELETING:
            raise ApiError("UnsupportedOperation.ComputeNodeIsTerminating", f"{node_id} is being destroyed already.")
        if node.state not in TERMINABLE:
            raise ApiError(
                "UnsupportedOperation.ComputeNodeForbidTerminate",
                f"{node_id} is {node.state}; wait until it is CREATED.",
            )
        return node


def _page(envs: list[Env], request: ManyEnvs) -> list[Env]:
    return list(page(envs, request.offset, request.limit, 100))


def _check_instance_ids(ids: list[str], name: str) -> None:
    if not ids:
        raise ApiError("MissingParameter", f"{name} is empty.")
    at_most(len(ids), name)
    if len(set(ids)) < len(ids):
        raise ApiError("InvalidParameterValue.InstanceIdDuplicated", f"A server is named twice in {name}.")
