# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from helpers.batch_cloud import Cloud


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    """A service with the default delays."""
    cloud = Cloud()
    yield cloud
    await cloud.service.close()


@pytest.fixture
async def make_cloud() -> AsyncIterator[Callable[..., Cloud]]:
    """Services with other settings, closed at the end."""
    async with AsyncExitStack() as stack:

        def make(**settings: Any) -> Cloud:
            cloud = Cloud(**settings)
            stack.push_async_callback(cloud.service.close)
            return cloud

        yield make
