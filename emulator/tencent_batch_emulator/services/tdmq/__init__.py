# SPDX-License-Identifier: Apache-2.0
"""
TDMQ's Cmq actions: the control plane of the queues, topics and subscriptions that ``cmq`` holds.

Requests are in ``schema``, what is read back in ``views``. The rules are the broker's: an action reads, asks and shows.
"""

from __future__ import annotations
