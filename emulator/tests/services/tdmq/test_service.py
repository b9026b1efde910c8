# SPDX-License-Identifier: Apache-2.0
"""The actions by their names, and what becomes of a refusal on the way."""

from __future__ import annotations

import pytest
from helpers.tdmq_calls import Call, refused
from tencentcloud.tdmq.v20200217.tdmq_client import TdmqClient

from tencent_batch_emulator.services.base import ApiError
from tencent_batch_emulator.services.cmq.broker import Broker
from tencent_batch_emulator.services.cmq.errors import CmqFault
from tencent_batch_emulator.services.tdmq.service import TdmqService


def test_every_cmq_action_of_the_sdk_is_there(broker: Broker) -> None:
    documented = {name for name in vars(TdmqClient) if "Cmq" in name}
    assert documented <= set(TdmqService(broker).actions)
    assert len(documented) >= 20


async def test_both_planes_refuse_for_one_reason(call: Call, broker: Broker) -> None:
    with pytest.raises(CmqFault) as fault:
        broker.delete_queue("nowhere")
    with pytest.raises(ApiError) as error:
        await call("DeleteCmqQueue", QueueName="nowhere")
    assert fault.value.text in error.value.message
    assert str(fault.value.module) in error.value.message


@pytest.mark.parametrize("action", sorted(name for name in vars(TdmqClient) if "Cmq" in name))
async def test_an_unknown_parameter_is_refused_by_every_action(call: Call, broker: Broker, action: str) -> None:
    with refused("UnknownParameter", "Color"):
        await call(action, Color="red")
    assert len(list(broker.queues)) == len(list(broker.topics)) == 0
