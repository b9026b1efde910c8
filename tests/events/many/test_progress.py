# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_batch_events.events.many.progress import Progress
from airflow_batch_events.events.many.run import RunCounts


def counts(ended: int, *, failed: int = 0, total: int = 1_000, running: int = 50) -> RunCounts:
    return RunCounts(total, min(total, ended + running), running, ended - failed, failed)


def test_a_line_comes_at_each_tenth_and_each_minute():
    progress = Progress(counts(0), 0.0)
    assert progress.line(counts(99), 10.0) is None
    assert progress.line(counts(100), 11.0) is not None
    assert progress.line(counts(150), 20.0) is None
    assert progress.line(counts(350), 30.0) is not None
    assert progress.line(counts(351), 89.0) is None
    assert progress.line(counts(352), 90.0) is not None
    assert progress.line(counts(353), 91.0) is None


def test_the_line_tells_rate_and_time_left():
    progress = Progress(counts(0), 0.0)
    line = progress.text(counts(250, failed=2), 50.0)
    assert (
        line
        == "300 of 1000 submitted, 50 running, 250 ended, 2 of them failed, 5 a second, about 150 s left".replace(
            "150 s", "2 min"
        )
    )
    assert progress.text(counts(10), 5.0).endswith("2 a second, about 8 min left")
    assert progress.text(counts(1), 100.0).endswith("about 27.8 h left")
    assert progress.text(counts(1_000, running=0), 100.0).endswith("10 a second")


def test_the_rate_counts_from_where_the_process_began():
    progress = Progress(counts(0), 1_000.0)
    assert "10 a second" in progress.text(counts(10), 1_001.0)
    assert "a second" not in progress.text(counts(10), 1_000.0)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(99, "99 s"), (100, "2 min"), (5_999, "100 min"), (6_000, "1.7 h"), (3_000, "50 min")],
)
def test_the_time_left_is_told_in_a_unit_that_fits(seconds, words):
    # One job in a second, and so many are left.
    progress = Progress(counts(0, total=seconds + 1, running=0), 0.0)
    assert progress.text(counts(1, total=seconds + 1, running=0), 1.0).endswith(f"about {words} left")


def test_a_single_job_is_told_when_it_has_ended():
    progress = Progress(counts(0, total=1), 0.0)
    assert progress.line(counts(1, total=1), 1.0) is not None


def test_what_has_ended_before_is_no_part_of_the_rate():
    progress = Progress(counts(900), 0.0)
    assert "about 5 s left" in progress.text(counts(950), 5.0)
    assert "left" not in progress.text(counts(900), 5.0)


def test_the_line_tells_what_has_ended_the_waits():
    progress = Progress(counts(0), 0.0)
    progress.ended_by.update({"api": 2, "event": 98})
    assert progress.text(counts(100), 50.0).endswith("ended by event 98, api 2")
