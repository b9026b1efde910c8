# SPDX-License-Identifier: Apache-2.0
"""
Apply to a request the faults that the plan decided.

The order is fixed: hang, answer HTTP 500 or an error, cut the connection, do what was asked, cut it afterwards. A
client cannot tell a request that had no effect from one whose answer was lost, as with the cloud.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from tencent_batch_emulator.clock import Clock
from tencent_batch_emulator.faults.rules import Fault
from tencent_batch_emulator.http.exchange import ConnectionCut, Exchange, Reply

HTTP_500 = "HTTP500"


async def with_request_faults(
    exchange: Exchange,
    faults: Sequence[Fault],
    clock: Clock,
    act: Callable[[], Awaitable[Reply]],
    refuse: Callable[[str, str], Reply],
    throttled: tuple[str, str],
) -> Reply:
    """
    Answer a request, with its faults.

    :param faults: What the plan decided.
    :param act: Does what was asked.
    :param refuse: Makes an error answer of a code and a text.
    :param throttled: The protocol's code and text for too many requests.
    """
    by_effect = {fault.effect: fault for fault in faults}
    if hang := by_effect.get("hang"):
        await exchange.request.while_connected(clock.sleep(hang.seconds))
    if "http_500" in by_effect:
        exchange.code = HTTP_500
        return Reply(b"Internal Server Error", status=500, content_type="text/plain")
    if error := by_effect.get("error"):
        return refuse(error.code, error.message or "This fault was injected into the emulator.")
    if "throttle" in by_effect:
        return refuse(*throttled)
    if "cut_before" in by_effect:
        raise ConnectionCut
    reply = await act()
    if "cut_after" in by_effect:
        raise ConnectionCut
    return reply
