# SPDX-License-Identifier: Apache-2.0
"""
The vendor's SDK, set up the way this package needs it; the only module that imports it.

Import this module late and off the event loop: the SDK takes a third of a second. What it would do by itself is off:
its retries (ours know what may be repeated), its circuit breaker (it would send calls to another region) and its debug
log lines (they hold session tokens and the passwords of job descriptions).
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping
from datetime import datetime, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from tencentcloud.common.abstract_client import AbstractClient
from tencentcloud.common.credential import Credential, DefaultCredentialProvider
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile

from airflow_batch_events.exceptions import TransportError
from airflow_batch_events.protocol.credentials import CloudAccess, Key
from airflow_batch_events.protocol.servertime import ServerTime

if TYPE_CHECKING:
    import httpx

Service = Literal["batch", "tdmq", "sts"]

FAILURES = (TencentCloudSDKException, OSError, LookupError, TypeError, ValueError)
"""What the SDK raises: its own exception, those of ``requests``, and what unexpected answers provoke."""

_MODULES: Mapping[str, tuple[str, str]] = {
    "batch": ("tencentcloud.batch.v20170312.batch_client", "BatchClient"),
    "tdmq": ("tencentcloud.tdmq.v20200217.tdmq_client", "TdmqClient"),
}


class _AnyLevelButDebug(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno > logging.DEBUG


logging.getLogger("tencentcloud_sdk_common").addFilter(_AnyLevelButDebug())


class _SyncMixin:
    server_time: ServerTime

    def _build_req_with_tc3_signature(self, action: str, params: Any, req: Any, options: Any = None) -> None:
        super()._build_req_with_tc3_signature(action, params, req, options)  # type: ignore[misc]
        timestamp = int(self.server_time.now())
        if req.header["X-TC-Timestamp"] != str(timestamp):
            req.header["X-TC-Timestamp"] = str(timestamp)
            date = _utc_date(timestamp)
            secret_id, secret_key, _ = self.credential.get_credential_info()  # type: ignore[attr-defined]
            service = self._service  # type: ignore[attr-defined]
            signature = self._get_tc3_signature(params, req, date, service, secret_key, options)  # type: ignore[attr-defined]
            req.header["Authorization"] = _authorization(secret_id, date, service, signature)

    def _check_status(self, resp_inter: Any) -> None:
        self.server_time.learn(resp_inter.headers.get("Date"))
        if resp_inter.status_code != 200:
            resp_inter.close()
            raise TransportError(f"HTTP {resp_inter.status_code}")

    def close(self) -> None:
        # The SDK has no public way to close its connections.
        self.request.conn._session.close()  # type: ignore[attr-defined]


class _AsyncMixin:
    server_time: ServerTime

    def _build_req_with_tc3_signature(self, action: str, params: Any, headers: Any, opts: Any) -> Any:
        request = super()._build_req_with_tc3_signature(action, params, headers, opts)  # type: ignore[misc]
        timestamp = int(self.server_time.now())
        if headers["X-TC-Timestamp"] != str(timestamp):
            headers["X-TC-Timestamp"] = request.headers["X-TC-Timestamp"] = str(timestamp)
            date = _utc_date(timestamp)
            secret_id, secret_key, _ = self.credential.get_credential_info()  # type: ignore[attr-defined]
            service = self._service  # type: ignore[attr-defined]
            signature = self._get_tc3_signature(  # type: ignore[attr-defined]
                request.method, "/", "", request.content, headers, date, service, secret_key, opts
            )
            request.headers["Authorization"] = _authorization(secret_id, date, service, signature)
        return request


class _StsClient(AbstractClient):  # type: ignore[misc]
    """STS, whose package of the SDK is not needed for one action."""

    _apiVersion = "2018-08-13"
    _endpoint = "sts.tencentcloudapi.com"
    _service = "sts"


def sign_as(client: Any, key: Key) -> None:
    """Let a client sign with this key from its next request on."""
    client.credential = Credential(key.secret_id, key.secret_key, key.token)


def find_default_credential() -> Any:
    """
    Return what the vendor's default chain finds: environment, profile file, role of the machine or of the cluster.

    Blocks. A credential of a role fetches its next key by itself, in ``get_credential_info()``.
    """
    return DefaultCredentialProvider().get_credentials()


def sync_client(service: Service, access: CloudAccess, timeout: float, server_time: ServerTime) -> Any:
    """
    Make the SDK's blocking client of a service.

    :param timeout: Seconds for a connection, and seconds without a byte, after which a call is given up.
    :param server_time: The time to sign with; learns from every answer.
    """
    http_profile = _http_profile(service, access)
    http_profile.reqTimeout = timeout
    http_profile.proxy = access.proxy
    http_profile.certification = None if access.verify is True else access.verify
    return _make(service, access, http_profile, server_time, _SyncMixin, "")


def async_client(service: Service, access: CloudAccess, http: httpx.AsyncClient, server_time: ServerTime) -> Any:
    """
    Make the SDK's asynchronous client of a service.

    :param http: The client that it sends with, which stays the caller's to close.
    :param server_time: The time to sign with; ``http`` teaches it.
    """
    http_profile = _http_profile(service, access)
    # The SDK builds a client of its own first: without certificates it costs nothing, and it is never used, because
    # it hands a proxy to httpx by an argument that has been removed and takes a CA bundle for a client certificate.
    http_profile.certification = False
    client = _make(service, access, http_profile, server_time, _AsyncMixin, "_async")
    client.http_client = http
    return client


def _make(
    service: Service, access: CloudAccess, http_profile: Any, server_time: ServerTime, mixin: type, suffix: str
) -> Any:
    profile = ClientProfile(httpProfile=http_profile, language="en-US", disable_region_breaker=True, retryer=None)
    credential = Credential(access.secret_id, access.secret_key, access.token)
    client = _client_class(service, mixin, suffix)(credential, access.region, profile)
    client.server_time = server_time
    return client


@lru_cache(maxsize=4)
def _client_class(service: Service, mixin: type, suffix: str) -> Any:
    if service == "sts":
        return type("StsClient", (mixin, _StsClient), {})
    module, name = _MODULES[service]
    return type(name, (mixin, getattr(importlib.import_module(module + suffix), name)), {})


def _http_profile(service: Service, access: CloudAccess) -> Any:
    endpoint = {
        "batch": access.batch_endpoint,
        "tdmq": access.tdmq_endpoint,
        "sts": access.sts_endpoint,
    }[service]
    if endpoint is None:
        return HttpProfile()
    parts = urlsplit(endpoint)
    return HttpProfile(protocol=parts.scheme, endpoint=parts.netloc)


def _utc_date(timestamp: int) -> str:
    return datetime.fromtimestamp(timestamp, timezone.utc).strftime("%Y-%m-%d")


def _authorization(secret_id: str, date: str, service: str, signature: str) -> str:
    return (
        f"TC3-HMAC-SHA256 Credential={secret_id}/{date}/{service}/tc3_request, "
        f"SignedHeaders=content-type;host, Signature={signature}"
    )
