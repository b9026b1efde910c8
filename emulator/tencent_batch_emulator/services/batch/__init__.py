# SPDX-License-Identifier: Apache-2.0
"""
The Batch API 2017-03-12: ``service`` (actions) -> ``*_actions`` (requests in, dictionaries out) -> rules and state.

Models and the engine never see a request, actions hold no rules of their own, and every wait is a timer of the
emulator's clock.
"""

from __future__ import annotations
