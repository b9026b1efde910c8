# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import inspect

from airflow.serialization.encoders import encode_trigger

from airflow_batch_events.triggers.batch import BatchJobTrigger


def test_a_trigger_is_made_again_from_what_it_serializes():
    trigger = BatchJobTrigger(["job-1"], "q", "c", "ap-beijing", 60.0, 30.0, 1_767_225_600.0, 1.0, 2.0, True)
    path, kwargs = trigger.serialize()
    assert path == "airflow_batch_events.triggers.batch.BatchJobTrigger"
    assert BatchJobTrigger(**kwargs).serialize() == (path, kwargs)
    assert set(kwargs) == set(inspect.signature(BatchJobTrigger).parameters)
    encode_trigger(trigger)


def test_the_event_is_the_last_thing_that_run_does():
    source = inspect.getsource(BatchJobTrigger.run).rstrip()
    assert source.splitlines()[-1].strip().startswith("yield ")
    assert source.count("yield") == 1
