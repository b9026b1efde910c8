# SPDX-License-Identifier: Apache-2.0
"""
Say why a call has failed, in our own words.

The texts of HTTP libraries quote URLs, headers and proxies, passwords included, so none of them leaves: a reason is
made from an exception's class, its number and its status alone. Raise with such a reason outside the
``except`` block, so that the library's exception is not in the chain that Airflow logs.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl
from collections.abc import Iterator

_CERTIFICATE_FAULTS = {
    9: "is not valid yet",
    10: "has expired",
    18: "is signed by itself",
    19: "is signed by an authority that is not known here",
    20: "is signed by an authority that is not known here",
    62: "is for another host",
    64: "is for another address",
}
_CUT = "the connection was cut, or what came is no HTTP"
_UNSENDABLE = "the request cannot be written as HTTP"
_SENTENCES = {
    "ClientPayloadError": _CUT,
    "ConnectError": "no connection",
    "ConnectTimeout": "no connection in time",
    "ConnectionTimeoutError": "no connection in time",
    "ContentEncodingError": "the answer's encoding cannot be read",
    "DecodingError": "the answer's encoding cannot be read",
    "InvalidURL": _UNSENDABLE,
    "LocalProtocolError": _UNSENDABLE,
    "NetworkError": _CUT,
    "PoolTimeout": "no connection in time",
    "ProxyError": "the proxy refused",
    "RemoteProtocolError": _CUT,
    "ServerDisconnectedError": _CUT,
    "UnsupportedProtocol": _UNSENDABLE,
}
_MAX_DEPTH = 20


def reason_of(error: BaseException) -> str:
    """Return why a call has failed, without a word of the library's own."""
    parts = list(_chain(error))
    refusals = [part for part in parts if isinstance(part, ssl.SSLCertVerificationError)]
    if refusals:
        # aiohttp's own class below this one has no code.
        codes = [code for part in refusals if (code := getattr(part, "verify_code", None)) is not None]
        return f"the certificate {_CERTIFICATE_FAULTS.get(next(iter(codes), 0), 'is not accepted')}"
    for part in parts:
        if isinstance(part, ssl.SSLError):
            # One of OpenSSL's own words, where it comes from there.
            word = getattr(part, "reason", None) or ""
            return f"TLS failed ({word if re.fullmatch('[A-Z0-9_]+', word) else type(part).__name__})"
        if isinstance(part, socket.gaierror):
            return "the host's name cannot be resolved"
    for part in parts:
        status = _proxy_status(part)
        if status is not None:
            return f"the proxy answered HTTP {status}"
        if isinstance(part, OSError) and part.errno is not None and part.errno in errno.errorcode:
            return os.strerror(part.errno)
    for part in parts:
        for kind in type(part).__mro__:
            if kind.__name__ in _SENTENCES:
                return _SENTENCES[kind.__name__]
    return type(error).__name__


def status_reason(status: int) -> str:
    """Return why an answer with an HTTP status other than 200 is none."""
    is_redirect = 300 <= status < 400
    return f"HTTP {status}" + (", a redirect, and none is followed" if is_redirect else "")


def _proxy_status(error: BaseException) -> int | None:
    name = type(error).__name__
    if name == "ClientHttpProxyError":
        status = getattr(error, "status", None)
        return status if isinstance(status, int) else None
    if name == "ProxyError":
        found = re.match(r"([1-5][0-9]{2})\b", str(error))
        return int(found[1]) if found else None
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    waiting, depth = [error], 0
    while waiting and depth < _MAX_DEPTH:
        part = waiting.pop(0)
        depth += 1
        yield part
        waiting += [cause for cause in (part.__cause__ or part.__context__,) if cause is not None]
        # The parts of a group, and what aiohttp has wrapped.
        waiting += getattr(part, "exceptions", ())
        waiting += [wrapped for wrapped in (getattr(part, "certificate_error", None),) if wrapped is not None]
