# SPDX-License-Identifier: Apache-2.0
"""
After a run that used, refused and failed with secrets, nothing that was written holds one.

Searched are the files of every component, the tasks' logs and rendered templates, XComs, and each row of each table.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import secrets
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg2
import psycopg2.sql
import pytest

from airflow_batch_events.exceptions import CloudError
from airflow_batch_events.protocol.apis import batch
from airflow_batch_events.protocol.cmq import CmqClient
from airflow_batch_events.protocol.credentials.access import CloudAccess
from airflow_batch_events.protocol.sdk import AsyncSdkClient, SdkClient
from devtools.airflow_stack.airflow_api import TokenAuth
from devtools.airflow_stack.stack import AirflowStack
from devtools.emulator_process import CloudAddress, provision
from devtools.waits import LIMIT

TOPIC = "secret-events"
QUEUE = "secret-waits"
DAG = "secret_keepers"


@dataclass(frozen=True)
class Secret:
    """A value that must not be found, and the forms in which it could be written down."""

    name: str
    value: str

    def is_in(self, text: str) -> bool:
        encoded = base64.b64encode(self.value.encode()).decode().rstrip("=")
        return any(form in text for form in (self.value, urllib.parse.quote(self.value, safe=""), encoded))


@pytest.fixture(scope="module")
def secrets_of_the_run(emulator: CloudAddress) -> list[Secret]:
    # Marks that have to be encoded somewhere, so that an encoded copy would be another text.
    return [
        Secret("the key", emulator.secret_key),
        Secret("a key that is refused", f"wrong/{secrets.token_urlsafe(24)}+="),
        Secret("a token", f"token/{secrets.token_urlsafe(48)}+="),
        Secret("a proxy's password", secrets.token_urlsafe(24)),
    ]


def connections(emulator: CloudAddress, values: list[Secret]) -> dict[str, dict[str, object]]:
    """Return what the DAG's tasks use: a right key, a refused key, and an address where nobody answers."""
    right = emulator.connection()
    _, refused, token, _ = values
    extra = dict(right["extra"])  # type: ignore[call-overload]
    nowhere = dict.fromkeys(("batch_endpoint", "tdmq_endpoint", "cmq_endpoint"), "http://127.0.0.1:1")
    return {
        "secret_right": right,
        "secret_refused": {**right, "password": refused.value},
        "secret_token": {**right, "extra": {**extra, "token": token.value}},
        "secret_nowhere": {**right, "extra": {**extra, **nowhere, "token": token.value}},
    }


@pytest.fixture(scope="module")
def written(
    stack: AirflowStack, emulator: CloudAddress, secrets_of_the_run: list[Secret]
) -> dict[str, list[tuple[str, str]]]:
    """Everything that a run has written: by kind, places and their texts."""
    provision(emulator, TOPIC, QUEUE)
    api, token = f"{stack.address}/api/v2", TokenAuth(stack.address)
    with httpx.Client(base_url=api, trust_env=False, timeout=LIMIT, auth=token) as client:
        for conn_id, fields in connections(emulator, secrets_of_the_run).items():
            body = {**fields, "connection_id": conn_id, "extra": json.dumps(fields["extra"])}
            client.post("/connections", json=body).raise_for_status()
        stack.api.unpause(DAG)
        run_id = stack.api.trigger(DAG, {"topic": TOPIC, "queue": QUEUE})
        assert stack.api.wait_for_run(DAG, run_id) == "failed"
        states = stack.api.states(DAG, run_id)
        assert {task: state for task, state in states.items() if state != "failed"} == {"right": "success"}
        base = f"/dags/{DAG}/dagRuns/{run_id}"
        paths = [f"{base}/taskInstances", *(f"{base}/taskInstances/{task}/xcomEntries" for task in states)]
        paths += [f"{base}/taskInstances/{task}" for task in states] + ["/connections"]
        answers = [(path, client.get(path).raise_for_status().text) for path in paths]
    return {
        "files": list(files_of(stack)),
        "task logs": [(task, stack.api.log(DAG, run_id, task)) for task in states],
        "answers of the API": answers,
        "tables": list(tables_of(stack)),
    }


