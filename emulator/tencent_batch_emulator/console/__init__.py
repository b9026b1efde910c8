# SPDX-License-Identifier: Apache-2.0
"""
The emulator's page for people: ``views`` (state -> rows), ``pages`` (routes and who may look), ``templates``.

It reads and never changes anything, loads nothing from elsewhere, and escapes whatever it shows: names, message bodies
and the output of jobs come from anybody who has the key.
"""

from __future__ import annotations
