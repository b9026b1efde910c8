# SPDX-License-Identifier: Apache-2.0
"""What the ``call`` fixture is, a queue as it is read back, and how a refusal is expected."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tencent_batch_emulator.services.base import ApiError

Call = Callable[..., Awaitable[dict[str, Any]]]


@contextmanager
def refused(code: str, text: str = "") -> Iterator[None]:
    """Expect an error with this code whose message has this text."""
    with pytest.raises(ApiError) as caught:
        yield
    assert caught.value.code == code
    assert text in caught.value.message


async def detail(call: Call, name: str = "jobs") -> dict[str, Any]:
    """Return a queue as the control plane shows it."""
    view: dict[str, Any] = (await call("DescribeCmqQueueDetail", QueueName=name))["QueueDescribe"]
    return view
