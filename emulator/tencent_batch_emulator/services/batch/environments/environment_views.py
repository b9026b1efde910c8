# SPDX-License-Identifier: Apache-2.0
"""How compute environments are shown: in answers, and on a console page."""

from __future__ import annotations

from typing import Any

from tencent_batch_emulator.services.batch.environments.environments import Activity, Env
from tencent_batch_emulator.services.batch.environments.nodes import NODE_COUNTERS
from tencent_batch_emulator.services.batch.jobs import job_views
from tencent_batch_emulator.services.tc3_schema import iso, write


def console_row(env: Env) -> dict[str, Any]:
    """Return an environment as a console page shows it."""
    return {
        **env_view(env),
        "ComputeNodeSet": [node.view() for node in env.nodes.values()],
        "NotificationTarget": env.spec.notification_target,
        "Events": [job_views.event_row(one) for one in env.history],
    }


def env_view(env: Env) -> dict[str, Any]:
    """Return an environment as DescribeComputeEnvs shows it."""
    counts = env.node_counts()
    return {
        "EnvId": env.env_id,
        "EnvName": env.spec.env_name,
        "Placement": write(env.placement),
        "CreateTime": iso(env.created),
        "ComputeNodeMetrics": {counter: counts.get(state, 0) for state, counter in NODE_COUNTERS.items()},
        "DesiredComputeNodeCount": env.spec.desired_compute_node_count,
        "EnvType": env.spec.env_type,
        "ResourceType": "CVM",
        "NextAction": "DELETING" if env.deleting else "",
        "AttachedComputeNodeCount": env.attached,
        "Tags": write(env.spec.tags),
    }


def create_info(env: Env) -> dict[str, Any]:
    """Return what an environment was created with."""
    spec = env.spec
    return {
        "EnvId": env.env_id,
        "EnvName": spec.env_name,
        "EnvDescription": spec.env_description,
        "EnvType": spec.env_type,
        "EnvData": write(spec.env_data),
        "MountDataDisks": write(spec.mount_data_disks or []),
        "InputMappings": write(spec.input_mappings or []),
        "Authentications": spec.authentications or [],
        "Notifications": write(spec.notifications or []),
        "DesiredComputeNodeCount": spec.desired_compute_node_count,
        "Tags": write(spec.tags),
    }


def activity_view(env: Env, activity: Activity) -> dict[str, Any]:
    """Return something that was done to a node."""
    return {
        "ActivityId": activity.activity_id,
        "ComputeNodeId": activity.node.node_id,
        "ComputeNodeActivityType": activity.kind,
        "EnvId": env.env_id,
        "Cause": activity.cause,
        "ActivityState": activity.state,
        "StateReason": activity.reason,
        "StartTime": iso(activity.start),
        "EndTime": iso(activity.end),
        "InstanceId": activity.node.instance_id,
    }
