# SPDX-License-Identifier: Apache-2.0
"""
The trace that a job belongs to, in its environment, so that what the job itself traces hangs below its submission.

It is no part of the job's description: its digest is made without it, because each try has its own spans. The rule
that must not be relaxed: a submission that is sent again under its token has the same trace, so it is noted with the
intent, or made from the token where nothing is noted.

Source: https://www.w3.org/TR/trace-context/#traceparent-header; the variable's name is the one that OpenTelemetry's
tools read, https://opentelemetry.io/docs/specs/otel/context/env-carriers/.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from airflow_batch_events.events.values import is_list

VARIABLE = "TRACEPARENT"
"""The environment variable of the job's commands."""

_FORM = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})")


def is_traceparent(text: object) -> bool:
    """Whether a text names a span as W3C's ``traceparent`` does."""
    return isinstance(text, str) and _FORM.fullmatch(text) is not None


def from_token(traceparent: str | None, token: str) -> str | None:
    """
    Return a parent that is the same for each try, in the trace that the submitting span belongs to.

    :param traceparent: The span that submits.
    :param token: Hexadecimal digits that all tries have, at least 16.
    """
    found = _FORM.fullmatch(traceparent or "")
    return None if found is None else f"00-{found[1]}-{token[:16]}-{found[2]}"


def with_traceparent(description: Mapping[str, Any], traceparent: object) -> dict[str, Any]:
    """
    Return the description with the trace in the environment of each task; a variable of the user's own wins.

    :param description: The API's ``Job`` object.
    :param traceparent: The job's parent; what is none leaves the description as it is.
    """
    tasks = description.get("Tasks")
    if not is_traceparent(traceparent) or not is_list(tasks):
        return dict(description)
    return {**description, "Tasks": [_with_variable(task, traceparent) for task in tasks]}


def _with_variable(task: Any, traceparent: object) -> Any:
    if not isinstance(task, Mapping):
        return task
    own = task.get("EnvVars") or []
    if not is_list(own) or any(isinstance(one, Mapping) and one.get("Name") == VARIABLE for one in own):
        return task
    return {**task, "EnvVars": [*own, {"Name": VARIABLE, "Value": traceparent}]}
