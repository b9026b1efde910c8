# SPDX-License-Identifier: Apache-2.0
"""
Which components an Airflow consists of, and how each of them is started.

This is data: ``stack.py`` starts whatever a topology lists, and knows no executor.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

API_SERVER = "api-server"
SCHEDULER = "scheduler"
DAG_PROCESSOR = "dag-processor"
TRIGGERER = "triggerer"
WORKER = "worker"


@dataclass(frozen=True)
class Role:
    """
    A kind of component.

    :param command: What follows ``airflow``; ``{name}`` stands for the component's name.
    :param job_type: What it calls itself in Airflow's table of jobs, or None when it is not there.
    :param ready: What it logs when it works, for one that neither the health page nor that table shows.
    """

    command: tuple[str, ...]
    job_type: str | None = None
    ready: str | None = None


# Without --skip-serve-logs these serve logs on all interfaces; here the API server reads them from disk.
_NO_LOG_SERVER = "--skip-serve-logs"
ROLES: Mapping[str, Role] = {
    API_SERVER: Role((API_SERVER,)),
    SCHEDULER: Role((SCHEDULER, _NO_LOG_SERVER), job_type="SchedulerJob"),
    DAG_PROCESSOR: Role((DAG_PROCESSOR,), job_type="DagProcessorJob"),
    TRIGGERER: Role((TRIGGERER, _NO_LOG_SERVER), job_type="TriggererJob"),
    WORKER: Role(("celery", WORKER, _NO_LOG_SERVER, "--celery-hostname", "{name}"), ready="@{name} ready."),
}


@dataclass(frozen=True)
class Topology:
    """
    The components of an Airflow, and the settings that make them one.

    :param components: Their names: a role, and for a further one of a role a number, ``triggerer-2``.
    :param settings: Variables for all of them.
    """

    components: tuple[str, ...]
    settings: Mapping[str, str]

    def role(self, name: str) -> Role:
        """
        Return what a component is: a triggerer for ``triggerer-2``.

        :raises ValueError: There is nothing of this kind here.
        """
        kinds = {kind_of(component) for component in self.components}
        if (kind := kind_of(name)) not in kinds:
            raise ValueError(f"{name!r} is no component of this Airflow; there are {', '.join(sorted(kinds))}")
        return ROLES[kind]


def kind_of(name: str) -> str:
    """Return the key of a component in :data:`ROLES`."""
    return re.sub(r"-\d+$", "", name)


LOCAL = Topology(
    (API_SERVER, SCHEDULER, DAG_PROCESSOR, TRIGGERER),
    {"AIRFLOW__CORE__EXECUTOR": "LocalExecutor"},
)
"""One of each, and tasks run in processes of the scheduler."""


def on_celery(broker: str) -> Topology:
    """
    Return two of each component that may die while another one goes on, with a queue of tasks between them.

    Each component has a host name of its own, as if each had a machine.

    :param broker: The URL of Redis.
    """
    twice = (SCHEDULER, WORKER, TRIGGERER)
    return Topology(
        (API_SERVER, DAG_PROCESSOR, *twice, *(f"{name}-2" for name in twice)),
        {
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CORE__HOSTNAME_CALLABLE": "component_host.name",
            "AIRFLOW__CELERY__BROKER_URL": broker,
            "AIRFLOW__CELERY__WORKER_CONCURRENCY": "4",
        },
    )
