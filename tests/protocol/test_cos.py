# SPDX-License-Identifier: Apache-2.0
"""Objects read from COS by the vendor's own client, over HTTP, with signatures that are verified."""

from __future__ import annotations

import logging
import socket
import traceback

import pytest
from support.small_cos import SECRET_ID, SECRET_KEY, running_cos

from airflow_batch_events.events.outcomes.job_result import CosPath
from airflow_batch_events.exceptions import ConfigurationError, CosError
from airflow_batch_events.protocol import cos as cos_module
from airflow_batch_events.protocol.cos import check_client, read_object
from airflow_batch_events.protocol.credentials.access import CloudAccess

BUCKET = "results-1250000000"
PATH = CosPath(BUCKET, None, "a b/각.json")


@pytest.fixture
def cos():
    with running_cos() as cos:
        cos.objects[BUCKET, PATH.key] = b'{"rows": 7}'
        yield cos


def access(endpoint, **changes):
    settings = {"secret_id": SECRET_ID, "secret_key": SECRET_KEY, "region": "ap-guangzhou", **changes}
    return CloudAccess(cos_endpoint=endpoint, source="connection 'c'", **settings)


def test_an_object_is_read_with_the_connection_s_key(cos):
    assert read_object(access(cos.endpoint), PATH, 100) == b'{"rows": 7}'
    assert cos.asked == [(BUCKET, PATH.key)]
    assert cos.tokens == [None]


def test_a_temporary_key_brings_its_token(cos):
    assert read_object(access(cos.endpoint, token="temporary"), PATH, 100)
    assert cos.tokens == ["temporary"]


def test_an_object_that_was_stored_compressed_is_read_as_it_was(cos):
    cos.encoded.add((BUCKET, PATH.key))
    assert read_object(access(cos.endpoint), PATH, 100) == b'{"rows": 7}'


def test_of_a_large_object_no_more_is_read_than_shows_that_it_is(cos):
    cos.objects[BUCKET, "large"] = b"x" * 50_000_000
    assert len(read_object(access(cos.endpoint), PATH._replace(key="large"), 1000)) == 1001
    assert cos.sent < 40_000_000


def test_no_such_key_is_told_from_what_cannot_be_read(cos):
    assert read_object(access(cos.endpoint), PATH._replace(key="other"), 100) is None
    with pytest.raises(CosError, match="NoSuchBucket"):
        read_object(access(cos.endpoint), PATH._replace(bucket="other-1250000000"), 100)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (
            lambda cos: setattr(cos, "forbidden", True),
            r"AccessDenied \(HTTP 403\): key AKIDcos0\.\.\. needs .*GetObject",
        ),
        (lambda cos: cos.secrets.update({SECRET_ID: "another"}), r"SignatureDoesNotMatch \(HTTP 403\)"),
        (lambda cos: cos.failures.extend([302]), "a redirect, and none is followed"),
    ],
)
def test_a_refusal_says_whose_key_and_where(cos, spoil, why):
    spoil(cos)
    with pytest.raises(CosError, match=rf"Cannot read cos://{BUCKET}/.*in ap-guangzhou with connection 'c': .*{why}"):
        read_object(access(cos.endpoint), PATH, 100)


def test_a_server_that_fails_once_is_asked_again(cos, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    cos.failures += [503]
    assert read_object(access(cos.endpoint), PATH, 100) == b'{"rows": 7}'
    cos.failures += [500] * 10
    with pytest.raises(CosError, match="HTTP 500"):
        read_object(access(cos.endpoint), PATH, 100)


def test_what_does_not_answer_is_an_error_in_our_own_words(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    token = "-".join(["temporary", "token"])
    with pytest.raises(CosError, match="Connection refused") as failed:
        read_object(access(f"http://127.0.0.1:{port}", token=token), PATH, 100)
    told = "".join(traceback.format_exception(failed.value))
    assert token not in told
    assert "requests" not in told


def test_nothing_of_the_client_s_own_lines_reaches_a_log(cos, caplog):
    caplog.set_level(logging.DEBUG)
    cos.forbidden = True
    with pytest.raises(CosError):
        read_object(access(cos.endpoint, token="temporary-token"), PATH, 100)
    assert [record.name for record in caplog.records if record.name.startswith("qcloud_cos")] == []
    logging.getLogger("qcloud_cos").warning("heard again")
    assert "heard again" in caplog.text


def test_without_the_extra_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(cos_module, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"pip install 'airflow-batch-events\[cos\]'"):
        check_client()
