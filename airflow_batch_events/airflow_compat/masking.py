# SPDX-License-Identifier: Apache-2.0
"""
Keep secrets out of the logs: in a task with ``mask_secret``, in a trigger with ``amask_secret``.

Two functions, because the first sends to the supervisor and waits for it, which blocks a triggerer's event loop.

Source: ``sdk/log.py``, lines 250 and 269. Since: ``amask_secret`` 3.3. It can go when 3.2 is not supported.
"""

from __future__ import annotations

from airflow.sdk.log import amask_secret, mask_secret

__all__ = ["amask_secret", "mask_secret"]
