# SPDX-License-Identifier: Apache-2.0
"""A compute environment as the API shows it, and what it answers instead."""

from __future__ import annotations

from dataclasses import dataclass, field

from airflow_batch_events.exceptions import (
    ApiNotFoundError,
    ApiParameterError,
)

ENV = "env-12345678"


@dataclass
class Node:
    node_id: str
    state: str
    raw: dict = field(default_factory=dict)


@dataclass
class Env:
    desired_node_count: int
    nodes: list[Node]
    next_action: str = ""


def nodes(*states, **raw):
    return [Node(f"node-{number:08}", state, raw) for number, state in enumerate(states)]


def missing():
    return ApiNotFoundError("DescribeComputeEnv", "ResourceNotFound.ComputeEnv", "no such environment")


def malformed(action="DescribeComputeEnv"):
    return ApiParameterError(action, "InvalidParameter.EnvIdMalformed", "bad id")
