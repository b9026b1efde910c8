# SPDX-License-Identifier: Apache-2.0
"""A service that the emulator does not have comes in by the same door as its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from helpers.signed_client import SignedClient

from tencent_batch_emulator.emulator import Emulator
from tencent_batch_emulator.services.base import ApiError, Caller, Handler, Params, Service


class Weights:
    """A small API: one action that answers and one that refuses."""

    name = "weights"
    version = "2020-01-01"

    def __init__(self) -> None:
        self.callers: list[Caller] = []

    @property
    def actions(self) -> Mapping[str, Handler]:
        return {"Weigh": self._weigh, "Refuse": self._refuse}

    async def _weigh(self, params: Params, caller: Caller) -> Params:
        self.callers.append(caller)
        return {"Grams": len(params["Text"])}

    async def _refuse(self, params: Params, caller: Caller) -> Params:
        raise ApiError("LimitExceeded.Weight", "It is too heavy.")


async def test_a_service_is_served_by_its_name_and_version() -> None:
    weights: Service = (own := Weights())
    async with (
        Emulator(runner="scripted", services=[weights]) as emulator,
        SignedClient(emulator.endpoint, emulator.secret_id, emulator.secret_key, emulator.clock.time) as client,
    ):
        version: dict[str, Any] = {"service": "weights", "x_tc_version": "2020-01-01"}
        answer = await client.api("Weigh", {"Text": "abc"}, **version, x_tc_region="ap-beijing")
        assert answer == {"Grams": 3, "RequestId": answer["RequestId"]}
        assert own.callers == [Caller(emulator.secret_id, emulator.key.account, "ap-beijing")]

        answer = await client.api("Refuse", **version)
        assert answer["Error"] == {"Code": "LimitExceeded.Weight", "Message": "It is too heavy."}
        assert (await client.api("weigh", **version))["Error"]["Code"] == "InvalidAction"


def test_an_error_reads_as_its_code_and_its_text() -> None:
    error = ApiError("InvalidParameter", "Say more.")
    assert (error.code, error.message, str(error)) == ("InvalidParameter", "Say more.", "InvalidParameter: Say more.")
