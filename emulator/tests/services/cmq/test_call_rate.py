# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.services.cmq.broker import Broker
from tencent_batch_emulator.services.cmq.limits import Limits
from tencent_batch_emulator.services.cmq.service import CmqService


async def test_calls_above_the_rate_are_throttled_for_a_second(clock: Clock) -> None:
    broker = Broker(clock, limits=Limits(calls_per_second=2))
    broker.create_queue("jobs")
    service = CmqService(broker)
    send = {"Action": "SendMessage", "queueName": "jobs", "msgBody": "a"}
    receive = {"Action": "ReceiveMessage", "queueName": "jobs"}
    assert [(await service.handle(send, "h"))["code"] for _ in range(3)] == [0, 0, 4420]
    assert [(await service.handle(receive, "h"))["code"] for _ in range(3)] == [0, 0, 4420]
    clock.advance(1)
    assert (await service.handle(send, "h"))["code"] == 0
    await broker.close()
