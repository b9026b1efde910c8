# SPDX-License-Identifier: Apache-2.0
"""
Keep secrets out of the logs: in a task with ``mask_secret``, in a trigger with ``amask_secret``.

Two functions, because the first sends to the supervisor and waits for it, which blocks a triggerer's event loop.

Source: ``sdk/log.py``, lines 250 and 269. Since: ``amask_secret`` 3.3; before, its two halves are called here. It can
go when 3.2 is not supported.
"""

from __future__ import annotations

import contextlib
from typing import Any

from airflow.sdk.log import mask_secret

from airflow_batch_events.airflow_compat.triggerer import ask_supervisor

try:
    from airflow.sdk.log import amask_secret
except ImportError:

    async def amask_secret(secret: Any, name: str | None = None) -> None:  # type: ignore[misc]
        """Mask a secret in this process, and tell the supervisor without blocking the event loop."""
        from airflow.sdk._shared.secrets_masker import _secrets_masker
        from airflow.sdk.execution_time.comms import MaskSecret

        _secrets_masker().add_mask(secret, name)
        # Airflow's own function, too, goes on without a supervisor, or with one that does not answer.
        with contextlib.suppress(Exception):
            await ask_supervisor(MaskSecret(value=secret, name=name))


__all__ = ["amask_secret", "mask_secret"]
