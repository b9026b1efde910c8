# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from tencent_batch_emulator.services.batch.vocabulary import (
    COMPUTE_ENV_EVENTS,
    JOB_EVENTS,
    EventName,
    State,
    find_event_name,
)


def test_there_are_the_19_documented_events() -> None:
    assert len(EventName) == 19


def test_a_job_and_an_environment_each_have_their_events() -> None:
    assert (len(JOB_EVENTS), len(COMPUTE_ENV_EVENTS)) == (17, 7)
    assert set(JOB_EVENTS) - set(COMPUTE_ENV_EVENTS) == {name for name in EventName if "_NODE_" not in name} - {
        EventName.COMPUTE_ENV_CREATED,
        EventName.COMPUTE_ENV_DELETED,
    }


@pytest.mark.parametrize("name", EventName)
def test_an_event_is_found_in_both_spellings(name: EventName) -> None:
    assert find_event_name(str(name)) is name
    assert find_event_name("".join(word.capitalize() for word in name.split("_"))) is name


@pytest.mark.parametrize("text", ["", "job_failed", "Job_Failed", "JOB_EXPLODED"])
def test_other_spellings_are_no_event(text: str) -> None:
    assert find_event_name(text) is None


def test_a_word_is_shown_and_compared_as_the_api_writes_it() -> None:
    assert f"{State.FAILED_INTERRUPTED}" == State.FAILED_INTERRUPTED == "FAILED_INTERRUPTED"
