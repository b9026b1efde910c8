# SPDX-License-Identifier: Apache-2.0
"""
Everything that goes wrong, and no wait that is lost or ends with what is not true.

The short form runs with the other tests; ``CHAOS=long`` runs the long one. Nothing may be excused here: a row with one
wrong or lost wait is a defect.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from chaos.ledger import Row
from chaos.runner import LONG, SHORT, Scenario, run_scenario
from chaos.scenarios import SCENARIOS

from airflow_batch_events.dispatch.adaptive_rate import AdaptiveRate
from airflow_batch_events.dispatch.job_terminator import POLL_RATE

SCALE = LONG if os.environ.get("CHAOS") == "long" else SHORT
PLAYED = [scenario for scenario in SCENARIOS if SCALE is LONG or not scenario.only_long]


@pytest.mark.parametrize("scenario", PLAYED, ids=lambda scenario: scenario.name)
async def test_no_wait_is_lost_or_wrong_when(scenario: Scenario, note: Callable[[Row], None], tmp_path: Path) -> None:
    run, row = await run_scenario(scenario, SCALE, tmp_path)
    note(row)

    assert not row.wrongs
    assert row.lost == 0
    assert row.right == row.waits == SCALE.jobs * scenario.waits_per_job
    if scenario.late is not None:
        assert row.late <= scenario.late
    # Each process keeps its pace, whatever goes wrong.
    assert row.describes <= (AdaptiveRate().rate + POLL_RATE) * scenario.triggerers * row.seconds
    if run.ledger.cancelled:
        assert run.cancelled.result() == row.waits
