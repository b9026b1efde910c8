# SPDX-License-Identifier: Apache-2.0
"""The exceptions of the clients: the drawn tree is true, and they survive a process boundary."""

from __future__ import annotations

import inspect
import pickle
import re

import pytest

from airflow_batch_events import exceptions
from airflow_batch_events.exceptions import ApiError, ApiThrottledError, CmqError, QueueNotFoundError

CLASSES = {name: kind for name, kind in vars(exceptions).items() if inspect.isclass(kind)}


def drawn_parents() -> dict[str, str | None]:
    parents: dict[str, str | None] = {}
    branch: list[str] = []
    for line in (exceptions.__doc__ or "").splitlines():
        drawn = re.match(r"    ((?:[│├└─ ]{4})*)(\w+Error)\b", line)
        if drawn:
            depth = len(drawn[1]) // 4
            branch[depth:] = [drawn[2]]
            parents[drawn[2]] = branch[depth - 1] if depth else None
    return parents


def test_the_tree_shows_every_class_below_its_base() -> None:
    parents = drawn_parents()
    assert set(parents) == set(CLASSES)
    for name, parent in parents.items():
        assert CLASSES[name].__bases__[0].__name__ == (parent or "Exception")


@pytest.mark.parametrize(
    "error",
    [
        ApiThrottledError("SubmitJob", "RequestLimitExceeded", "slow down", "r-1"),
        QueueNotFoundError("SendMessage", 4440, 10100, "queue is not existed", "jobs", None),
    ],
)
def test_an_error_of_the_cloud_survives_a_process_boundary(error: ApiError | CmqError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))
