# SPDX-License-Identifier: Apache-2.0
"""Each kind of field takes what can be used, and names source and field of anything else without quoting it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import yarl
from hypothesis import given
from hypothesis import strategies as st

from airflow_batch_events.exceptions import ConfigurationError, CredentialsError
from airflow_batch_events.protocol.credentials.settings import (
    console_of,
    endpoint_of,
    is_loopback,
    key_part,
    region_of,
    text_of,
)

SOURCE = "connection 'c'"
WRONG_TYPES = [1, 1.5, True, ["x"], {"x": 1}, b"x", ("x",)]


@pytest.mark.parametrize("value", WRONG_TYPES)
def test_a_field_of_a_wrong_type_is_named_with_its_type(value: object) -> None:
    for check in (text_of, key_part, endpoint_of):
        with pytest.raises(ConfigurationError, match=rf"connection 'c': field is of type {type(value).__name__} "):
            check(SOURCE, "field", value)
    with pytest.raises(ConfigurationError, match="connection 'c': region is of type"):
        region_of(SOURCE, value)


@pytest.mark.parametrize("value", ["S3CRET\n", "\r\nS3CRET", " S3CRET", "S3CRET\t", "S3CRET\u00a0"])
def test_blanks_at_the_ends_are_refused_in_every_field_alike(value: str) -> None:
    for check in (text_of, key_part, endpoint_of):
        with pytest.raises(ConfigurationError, match=r"connection 'c': field begins or ends with a blank") as caught:
            check(SOURCE, "field", value)
        assert "S3CRET" not in str(caught.value)


@pytest.mark.parametrize("value", ["S3\nCRET", "S3 CRET", "S3CRET\u2014", "S3\0CRET", "S3\x7fCRET", "S3\ud800CRET"])
def test_what_no_header_can_hold_is_no_part_of_a_key(value: str) -> None:
    with pytest.raises(CredentialsError, match="connection 'c': token has a blank, a line break or") as caught:
        key_part(SOURCE, "token", value)
    assert value not in str(caught.value)


@pytest.mark.parametrize("value", [None, ""])
def test_what_is_missing_is_said_to_be_missing(value: object) -> None:
    with pytest.raises(CredentialsError, match="connection 'c' has no token"):
        key_part(SOURCE, "token", value)
    with pytest.raises(ConfigurationError, match="connection 'c' has no region"):
        region_of(SOURCE, value)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1))
def test_any_printable_ascii_may_be_part_of_a_key(value: str) -> None:
    assert key_part(SOURCE, "token", value) == value


@pytest.mark.parametrize("region", ["ap-guangzhou", "na-siliconvalley", "ap-shanghai-fsi", "r"])
def test_a_region_s_long_name_is_taken(region: str) -> None:
    assert region_of(SOURCE, region) == region


@pytest.mark.parametrize("region", ["AP-Guangzhou", "ap_guangzhou", "ap-", "广州", "a guangzhou", "a\0b", "x" * 65])
def test_what_is_no_region_s_name_is_refused(region: str) -> None:
    with pytest.raises(ConfigurationError, match="connection 'c': region must be the long name of a region"):
        region_of(SOURCE, region)


@pytest.mark.parametrize(
    ("endpoint", "written"),
    [
        ("https://cmq-gz.public.tencenttdmq.com/", "https://cmq-gz.public.tencenttdmq.com"),
        ("HTTP://Host.Example:8080", "http://host.example:8080"),
        ("https://host:443", "https://host"),
        ("http://host:080", "http://host"),
        ("https://host:80", "https://host:80"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://my_service:8080", "http://my_service:8080"),
        ("https://xn--fiqs8s.example", "https://xn--fiqs8s.example"),
    ],
)
def test_an_address_is_written_as_it_is_signed(endpoint: str, written: str) -> None:
    assert endpoint_of(SOURCE, "cmq_endpoint", endpoint) == written


@pytest.mark.parametrize(
    "endpoint",
    [
        "S3CRET",
        "https://me:S3CRET@host",
        "https://@host",
        "https://host/S3CRET",
        "https://host?S3CRET",
        "https://host#",
        "https://host:",
        "https://host:0",
        "https://host:65536",
        "https://host:99999999",
        "https://host:٣",
        "https://ho st",
        "https://host\0",
        "https://host%00",
        "https://主机",
        "https://host..example",
        "https://" + "a" * 64,
        "https://" + "a." * 130,
        "https://[::g]",
        "https://[fe80::1%25eth0]",
        "https://1.2.3.999",
        "https://127.0.0.01",
        "https://127.1",
        "https://2130706433",
        "https://0x7f.0x1",
        "https://.",
        "//host",
        "https:host",
        "https:///host",
        "https://host\\x",
    ],
)
def test_another_form_of_address_is_refused_unquoted(endpoint: str) -> None:
    with pytest.raises(ConfigurationError, match="connection 'c': cmq_endpoint must be http:// or https://") as caught:
        endpoint_of(SOURCE, "cmq_endpoint", endpoint)
    assert "S3CRET" not in str(caught.value)


@given(st.from_regex(r"(?i)https?://[a-z0-9.:\[\]_%@/-]{0,40}", fullmatch=True))
def test_every_library_reads_an_address_that_is_taken(endpoint: str) -> None:
    try:
        taken = endpoint_of(SOURCE, "cmq_endpoint", endpoint)
    except ConfigurationError:
        return
    scheme, _, netloc = taken.partition("://")
    for url in (httpx.Request("POST", taken).url, yarl.URL(taken)):
        assert url.scheme == scheme
    assert httpx.Request("POST", taken).url.netloc.decode() == netloc
    assert endpoint_of(SOURCE, "cmq_endpoint", taken) == taken


@pytest.mark.parametrize(
    ("url", "written"),
    [
        ("http://127.0.0.1:8700/console", "http://127.0.0.1:8700/console"),
        ("HTTPS://Pages.Example:443/Batch/", "https://pages.example/Batch"),
        ("https://pages.example", "https://pages.example"),
        ("https://pages.example/", "https://pages.example"),
        ("http://[::1]:8700/a/b", "http://[::1]:8700/a/b"),
    ],
)
def test_a_console_is_an_address_and_perhaps_a_path(url: str, written: str) -> None:
    assert console_of(SOURCE, "console_url", url) == written
    assert console_of(SOURCE, "console_url", written) == written


@pytest.mark.parametrize(
    "url",
    [
        "S3CRET",
        "javascript:S3CRET",
        "ftp://host/S3CRET",
        "https://me:S3CRET@host/console",
        "https://host/console?S3CRET",
        "https://host/console#S3CRET",
        "https://host/a b",
        "https://host//a",
        "https://host/%2e",
        "https:///console",
        "https://host:0/console",
        "https://host/" + "a" * 1000,
    ],
)
def test_what_is_no_console_s_address_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(ConfigurationError, match="connection 'c': console_url must be http:// or https://") as caught:
        console_of(SOURCE, "console_url", url)
    assert "S3CRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("http://127.0.0.1:8080", True),
        ("http://127.8.9.10", True),
        ("http://localhost:1", True),
        ("http://cloud.localhost", True),
        ("http://[::1]:8080", True),
        ("http://10.0.0.1", False),
        ("http://localhost.example", False),
        ("http://gz.mqadapter.cmq.tencentyun.com", False),
    ],
)
def test_the_loopback_is_known(endpoint: str, expected: Any) -> None:
    assert is_loopback(endpoint) is expected
