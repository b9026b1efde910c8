# SPDX-License-Identifier: Apache-2.0
"""
Settings of the emulated service: how long things take, how much is allowed, and which values make a creation fail.

Reserved values make a creation fail without any fault plan, in every test alike; nothing else is special:

============================  ==========================================================================
``ImageId`` = ``img-badimage``      the cloud server cannot be created
``InstanceType`` = ``NOCAPACITY``   no server of this type is left; ``InstanceTypes`` go on to the next one
``InstanceType`` = ``NODELOST``     the server runs, then turns ABNORMAL; in an environment only the first one does
============================  ==========================================================================
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from tencent_batch_emulator.services.batch.schema import EnvData

BAD_IMAGE = "img-badimage"
NO_CAPACITY = "NOCAPACITY"
NODE_LOST = "NODELOST"


@dataclass(frozen=True)
class Delays:
    """
    How long each step takes, in seconds of the emulator's clock.

    :param submitted: A job is SUBMITTED, then parsed.
    :param runnable: An instance is RUNNABLE at least this long.
    :param starting: An instance is STARTING: its server is created, or its node is prepared.
    :param terminating: From a termination request until it takes effect.
    :param node_submitted: A node of an environment waits before it is created.
    :param node_creating: It is created.
    :param node_created: It boots.
    :param node_deleting: It is destroyed.
    :param node_lost: A node of the type ``NODELOST`` runs before it turns ABNORMAL.
    :param resource_retry_scale: Factor on the documented pauses (600 to 3600 s) between creations that failed.
    """

    submitted: float = 0.1
    runnable: float = 0.1
    starting: float = 0.1
    terminating: float = 0.1
    node_submitted: float = 0.1
    node_creating: float = 0.1
    node_created: float = 0.1
    node_deleting: float = 0.1
    node_lost: float = 2.0
    resource_retry_scale: float = 1.0

    @classmethod
    def none(cls, **kept: float) -> Delays:
        """Return delays of zero for load tests, but for those that are named."""
        zero: dict[str, Any] = {field.name: 0.0 for field in fields(cls)}
        return cls(**{**zero, **kept})

    def resource_retry(self, number: int) -> float:
        """Return the pause before the creation retry of that number, counted from 1."""
        for last, seconds in ((3, 600), (10, 900), (50, 1800)):
            if number <= last:
                return seconds * self.resource_retry_scale
        return 3600 * self.resource_retry_scale


@dataclass(frozen=True)
class Quotas:
    """
    How much an account may have; by default as in the cloud.

    :param cpus: Cores of all nodes that environments ask for; the cloud's own number is not published.
    """

    jobs: int = 1000
    task_templates: int = 50
    compute_envs: int = 10
    nodes_per_env: int = 2000
    cpus: int = 20_000


def creation_error(data: EnvData | None) -> str | None:
    """Return why a server of this kind cannot be created, or None."""
    if data is None:
        return None
    if data.image_id == BAD_IMAGE:
        return f"InternalError.CallCvm:InvalidImageId.NotFound: the image {BAD_IMAGE} cannot be used"
    if data.types and all(name == NO_CAPACITY for name in data.types):
        return f"InternalError.CallCvm:ResourceInsufficient: no server of type {NO_CAPACITY} is left"
    return None


def chosen_type(data: EnvData | None) -> str:
    """Return the instance type that a server gets: the first in the list that has servers left."""
    names = [name for name in (data.types if data else []) if name != NO_CAPACITY]
    return names[0] if names else ""
