# SPDX-License-Identifier: Apache-2.0
"""The vendor's default chain in an environment of its own, with a metadata service as machines of the cloud have it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from protocol.credentials.metadata_service import SECRET, Metadata

from airflow_batch_events.exceptions import CredentialsError
from airflow_batch_events.protocol.credentials import default_credentials
from airflow_batch_events.protocol.credentials.default_credentials import find_key

SOURCE = "connection 'c'"


def test_the_environment_comes_first(metadata: Metadata, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENCENTCLOUD_SECRET_ID", "AKIDenv")
    monkeypatch.setenv("TENCENTCLOUD_SECRET_KEY", SECRET)
    key, ask_again_at = find_key(SOURCE)
    assert (key.secret_id, key.secret_key, key.token, ask_again_at) == ("AKIDenv", SECRET, None, None)
    monkeypatch.setenv("TENCENTCLOUD_SECRET_ID", "AKIDnew")
    assert find_key(SOURCE)[0].secret_id == "AKIDnew"


@pytest.mark.parametrize(
    ("secret_id", "secret_key", "words"),
    [
        ("AKIDenv", f"{SECRET}\n", "begins or ends with a blank"),
        (" AKIDenv", SECRET, "begins or ends with a blank"),
        ("AKIDenv", f"{SECRET} {SECRET}", "the machine's: SecretKey has a blank, a line break or"),
        ("AKID\u2014env", SECRET, "the machine's: SecretId has a blank, a line break or"),
    ],
)
def test_a_key_of_the_machine_is_checked_like_a_given_one(
    metadata: Metadata, monkeypatch: pytest.MonkeyPatch, secret_id: str, secret_key: str, words: str
) -> None:
    monkeypatch.setenv("TENCENTCLOUD_SECRET_ID", secret_id)
    monkeypatch.setenv("TENCENTCLOUD_SECRET_KEY", secret_key)
    with pytest.raises(CredentialsError, match=f"connection 'c' has no key, and .*{words}") as caught:
        find_key(SOURCE)
    assert SECRET not in str(caught.value)
    assert caught.value.__context__ is None


def test_the_profile_file_is_read_each_time(metadata: Metadata, tmp_path: Path) -> None:
    path = tmp_path / ".tencentcloud" / "credentials"
    path.parent.mkdir()
    for number in (1, 2):
        path.write_text(f"[default]\nsecret_id = AKIDfile{number}\nsecret_key = {SECRET}\n")
        assert find_key(SOURCE)[0].secret_id == f"AKIDfile{number}"


def test_the_machine_s_role_gives_a_key_that_is_asked_for_again(metadata: Metadata) -> None:
    metadata.role, metadata.lasts = "worker", 200
    key, ask_again_at = find_key(SOURCE)
    assert (key.secret_id, key.token) == ("AKIDmachine1", "token-1")
    assert ask_again_at is not None
    assert 0 < ask_again_at - time.monotonic() <= default_credentials.ASK_AGAIN_AFTER
    metadata.number = 2
    assert find_key(SOURCE)[0].secret_id == "AKIDmachine2", "the SDK renews it five minutes before its end"


def test_a_machine_role_s_key_is_fetched_once_while_good(metadata: Metadata) -> None:
    metadata.role = "worker"
    assert find_key(SOURCE)[0] == find_key(SOURCE)[0]
    asked = metadata.asked
    metadata.number = 2
    refused = find_key(SOURCE)[0]
    assert metadata.asked == asked
    assert find_key(SOURCE, refused)[0].secret_id == "AKIDmachine2"


def test_a_machine_without_a_key_is_told_every_way_out(metadata: Metadata) -> None:
    with pytest.raises(CredentialsError) as caught:
        find_key(SOURCE)
    text = str(caught.value)
    assert text.startswith("connection 'c' has no key (SecretId as login, SecretKey as password)")
    for way in ("TENCENTCLOUD_SECRET_ID", "~/.tencentcloud/credentials", "give the machine a role"):
        assert way in text


def test_an_unreadable_profile_is_not_quoted(metadata: Metadata, tmp_path: Path) -> None:
    path = tmp_path / ".tencentcloud" / "credentials"
    path.parent.mkdir()
    path.write_text(f"secret_key = {SECRET}\n")
    with pytest.raises(CredentialsError, match="MissingSectionHeaderError") as caught:
        find_key(SOURCE)
    assert SECRET not in repr(caught.value)
    assert caught.value.__context__ is None


def test_a_metadata_service_that_hangs_is_given_up(metadata: Metadata, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(default_credentials, "BOUND", 0.1)
    metadata.hold.clear()
    with pytest.raises(CredentialsError, match="TimeoutError"):
        find_key(SOURCE)
