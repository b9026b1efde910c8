# SPDX-License-Identifier: Apache-2.0
"""
Everything that goes wrong, and no wait that is lost or ends with what is not true.

The short form runs with the other tests; ``CHAOS=long`` runs the long one. Nothing may be excused here: a row with one
wrong or lost wait is a defect.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from chaos.ledger import Row
from chaos.runner import LONG, SHORT, Scenario, run_scenario
from chaos.scenarios import SCENARIOS

from airflow_batch_events.dispatch.reconcile import Pace

SCALE = LONG if os.environ.get("CHAOS") == "long" else SHORT


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
async def test_no_wait_is_lost_or_wrong_when(scenario: Scenario, rows: list[Row], tmp_path: Path) -> None:
    run, row = await run_scenario(scenario, SCALE, tmp_path)
    rows.append(row)

    assert not row.wrongs
    assert row.lost == 0
    assert row.right == row.waits == SCALE.jobs * scenario.waits_per_job
    if not run.cancelled.done():
        # Each process keeps its pace, whatever goes wrong; the ends of cancelled jobs are looked at one by one.
        assert row.describes <= Pace().rate * scenario.triggerers * row.seconds
    else:
        cancelled, tasks_left = run.cancelled.result()
        assert cancelled == row.waits
        assert tasks_left == 0
