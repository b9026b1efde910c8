# SPDX-License-Identifier: Apache-2.0
"""Airflow's task state store, as far as it is used."""

from __future__ import annotations

from types import SimpleNamespace

from airflow_batch_events.submission.record import STATE_KEY


class Store:
    """Airflow's task state store, as far as it is used: a mapping that outlives the try."""

    def __init__(self):
        self.data = {}

    def get(self, key, default=None):
        return self.data.get(key, default)

    def set(self, key, value):
        self.data[key] = value


def context(store, try_number=1):
    ti = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1, try_number=try_number)
    return {"ti": ti, "task_state_store": store}


def stored(**fields):
    return {"number": 1, "token": "t", "digest": "d", **fields}


def holding(data):
    store = Store()
    store.data[STATE_KEY] = data
    return store


class Away(Store):
    """A store that answers to reads or to writes only, or to neither."""

    def __init__(self, *, reads=False, writes=False):
        super().__init__()
        self._reads, self._writes = reads, writes

    def get(self, key, default=None):
        if not self._reads:
            raise ConnectionError("secret://user:hunter2@store")
        return super().get(key, default)

    def set(self, key, value):
        if not self._writes:
            raise RuntimeError("secret://user:hunter2@store")
        super().set(key, value)
