# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import structlog.testing

from airflow_batch_events.events.message import BatchEvent
from airflow_batch_events.text import printable
from airflow_batch_events.triggers.batch import BatchJobTrigger


def test_an_event_is_one_line_of_the_tasks_log_whatever_its_names_hold():
    hostile = "\x1b[2K\r\n12:00:00 [info] all is well \u202e::endgroup::"
    event = BatchEvent(name=f"TASK_{hostile}", batch={"JobId": "job-1", "TaskName": hostile, "TaskInstanceIndex": 2})
    with structlog.testing.capture_logs() as logs:
        BatchJobTrigger(job_id="job-1")._progress_logger()(event)
    (line,) = [entry["event"] for entry in logs]
    assert line == printable(line)
    assert line.startswith(r"TASK_\x1b[2K\r\n12:00:00")
    assert line.endswith("/2")
