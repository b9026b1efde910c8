# SPDX-License-Identifier: Apache-2.0
"""What the tests of this room share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from protocol.scripted_cloud import ScriptedCloud


@pytest.fixture
async def cloud() -> AsyncIterator[ScriptedCloud]:
    server = ScriptedCloud()
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
