# SPDX-License-Identifier: Apache-2.0
"""Why a call has failed is said in our own words, whatever a library's text quotes."""

from __future__ import annotations

import errno
import socket
import ssl

import aiohttp
import httpx
import pytest

from airflow_batch_events.protocol.reasons import reason_of, status_reason

SECRET = "http://me:S3CRET@proxy"


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (caused(httpx.ConnectError(SECRET), OSError(errno.ECONNREFUSED, SECRET)), "Connection refused"),
        (caused(httpx.ConnectError(SECRET), socket.gaierror(-2, SECRET)), "the host's name cannot be resolved"),
        (httpx.ConnectTimeout(SECRET), "no connection in time"),
        (httpx.RemoteProtocolError(SECRET), "the connection was cut, or what came is no HTTP"),
        (httpx.LocalProtocolError(f"Illegal header value b'{SECRET}'"), "the request cannot be written as HTTP"),
        (httpx.InvalidURL(SECRET), "the request cannot be written as HTTP"),
        (httpx.ProxyError(f"407 {SECRET}"), "the proxy answered HTTP 407"),
        (httpx.ProxyError(SECRET), "the proxy refused"),
        (aiohttp.ServerDisconnectedError(SECRET), "the connection was cut, or what came is no HTTP"),
        (aiohttp.InvalidURL(SECRET), "the request cannot be written as HTTP"),
        (ssl.SSLError(1, SECRET), "TLS failed (SSLError)"),
        (ssl.SSLCertVerificationError(1, SECRET), "the certificate is not accepted"),
        (UnicodeEncodeError("latin-1", SECRET, 0, 1, SECRET), "UnicodeEncodeError"),
        (RuntimeError(SECRET), "RuntimeError"),
        (OSError(SECRET), "OSError"),
    ],
)
def test_a_reason_is_made_of_class_and_number_alone(error: BaseException, reason: str) -> None:
    assert reason_of(error) == reason


def test_causes_that_go_round_in_circles_end() -> None:
    one, other = RuntimeError(SECRET), ValueError(SECRET)
    one.__cause__, other.__cause__ = other, one
    assert reason_of(one) == "RuntimeError"


def test_a_redirect_is_named_by_its_status() -> None:
    assert status_reason(307) == "HTTP 307, a redirect, and none is followed"
    assert status_reason(502) == "HTTP 502"
