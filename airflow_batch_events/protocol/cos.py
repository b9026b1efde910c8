# SPDX-License-Identifier: Apache-2.0
"""
Read one object from COS, the cloud's object storage, with the vendor's own client.

The client is an extra of this package, because most users read no object, and is imported at the first read. It blocks,
so nothing here is for an event loop. The rule that must not be relaxed: nothing of what it says leaves this module. It
logs the session token at DEBUG and quotes URLs, and what an HTTP library says may hold a proxy's password.

GET Object: https://cloud.tencent.com/document/product/436/7753
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from airflow_batch_events.events.outcomes.job_result import CosPath
from airflow_batch_events.exceptions import ConfigurationError, CosError
from airflow_batch_events.protocol.credentials.settings import is_loopback
from airflow_batch_events.protocol.reasons import reason_of, status_reason
from airflow_batch_events.protocol.transport import warn_if_readable
from airflow_batch_events.text import printable

if TYPE_CHECKING:
    from airflow_batch_events.protocol.credentials.access import CloudAccess

TIMEOUT = 15.0
"""Seconds without a byte after which a call has failed."""

RETRIES = 2
"""Further calls where COS does not answer, or with 500 or more."""

READ_BOUND = 60.0
"""Seconds that the body of an answer may take."""

_CHUNK = 64 * 1024
_MISSING = "NoSuchKey"


def check_client() -> None:
    """
    Refuse to go on where the vendor's client is not installed.

    :raises ConfigurationError: Saying how to install it.
    """
    if find_spec("qcloud_cos") is None:
        raise ConfigurationError(
            "result_path needs the vendor's COS client, which is not installed here: pip install "
            "'airflow-batch-events[cos]' (cos-python-sdk-v5) where tasks run"
        )


def read_object(access: CloudAccess, path: CosPath, most: int) -> bytes | None:
    """
    Read an object; None when there is none of that key.

    :param access: Whose key is used, and the region where the path names none.
    :param path: The object.
    :param most: Bytes that are wanted of it; one more is read, so that a longer one is noticed.
    :raises ConfigurationError: When the client is not installed, or cannot work with these settings.
    :raises CosError: When COS refuses, or does not answer.
    """
    check_client()
    where = printable(f"cos://{path.bucket}/{path.key} in {path.region or access.region}", 1200)
    reason = ""
    with _silence():
        from qcloud_cos import CosClientError, CosS3Client, CosServiceError

        try:
            client = CosS3Client(_config(access, path), retry=RETRIES)
            answer = client.get_object(Bucket=path.bucket, Key=path.key)
            return _read(answer["Body"], most)
        except CosServiceError as error:
            code, status = _code_of(error), error.get_status_code()
            if code == _MISSING:
                return None
            reason = f"{code} (HTTP {status}){_advice(status, access)}"
        except (CosClientError, OSError, ValueError) as error:
            reason = _Unread.text_of(error)
    # Outside of the block, so that the client's own exception is not in the chain that Airflow logs.
    raise CosError(f"Cannot read {where} with {access.source}: {reason}")


class _Unread(ValueError):
    """An answer that is no object; its text is ours."""

    @classmethod
    def text_of(cls, error: Exception) -> str:
        return str(error) if isinstance(error, cls) else reason_of(error)


def _config(access: CloudAccess, path: CosPath) -> Any:
    from qcloud_cos import CosConfig

    place: dict[str, Any] = {}
    if access.cos_endpoint is not None:
        warn_if_readable(access, access.cos_endpoint)
        scheme, _, host = access.cos_endpoint.partition("://")
        place["Scheme"] = scheme
        if is_loopback(access.cos_endpoint):
            # The bucket's name, which is a part of the host's, is sent in the header alone.
            address, _, port = host.rpartition(":") if host.rpartition(":")[2].isdecimal() else (host, "", "")
            place |= {"IP": address, "Port": int(port) if port else None}
        else:
            place["Endpoint"] = host
    return CosConfig(
        Region=path.region or access.region,
        SecretId=access.secret_id,
        SecretKey=access.secret_key,
        Token=access.token,
        Timeout=TIMEOUT,
        Proxies=None if access.proxy is None else {"http": access.proxy, "https": access.proxy},
        VerifySSL=access.verify,
        KeepAlive=False,
        **place,
    )


def _read(body: Any, most: int) -> bytes:
    stream = body.get_raw_stream()
    try:
        if stream.status != HTTPStatus.OK:
            raise _Unread(status_reason(stream.status))
        began = time.monotonic()
        content = b""
        while len(content) <= most and (chunk := stream.read(min(_CHUNK, most + 1 - len(content)), True)):
            content += chunk
            if time.monotonic() - began > READ_BOUND:
                raise _Unread(f"not read within {READ_BOUND:g} s")
        return content
    finally:
        stream.close()
        stream.release_conn()


def _code_of(error: Any) -> str:
    try:
        return printable(error.get_error_code(), 100)
    except (LookupError, TypeError):
        return "no error code"


def _advice(status: int, access: CloudAccess) -> str:
    if status != HTTPStatus.FORBIDDEN:
        return ""
    return f": {access.identity} needs the permission cos:GetObject there"


@contextmanager
def _silence() -> Iterator[None]:
    """Keep the client's own log lines away."""
    logger = logging.getLogger("qcloud_cos")
    level, logger.disabled = logger.level, False
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
