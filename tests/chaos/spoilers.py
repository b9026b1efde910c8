# SPDX-License-Identifier: Apache-2.0
"""What a proxy before the emulator does to its answers where the fault plan has no effect for it."""

from __future__ import annotations

import itertools
from email.utils import formatdate

from chaos.runner import Run, Spoiler
from support.odd_answers import odd_answers
from support.spoiling_proxy import Call, Reply, Spoil

DAY = 86_400.0


def drip(action: str) -> Spoiler:
    """Let every third answer to an action come byte by byte, and never to its end."""

    def make(run: Run) -> Spoil:
        numbers = itertools.count(1)

        def spoil(call: Call) -> Reply | None:
            return call.answered(drip=0.2) if call.action == action and next(numbers) % 3 == 2 else None

        return spoil

    return make


def answer_oddly(run: Run) -> Spoil:
    """Let three of four answers of DescribeJobs be no facts, but for those at first contact."""
    answers = odd_answers(run.rng.getrandbits(32))
    numbers = itertools.count(1)

    def spoil(call: Call) -> Reply | None:
        if call.action != "DescribeJobs" or next(numbers) <= 2 or run.rng.random() < 0.25:
            return None
        return next(answers)(call)

    return spoil


def misdate_some(run: Run) -> Spoil:
    """Let two thirds of all answers be dated a day ahead or behind."""

    def spoil(call: Call) -> Reply | None:
        if run.rng.random() < 1 / 3:
            return None
        return call.answered(date=_date(run, run.rng.choice((DAY, -DAY))))

    return spoil


def misdate_all(shift: float) -> Spoiler:
    """Let all answers be misdated by so many seconds, for as long as an outage lasts."""

    def make(run: Run) -> Spoil:
        def spoil(call: Call) -> Reply | None:
            return call.answered(date=_date(run, shift)) if (run.waited or 0.0) < run.scale.outage else None

        return spoil

    return make


def _date(run: Run, shift: float) -> str:
    return formatdate(run.emulator.clock.time() + shift, usegmt=True)
