# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from support.airflow_names import FORBIDDEN_XCOM_KEYS, serialize

from airflow_batch_events.airflow_compat.serialization import MAX_SHOWN, RESERVED_KEYS, Payload


def test_all_keys_that_airflow_takes_for_its_own_are_known() -> None:
    # Airflow 3.1 takes the same keys and has no list of them.
    assert FORBIDDEN_XCOM_KEYS in (RESERVED_KEYS, None)


def test_a_log_shows_no_more_than_a_line_of_a_payload() -> None:
    """The triggerer reads its log 4 KiB between two queries of the database."""
    payload = Payload({"body": "\x1b[2J\n" * 100_000})
    for shown in (repr(payload), str(payload)):
        assert "{'body': " in shown
        assert len(shown) <= MAX_SHOWN + 20
        assert shown.isprintable()


def test_a_payload_is_a_dictionary_like_any_other() -> None:
    assert Payload({"a": 1}) == {"a": 1}
    assert serialize(Payload({"a": 1})) == serialize({"a": 1})
