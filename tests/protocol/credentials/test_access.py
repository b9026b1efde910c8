# SPDX-License-Identifier: Apache-2.0
"""What a user sees when the connection is wrong, and what nobody ever sees."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_batch_events.exceptions import ConfigurationError, CredentialsError
from airflow_batch_events.protocol.credentials.access import CloudAccess

GOOD: dict[str, Any] = {
    "secret_id": "AKIDx",
    "secret_key": "k3y",
    "region": "ap-guangzhou",
    "source": "connection 'tc'",
}


def test_no_secret_is_shown_by_repr_or_str() -> None:
    access = CloudAccess(**GOOD, token="t0ken", proxy="http://user:passw0rd@proxy:3128")
    for shown in (repr(access), str(access), f"{access}"):
        assert "k3y" not in shown
        assert "t0ken" not in shown
        assert "passw0rd" not in shown
    assert "AKIDx" in repr(access)


@pytest.mark.parametrize("field", ["secret_id", "secret_key"])
@pytest.mark.parametrize("value", ["", " k3y", "k3y\n"])
def test_a_missing_or_padded_key_is_named_by_source_and_field(field: str, value: str) -> None:
    with pytest.raises(CredentialsError, match=rf"connection 'tc'.*{field}") as refusal:
        CloudAccess(**{**GOOD, field: value})
    assert "k3y" not in str(refusal.value)


def test_a_missing_region_is_refused_by_source() -> None:
    with pytest.raises(ConfigurationError, match=r"connection 'tc' has no region"):
        CloudAccess(**{**GOOD, "region": ""})


@pytest.mark.parametrize(
    "endpoint",
    [
        "cmq-gz.public.tencenttdmq.com",
        "127.0.0.1:8080",
        "ftp://host",
        "http://",
        "http://host:port",
        "https://host/v2/index.php",
        "https://host?x=1",
        "https://user:pass@host",
        " https://host",
        "http://[::1",
        "",
    ],
)
@pytest.mark.parametrize("field", ["cmq_endpoint", "batch_endpoint", "tdmq_endpoint"])
def test_a_malformed_endpoint_is_refused_by_field(field: str, endpoint: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"connection 'tc': {field}"):
        CloudAccess(**GOOD, **{field: endpoint})


@given(st.text(max_size=40) | st.from_regex(r"https?://[a-z0-9.:/\[\]-]{0,30}", fullmatch=True))
def test_an_endpoint_that_is_accepted_can_be_called(endpoint: str) -> None:
    try:
        access = CloudAccess(**GOOD, cmq_endpoint=endpoint)
    except ConfigurationError:
        return
    parts = urlsplit(access.required_cmq_endpoint)
    assert parts.scheme in ("http", "https")
    assert parts.hostname
    assert not access.required_cmq_endpoint.endswith("/")


def test_the_slash_that_the_console_may_print_is_taken_away() -> None:
    access = CloudAccess(**GOOD, cmq_endpoint="https://cmq-gz.public.tencenttdmq.com/")
    assert access.required_cmq_endpoint == "https://cmq-gz.public.tencenttdmq.com"


def test_a_missing_queue_address_says_where_to_copy_it_from() -> None:
    access = CloudAccess(**GOOD)
    with pytest.raises(ConfigurationError, match=r"connection 'tc' has no cmq_endpoint: copy it from the console"):
        _ = access.required_cmq_endpoint


def test_one_endpoint_can_serve_everything() -> None:
    access = CloudAccess.at_endpoint("http://127.0.0.1:8080", "AKIDx", "k3y")
    assert access.cmq_endpoint == access.batch_endpoint == access.tdmq_endpoint == "http://127.0.0.1:8080"


def test_a_malformed_proxy_is_refused_without_its_password() -> None:
    with pytest.raises(ConfigurationError, match="proxy must look like") as refusal:
        CloudAccess(**GOOD, proxy="user:passw0rd@proxy")
    assert "passw0rd" not in str(refusal.value)
