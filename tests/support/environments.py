# SPDX-License-Identifier: Apache-2.0
"""Compute environments in tests: a description, tasks that create, change and delete one, and what the cloud has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.tasks import TaskRunner

from airflow_batch_events.hooks.batch import BatchHook
from airflow_batch_events.operators.compute_env import (
    BatchCreateComputeEnvOperator,
    BatchDeleteComputeEnvOperator,
    BatchModifyComputeEnvOperator,
)
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.protocol.apis.batch_answers import ComputeEnv
from tencent_batch_emulator.services.batch.settings import Delays, Quotas
from tencent_batch_emulator.testing import RunningEmulator, start_emulator

PLACEMENT = {"Zone": "ap-guangzhou-6"}
DEFAULTS = {"task_id": "t", "deferrable": False, "poll_interval": 0.05}


@pytest.fixture
def small_account() -> Iterator[RunningEmulator]:
    """
    A cloud for each test, with room for two environments, whose nodes come and go at once.

    A file of tests has it in place of the shared one with ``shared_emulator = small_account``.
    """
    delays = Delays.none(node_creating=0.05, node_deleting=0.05, resource_retry_scale=0.0001)
    with start_emulator(delays=delays, quotas=Quotas(compute_envs=2), seed=1) as emulator:
        yield emulator


def env(nodes: Any = 2, **fields: Any) -> dict[str, Any]:
    """Return the description of an environment."""
    data = {"InstanceType": "S5.MEDIUM2", "ImageId": "img-eb30mz89", **fields.pop("EnvData", {})}
    return {"EnvName": "render", "EnvData": data, "DesiredComputeNodeCount": nodes, **fields}


def create(compute_env: dict[str, Any] | None = None, **kwargs: Any) -> TaskRunner:
    """Return a task that creates an environment."""
    described = env() if compute_env is None else compute_env
    settings = {**DEFAULTS, "compute_env": described, "placement": PLACEMENT, **kwargs}
    return TaskRunner(lambda: BatchCreateComputeEnvOperator(**settings))


def modify(env_id: str, **kwargs: Any) -> TaskRunner:
    """Return a task that changes an environment."""
    return TaskRunner(lambda: BatchModifyComputeEnvOperator(**{**DEFAULTS, "env_id": env_id, **kwargs}))


def delete(env_id: str, **kwargs: Any) -> TaskRunner:
    """Return a task that deletes an environment."""
    return TaskRunner(lambda: BatchDeleteComputeEnvOperator(**{**DEFAULTS, "env_id": env_id, **kwargs}))


def shown(env_id: str) -> ComputeEnv:
    """Return an environment as the API shows it."""
    return BatchHook().send(batch.describe_compute_env(env_id))


def created(cloud: RunningEmulator) -> int:
    """Return how many environments there are."""
    return len(cloud.call(lambda emulator: emulator.batch.env_rows()))
