# SPDX-License-Identifier: Apache-2.0
"""How a queue is made where nobody says otherwise. Each ``airflow`` command reads this, so it imports very little."""

from __future__ import annotations

from airflow_batch_events.limits import MAX_RETENTION

VISIBILITY_TIMEOUT = 30
"""
Seconds for which a received message is hidden.

A reader deletes within a second; half a minute bounds the delay when the wrong triggerer received a message.
"""

RETENTION = MAX_RETENTION
"""
Seconds for which a message waits to be received.

The longest that TDMQ keeps one: how long all triggerers may be down before events are lost to polls.
"""
