# SPDX-License-Identifier: Apache-2.0
"""
Queues, topics and subscriptions: the state behind the data plane (``service``) and behind TDMQ's Cmq actions.

The protocol is in ``service`` and ``params``, rules are in ``queue`` and ``topic``, error codes in ``errors``. Rules
never see a request, and the service never decides.
"""

from __future__ import annotations
