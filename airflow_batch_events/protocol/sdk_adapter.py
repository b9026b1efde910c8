# SPDX-License-Identifier: Apache-2.0
"""
The vendor's SDK, for what only it can do: signing requests, and finding the machine's key; the only module that
imports it.

Import this module late and off the event loop: the SDK takes a tenth of a second. Sending is ours: the SDK would retry
writes, send calls to another region, follow the environment, and log session tokens and passwords of job descriptions.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tencentcloud.common.abstract_client_async import AbstractClient
from tencentcloud.common.credential import Credential, DefaultCredentialProvider
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile

from airflow_batch_events.protocol.apis.request import Service
from airflow_batch_events.protocol.credentials.access import Key
from airflow_batch_events.protocol.credentials.default_credentials import MachineCredential

if TYPE_CHECKING:
    import httpx

_VERSIONS: Mapping[Service, str] = {"batch": "2017-03-12", "tdmq": "2020-02-17", "sts": "2018-08-13"}


class _AnyLevelButDebug(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno > logging.DEBUG


logging.getLogger("tencentcloud_sdk_common").addFilter(_AnyLevelButDebug())


class Signer(AbstractClient):  # type: ignore[misc]
    """
    Build the signed requests of one API.

    :param service: The API.
    :param endpoint: Its address.
    :param region: The region that requests are about.
    """

    # Without the SDK's own, which would make an HTTP client from the environment that is never used.
    def __init__(self, service: Service, endpoint: str, region: str) -> None:
        parts = urlsplit(endpoint)
        self._service = service
        self._apiVersion = _VERSIONS[service]
        self.region = region
        self.request_client = self._sdkVersion
        self.profile = ClientProfile(
            httpProfile=HttpProfile(protocol=parts.scheme, endpoint=parts.netloc), language="en-US"
        )

    def sign(self, action: str, params: Mapping[str, Any], key: Key, timestamp: float) -> httpx.Request:
        """
        Build a request.

        :param action: The action.
        :param params: Its parameters.
        :param key: What to sign with.
        :param timestamp: Unix seconds to sign with.
        """
        self.credential = Credential(key.secret_id, key.secret_key, key.token)
        headers: dict[str, str] = {}
        request: httpx.Request = self._build_req_with_tc3_signature(action, params, headers, {})
        seconds = int(timestamp)
        # The SDK signs with this machine's time, and has no way to give it another.
        if headers["X-TC-Timestamp"] != str(seconds):
            headers["X-TC-Timestamp"] = request.headers["X-TC-Timestamp"] = str(seconds)
            date = datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d")
            signature = self._get_tc3_signature(
                request.method, "/", "", request.content, headers, date, self._service, key.secret_key, {}
            )
            request.headers["Authorization"] = (
                f"TC3-HMAC-SHA256 Credential={key.secret_id}/{date}/{self._service}/tc3_request, "
                f"SignedHeaders=content-type;host, Signature={signature}"
            )
        return request


def find_default_credential() -> MachineCredential:
    """
    Return what the vendor's default chain finds: environment, profile file, role of the machine or of the cluster.

    Blocks. A credential of a role fetches its next key by itself, in ``get_credential_info()``.
    """
    credential: MachineCredential = DefaultCredentialProvider().get_credentials()
    return credential
