# SPDX-License-Identifier: Apache-2.0
"""
The emulator's page for people: ``views`` (state -> rows), ``pages`` (routes and who may read them), ``templates``.

It reads and never changes anything, loads nothing from elsewhere, and escapes all that it shows: names, message bodies
and the output of jobs come from anyone who has the key.
"""

from __future__ import annotations
