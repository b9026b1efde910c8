# SPDX-License-Identifier: Apache-2.0
"""The vendor's SDK for Batch and TDMQ, sync and async, unmodified, pointed at an emulator."""

from __future__ import annotations

import asyncio
import inspect
import json
import warnings
from typing import Any

import pytest
from tencentcloud.batch.v20170312 import batch_client, batch_client_async
from tencentcloud.batch.v20170312 import models as batch_models
from tencentcloud.common.credential import Credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.tdmq.v20200217 import models as tdmq_models
from tencentcloud.tdmq.v20200217 import tdmq_client, tdmq_client_async

from tencent_batch_emulator.emulator import Emulator

KINDS = ("sync", "async")

_CLIENTS = {
    ("batch", "sync"): (batch_client.BatchClient, batch_models),
    ("batch", "async"): (batch_client_async.BatchClient, batch_models),
    ("tdmq", "sync"): (tdmq_client.TdmqClient, tdmq_models),
    ("tdmq", "async"): (tdmq_client_async.TdmqClient, tdmq_models),
}


def actions_of(service: str, kind: str) -> set[str]:
    """Return the actions that the SDK's client has: its public methods, which are named as they are."""
    client, _ = _CLIENTS[service, kind]
    return {name for name, member in vars(client).items() if inspect.isfunction(member) and not name.startswith("_")}


class Sdk:
    """
    One of the vendor's clients; ``call`` returns the answer, or raises the vendor's own exception.

    :param service: ``batch`` or ``tdmq``.
    :param kind: ``sync`` (called in a thread, since it blocks) or ``async``.
    :param emulator: Where it goes.
    """

    def __init__(self, service: str, kind: str, emulator: Emulator) -> None:
        profile = ClientProfile(httpProfile=HttpProfile(protocol="http", endpoint=emulator.host))
        client, self._models = _CLIENTS[service, kind]
        self._is_sync = kind == "sync"
        self._client = client(Credential(emulator.secret_id, emulator.secret_key), emulator.region, profile)
        self._complaints = warnings.catch_warnings(record=True)

    async def __aenter__(self) -> Sdk:
        self._warnings: list[warnings.WarningMessage] | None = self._complaints.__enter__()
        warnings.simplefilter("always")
        return self

    async def __aexit__(self, *exc_info: Any) -> None:
        self._complaints.__exit__(*exc_info)
        if not self._is_sync:
            await self._client.__aexit__(None, None, None)
        unknown = [str(one.message) for one in self._warnings or () if "useless" in str(one.message)]
        assert not unknown, "the SDK got fields that it does not know"

    async def call(self, action: str, /, **params: Any) -> Any:
        """Return the SDK's response object."""
        request = getattr(self._models, f"{action}Request")()
        request._deserialize(params)
        method = getattr(self._client, action)
        return await asyncio.to_thread(method, request) if self._is_sync else await method(request)

    async def answer(self, action: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return the response as plain data."""
        answer: dict[str, Any] = json.loads((await self.call(action, **params)).to_json_string())
        return answer

    async def error(self, action: str, /, **params: Any) -> str:
        """Return the code of a call that must be refused."""
        with pytest.raises(TencentCloudSDKException) as caught:
            await self.call(action, **params)
        assert caught.value.get_request_id(), caught.value
        return str(caught.value.get_code())

    async def until(self, action: str, wanted: Any, **params: Any) -> Any:
        """Repeat a call until its answer is what is wanted."""
        for _ in range(500):
            answer = await self.call(action, **params)
            if wanted(answer):
                return answer
            await asyncio.sleep(0.01)
        raise AssertionError(f"{action} never showed what was waited for: {answer.to_json_string()}")