def files_of(stack: AirflowStack) -> Iterator[tuple[str, str]]:
    for path in stack.home.rglob("*"):
        if path.is_file():
            yield str(path.relative_to(stack.home)), path.read_bytes().decode(errors="replace")


def tables_of(stack: AirflowStack) -> Iterator[tuple[str, str]]:
    address = stack.database.replace("postgresql+psycopg2://", "postgresql://")
    with psycopg2.connect(address) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (table,) in cursor.fetchall():
            query = psycopg2.sql.SQL("SELECT row::text FROM {} AS row")
            cursor.execute(query.format(psycopg2.sql.Identifier(table)))
            for (row,) in cursor.fetchall():
                # Binary columns are written in hexadecimal digits.
                yield table, row
                yield from ((table, text) for text in binary_of(row))


def binary_of(row: str) -> Iterator[str]:
    for part in row.split('"\\\\x')[1:] + row.split(",\\x")[1:]:
        digits = part.split('"')[0].split(",")[0].rstrip(")")
        try:
            yield bytes.fromhex(digits).decode(errors="replace")
        except ValueError:
            continue


@pytest.mark.parametrize("kind", ["files", "task logs", "answers of the API", "tables"])
def test_a_run_writes_no_secret(
    written: dict[str, list[tuple[str, str]]], secrets_of_the_run: list[Secret], kind: str
) -> None:
    texts = written[kind]
    assert texts, "there is something to search"
    found = {(secret.name, place) for place, text in texts for secret in secrets_of_the_run if secret.is_in(text)}
    assert found == set()


def test_the_search_would_find_what_a_task_prints(written: dict[str, list[tuple[str, str]]]) -> None:
    """The tasks print their marks: a search that does not find those would find no secret either."""
    for kind, mark in (
        ("files", "Submitted job"),
        ("task logs", "SecretId as login"),
        ("answers of the API", TOPIC),
        ("tables", TOPIC),
    ):
        assert any(mark in text for _, text in written[kind]), kind


def test_clients_and_their_errors_show_no_secret(
    emulator: CloudAddress, secrets_of_the_run: list[Secret], caplog: pytest.LogCaptureFixture
) -> None:
    _, refused, token, password = secrets_of_the_run
    proxy = f"http://user:{password.value}@127.0.0.1:1"
    place: dict[str, Any] = {
        "batch_endpoint": emulator.endpoint,
        "cmq_endpoint": emulator.endpoint,
        "region": emulator.region,
    }
    accesses = [
        CloudAccess(emulator.secret_id, refused.value, token=token.value, **place),
        CloudAccess(emulator.secret_id, emulator.secret_key, token=token.value, proxy=proxy, **place),
        CloudAccess(emulator.secret_id, emulator.secret_key, token=token.value, **place),
    ]
    texts: list[str] = []
    with caplog.at_level(logging.DEBUG):
        for access in accesses:
            texts += [repr(access), str(access)]
            texts += asyncio.run(failures_of(access))
    texts += [record.getMessage() for record in caplog.records]
    assert any("AuthFailure" in text for text in texts), "the clients were refused"
    assert [(secret.name, text) for text in texts for secret in secrets_of_the_run if secret.is_in(text)] == []


async def failures_of(access: CloudAccess) -> list[str]:
    """Return what clients and the errors of their calls show."""
    texts = []
    with SdkClient(access) as client:
        texts.append(repr(client))
        try:
            client.send(batch.describe_jobs())
        except CloudError as error:
            texts += chain_of(error)
    async with AsyncSdkClient(access) as asynchronous, CmqClient(access, retries=0) as queue:
        texts += [repr(asynchronous), repr(queue)]
        for call in (asynchronous.send(batch.describe_jobs()), queue.receive(QUEUE, wait_seconds=0)):
            try:
                await call
            except CloudError as error:
                texts += chain_of(error)
    return texts


def chain_of(error: BaseException) -> list[str]:
    """Return what an error and its causes show, as a traceback would."""
    texts, cause = [], error
    while cause is not None:
        texts += [repr(cause), str(cause), repr(vars(cause))]
        cause = cause.__cause__ or cause.__context__  # type: ignore[assignment]
    return texts
