# SPDX-License-Identifier: Apache-2.0
"""A payload that Airflow cannot carry: whatever is storable passes all that Airflow does with a trigger's event."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow.sdk.execution_time.comms import _RequestFrame
from airflow.serialization.serialized_objects import BaseSerialization
from airflow.triggers.base import TriggerEvent
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue, TypeAdapter
from sqlalchemy import JSON, Column, MetaData, Table, create_engine
from sqlalchemy.dialects.postgresql import JSONB
from support.airflow_names import deserialize, serialize, state_changes

from airflow_batch_events.airflow_compat.serialization import RESERVED_KEYS
from airflow_batch_events.exceptions import NotStorableError
from airflow_batch_events.waiting.storable import MAX_DEPTH, MAX_KEY, MAX_SIZE, storable
from devtools.airflow_stack import mysql_server
from devtools.airflow_stack.databases import chosen, database_server

Carry = Callable[[Any], Any]

TEXTS = st.text(st.characters(exclude_categories=())) | st.sampled_from(["a\0b", "\ud83d", "\udc00\ud800", "\x1b[2J"])
KEYS = TEXTS | st.sampled_from(sorted(RESERVED_KEYS)) | st.sampled_from(["__classname___", "1"])
NUMBERS = st.integers() | st.integers(2**62, 2**70) | st.floats()
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner) | st.tuples(inner, inner),
    max_leaves=20,
)


# An asset event's extra, and a task's next_kwargs.
CARRIED = Table(
    "carried",
    MetaData(),
    Column("extra", JSON, nullable=False),
    Column("next_kwargs", JSON().with_variant(JSONB, "postgresql"), nullable=False),
)


@pytest.fixture(scope="module")
def carry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Carry]:
    """What Airflow does with a payload between a trigger and a worker, the real database included."""
    with database_server(tmp_path_factory.mktemp("database") / "log") as server:
        engine = create_engine(server.create_database("carried"))
        CARRIED.create(engine)

        def through(payload: Any) -> Any:
            _RequestFrame(id=1, body=state_changes(TriggerEvent(payload)).model_dump()).as_bytes()
            TypeAdapter(JsonValue).validate_python(payload)
            with engine.connect() as connection:
                values = {"extra": {"payload": payload}, "next_kwargs": serialize({"event": payload})}
                connection.execute(CARRIED.insert(), values)
                stored = connection.execute(CARRIED.select()).one()
                connection.rollback()
            assert rounded(stored.extra) == rounded({"payload": payload})
            read = deserialize(stored.next_kwargs)
            _RequestFrame(id=1, body={"event": read}).as_bytes()
            assert BaseSerialization.deserialize(BaseSerialization.serialize(payload)) == payload
            assert isinstance(read, dict)
            return read["event"]

        yield through
        engine.dispose()


@pytest.mark.slow(reason="what is largest, many times")
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=VALUES)
def test_what_is_storable_comes_through_unchanged(carry: Carry, value: Any) -> None:
    try:
        made = storable(value)
    except NotStorableError:
        return
    assert rounded(carry(made)) == rounded(made)


def rounded(value: Any) -> Any:
    """A database may write a large float as an integer."""
    if isinstance(value, list):
        return [rounded(item) for item in value]
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return float(value) if isinstance(value, int | float) else value


@given(value=VALUES)
def test_what_is_storable_stays_as_it_is(value: Any) -> None:
    try:
        made = storable(value)
    except NotStorableError:
        return
    assert storable(made) == made


@pytest.mark.parametrize(
    ("given_value", "expected"),
    [
        ("a\0b", "a\ufffdb"),
        ("\ud83d", "\ufffd"),
        ("\U0001f600", "\U0001f600"),
        (2**63 - 1, 2**63 - 1),
        (2**63, "9223372036854775808"),
        (-(2**63) - 1, "-9223372036854775809"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (1e300, "1e+300"),
        (1.5, 1.5),
        (True, True),
        ((1, 2), [1, 2]),
        ({3}, [3]),
        ({1: "a", None: "b"}, {"1": "a", "None": "b"}),
        ({"a\0": 1}, {"a\ufffd": 1}),
        ({"__classname__": "os.system", "__version__": 1}, {"__classname___": "os.system", "__version___": 1}),
        ({"__type": "set", "__var": [1]}, {"__type_": "set", "__var_": [1]}),
    ],
    ids=repr,
)
def test_what_cannot_be_stored_is_written_otherwise(given_value: Any, expected: Any) -> None:
    assert storable(given_value) == expected


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (nested(MAX_DEPTH + 1), "levels"),
        (nested(900), "levels"),
        ({"a\0": 1, "a\ud800": 2}, "two of its keys"),
        ({1: 1, "1": 2}, "two of its keys"),
        ({"__type": 1, "__type_": 2}, "two of its keys"),
        ("x" * (MAX_SIZE + 1), "larger"),
        ([0] * (MAX_SIZE // 8 + 1), "larger"),
        ({"k" * (MAX_KEY + 1): 1}, "a key of more"),
        (10**5000, "too long"),
        ({10**5000: 1}, "too long"),
        (b"bytes", "bytes"),
        (object(), "object"),
        ({(1, 2): 1}, "a key that is a tuple"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 30 else "",
)
def test_what_cannot_be_made_storable_is_refused(value: Any, reason: str) -> None:
    with pytest.raises(NotStorableError, match=reason):
        storable(value)


def test_a_value_that_contains_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(NotStorableError):
        storable(endless)


@pytest.mark.slow(reason="values of the largest size")
def test_the_largest_and_the_deepest_come_through(carry: Carry) -> None:
    values: list[Any] = ["\x01" * (MAX_SIZE - 8), {"k" * MAX_KEY: 1}]
    # MariaDB, which Airflow does not support, takes 32 levels, those around a payload among them.
    if not is_on_mariadb():
        values.append(nested(MAX_DEPTH))
    for value in values:
        made = storable(value)
        assert carry(made) == made


def is_on_mariadb() -> bool:
    program = mysql_server.installed() if chosen() == "mysql" else None
    return program is not None and mysql_server.is_mariadb(program)
