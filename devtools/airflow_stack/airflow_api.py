# SPDX-License-Identifier: Apache-2.0
"""
The few calls of Airflow's REST API that driving it from outside takes.

Synchronous and without any Airflow import, so that a test or the demo sees only what a user of the API sees. A wait
that reaches its bound says what you would look up next: the state of each task.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any
from urllib.parse import quote

import httpx

from devtools.waits import LIMIT, wait_until

FINISHED_RUN = frozenset({"success", "failed"})
_PAGE = 100
_ALL = "~"
"""What the API takes for "any" in the place of a DAG or a run."""


class AirflowApiError(RuntimeError):
    """Airflow refused a call; the message carries the call, the status and Airflow's own words."""


class TokenAuth(httpx.Auth):
    """
    Ask for a token when a call is refused without one: Airflow 3.1 wants it from everybody, later ones from nobody.

    :param address: Where Airflow is.
    """

    requires_response_body = True

    def __init__(self, address: str) -> None:
        self._address = f"{address}/auth/token"
        self._token: str | None = None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send a request, and once more with a token when it was refused."""
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token}"
        answer = yield request
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            token = yield httpx.Request("GET", self._address)
            self._token = str(token.json()["access_token"])
            request.headers["Authorization"] = f"Bearer {self._token}"
            yield request


class AirflowApi:
    """
    A client of one Airflow.

    :param address: For example ``http://127.0.0.1:8080``.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        # trust_env: a proxy that is set for the outside world must not get calls to this machine.
        self._client = httpx.Client(
            base_url=f"{address}/api/v2", timeout=LIMIT, trust_env=False, auth=TokenAuth(address)
        )
        self._last_run: tuple[str, str] | None = None

    def __enter__(self) -> AirflowApi:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    # -- the installation

    def health(self) -> dict[str, str | None] | None:
        """Return the status of each component (``healthy``, ``unhealthy`` or None), or None when nothing answers."""
        health = self._health()
        return None if health is None else {name: (part or {}).get("status") for name, part in health.items()}

    def triggerer_heartbeat(self) -> datetime | None:
        """Return when a triggerer has last shown a sign of life; None when that cannot be said."""
        text = ((self._health() or {}).get("triggerer") or {}).get("latest_triggerer_heartbeat")
        return None if text is None else datetime.fromisoformat(text.replace("Z", "+00:00"))

    def _health(self) -> dict[str, Any] | None:
        try:
            answer = self._client.get("/monitor/health", timeout=5)
        except httpx.TransportError:
            return None
        return answer.json() if answer.status_code == httpx.codes.OK else None

    def started_components(self, job_type: str, since: datetime) -> int:
        """
        Count the components of a type that have started, and not ended, since a moment.

        :param job_type: ``SchedulerJob``, ``TriggererJob`` or ``DagProcessorJob``.
        """
        query = {"job_type": job_type, "job_state": "running", "start_date_gte": since.isoformat(), "limit": 1}
        return int(self._call("GET", "/jobs", params=query)["total_entries"])

    def import_errors(self) -> dict[str, str]:
        """Return the traceback of each DAG file that could not be read."""
        errors = self._call("GET", "/importErrors", params={"limit": _PAGE})["import_errors"]
        return {error["filename"]: error["stack_trace"] for error in errors}

    def variables(self) -> list[str]:
        """Return the names of all variables."""
        return [one["key"] for one in self._pages("/variables", "variables")]

    # -- DAGs and runs

    def wait_for_dag(self, dag_id: str, *, timeout: float = LIMIT) -> None:
        """
        Wait until a DAG has been read.

        :raises RuntimeError: A DAG file cannot be imported.
        :raises TimeoutError: It is in no file.
        """

        def poll() -> bool | None:
            if self._client.get(f"/dags/{quote(dag_id, safe='')}").status_code == httpx.codes.OK:
                return True
            if errors := self.import_errors():
                raise RuntimeError("\n".join(f"{name} cannot be imported:\n{trace}" for name, trace in errors.items()))
            return None

        wait_until(poll, timeout=timeout, failure=lambda: f"DAG {dag_id!r} has not been found within {timeout:g} s.")

    def unpause(self, dag_id: str) -> None:
        """Let the scheduler run a DAG, as soon as it has been read."""
        self.wait_for_dag(dag_id)
        self._call("PATCH", f"/dags/{quote(dag_id, safe='')}", json={"is_paused": False})

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None, *, run_id: str | None = None) -> str:
        """
        Start a run.

        :param conf: The run's parameters.
        :param run_id: Its name; Airflow makes one up when it is None.
        :return: Its name.
        """
        body = {"logical_date": None, "conf": dict(conf or {}), "dag_run_id": run_id}
        return str(self._call("POST", f"{_dag(dag_id)}/dagRuns", json=body)["dag_run_id"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return ``queued``, ``running``, ``success`` or ``failed``."""
        return str(self._call("GET", _run(dag_id, run_id))["state"])

    def run_states(self) -> dict[tuple[str, str], str]:
        """Return the state of each run of each DAG, by DAG and run id."""
        runs = self._pages(_run(_ALL, _ALL).removesuffix(f"/{_ALL}"), "dag_runs")
        return {(run["dag_id"], run["dag_run_id"]): run["state"] for run in runs}

    def wait_for_run(self, dag_id: str, run_id: str, *, timeout: float = LIMIT) -> str:
        """
        Wait until a run has ended.

        :return: ``success`` or ``failed``.
        :raises TimeoutError: It has not; the message lists the tasks.
        """

        self._last_run = (dag_id, run_id)

        def poll() -> str | None:
            state = self.run_state(dag_id, run_id)
            return state if state in FINISHED_RUN else None

        def failure() -> str:
            return f"Run {run_id!r} of {dag_id!r} has not ended within {timeout:g} s: {self._tell(dag_id, run_id)}"

        return wait_until(poll, timeout=timeout, failure=failure)

    def explain_last_run(self) -> str:
        """Return the tasks of the run that was last waited for, with the logs of those that failed."""
        if self._last_run is None:
            return ""
        try:
            failed = [task for task in self.task_instances(*self._last_run) if task["state"] == "failed"]
            lines = [
                f"{task_label(task)}:\n"
                + self.log(*self._last_run, task["task_id"], try_number=task["try_number"], map_index=task["map_index"])
                for task in failed
            ]
            return "\n".join([self._tell(*self._last_run), *lines])
        except (httpx.HTTPError, AirflowApiError) as error:
            return f"It cannot be asked: {error}"

    # -- tasks

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return the task instances of a run, mapped ones each."""
        return list(self._pages(f"{_run(dag_id, run_id)}/taskInstances", "task_instances"))

    def count_tasks(self, dag_id: str, run_id: str, state: str) -> int:
        """Return how many task instances of a run are in a state; cheap, however many there are."""
        query = {"state": state, "limit": 1}
        return int(self._call("GET", f"{_run(dag_id, run_id)}/taskInstances", params=query)["total_entries"])

    def all_task_instances(self) -> list[dict[str, Any]]:
        """Return the task instances of all runs of all DAGs, for one call where there would be many."""
        return self.task_instances(_ALL, _ALL)

    def states(self, dag_id: str, run_id: str) -> dict[str, str | None]:
        """Return the state of each task: ``{"submit": "success", "wait[3]": "deferred"}``."""
        return {task_label(task): task["state"] for task in self.task_instances(dag_id, run_id)}

    def wait_for_states(
        self, dag_id: str, run_id: str, task_id: str, states: Collection[str], *, count: int = 1, timeout: float = LIMIT
    ) -> list[dict[str, Any]]:
        """
        Wait until a task, or so many of its mapped instances, are in one of some states.

        :param count: How many instances have to be.
        :return: Those instances.
        """

        def poll() -> list[dict[str, Any]] | None:
            tasks = self.task_instances(dag_id, run_id)
            found = [task for task in tasks if task["task_id"] == task_id and task["state"] in states]
            return found if len(found) >= count else None

        def failure() -> str:
            wanted = " or ".join(sorted(states))
            return (
                f"Not {count} of task {task_id!r} in run {run_id!r} became {wanted} within {timeout:g} s: "
                f"{self._tell(dag_id, run_id)}"
            )

        return wait_until(poll, timeout=timeout, failure=failure)

    def xcom(self, dag_id: str, run_id: str, task_id: str, *, key: str = "return_value", map_index: int = -1) -> Any:
        """Return what a task handed on, or None when it has not."""
        path = f"{_task(dag_id, run_id, task_id)}/xcomEntries/{quote(key, safe='')}"
        answer = self._client.get(path, params={"map_index": map_index, "deserialize": True})
        return None if answer.status_code == httpx.codes.NOT_FOUND else _checked(answer)["value"]

    def log(self, dag_id: str, run_id: str, task_id: str, *, try_number: int = 1, map_index: int = -1) -> str:
        """Return the log of one try of a task as text, one line an entry."""
        query = {"map_index": map_index, "full_content": True}
        content = self._call("GET", f"{_task(dag_id, run_id, task_id)}/logs/{try_number}", params=query)["content"]
        return "\n".join(_log_line(entry) for entry in content)

    def mark(self, dag_id: str, run_id: str, task_id: str, state: str, *, map_index: int | None = None) -> None:
        """Set the state of a task by hand: ``failed``, ``success`` or ``skipped``."""
        path = _task(dag_id, run_id, task_id) + (f"/{map_index}" if map_index is not None else "")
        self._call("PATCH", path, json={"new_state": state})

    def clear(self, dag_id: str, run_id: str, *task_ids: str) -> None:
        """Let tasks of a run run again."""
        body = {"dry_run": False, "dag_run_id": run_id, "task_ids": list(task_ids), "only_failed": False}
        self._call("POST", f"{_dag(dag_id)}/clearTaskInstances", json=body)

    # -- calls

    def _tell(self, dag_id: str, run_id: str) -> str:
        return ", ".join(f"{task} {state}" for task, state in sorted(self.states(dag_id, run_id).items()))

    def _pages(self, path: str, key: str) -> Iterator[dict[str, Any]]:
        offset = 0
        while True:
            page = self._call("GET", path, params={"limit": _PAGE, "offset": offset})
            yield from page[key]
            offset += len(page[key])
            if not page[key] or offset >= page["total_entries"]:
                return

    def _call(self, method: str, path: str, **kwargs: Any) -> dict[str, Any]:
        return _checked(self._client.request(method, path, **kwargs))


def task_label(task: Mapping[str, Any]) -> str:
    """Return how people write a task instance: ``submit``, or ``wait[3]`` when it is mapped."""
    return task["task_id"] if task["map_index"] < 0 else f"{task['task_id']}[{task['map_index']}]"


def _checked(answer: httpx.Response) -> dict[str, Any]:
    if answer.is_error:
        request = answer.request
        raise AirflowApiError(f"{request.method} {request.url.path}: {answer.status_code}: {answer.text}")
    return dict(answer.json())


def _log_line(entry: str | Mapping[str, Any]) -> str:
    if isinstance(entry, str):
        return entry
    detail = entry.get("error_detail") or []
    causes = "".join(f"\n{cause.get('exc_type')}: {cause.get('exc_value')}" for cause in detail)
    return f"{entry.get('timestamp', '')} {entry.get('level', '')} {entry['event']}{causes}"


def _dag(dag_id: str) -> str:
    return f"/dags/{quote(dag_id, safe='')}"


def _run(dag_id: str, run_id: str) -> str:
    return f"{_dag(dag_id)}/dagRuns/{quote(run_id, safe='')}"


def _task(dag_id: str, run_id: str, task_id: str) -> str:
    return f"{_run(dag_id, run_id)}/taskInstances/{quote(task_id, safe='')}"
