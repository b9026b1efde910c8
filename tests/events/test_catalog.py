# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_batch_events.events.catalog import (
    COMPUTE_ENV_EVENTS,
    JOB_EVENTS,
    EventName,
    JobState,
    find_event_name,
    find_job_state,
    parse_event_names,
)
from airflow_batch_events.exceptions import ParameterError


def test_there_are_nineteen_events():
    assert len(EventName) == 19


@pytest.mark.parametrize("name", EventName)
def test_every_event_is_read_in_both_spellings(name):
    assert find_event_name(name.value) is name
    assert find_event_name(name.camel_case) is name


def test_the_guides_spelling_is_formed_as_the_guide_prints_it():
    assert EventName.JOB_FAILED.camel_case == "JobFailed"
    assert EventName.JOB_SUCCEED.camel_case == "JobSucceed"


def test_a_name_that_is_in_no_list_is_data_not_an_error():
    assert find_event_name("COMPUTE_ENV_CREATED_SUCCESS") is None
    assert find_job_state("SUCCEEDED") is None


def test_jobs_publish_node_events_but_no_environment_events():
    assert EventName.COMPUTE_NODE_RUNNING in JOB_EVENTS
    assert EventName.COMPUTE_ENV_CREATED not in JOB_EVENTS
    assert len(JOB_EVENTS) == 17
    assert len(COMPUTE_ENV_EVENTS) == 7


def test_an_interrupted_job_is_settled_and_a_starting_one_is_not():
    assert JobState.FAILED_INTERRUPTED.is_settled
    assert not JobState.STARTING.is_settled


def test_an_unknown_event_is_refused_with_the_allowed_ones():
    with pytest.raises(ValueError, match=r"unknown event 'JOB_SUCCEEDED'; allowed here: JOB_RUNNING, JOB_SUCCEED"):
        parse_event_names(["JOB_FAILED", "JOB_SUCCEEDED"])


@pytest.mark.parametrize("names", ["JobFailed", ["JOB_FAILED"], ("JOB_FAILED",), {"JOB_FAILED"}, "['JOB_FAILED']"])
def test_one_name_is_never_read_letter_by_letter(names):
    assert parse_event_names(names) == [EventName.JOB_FAILED]


def test_the_events_of_a_set_have_one_order():
    names = {"JOB_SUCCEED", "JobFailed", "TASK_FAILED"}
    assert parse_event_names(names) == [EventName.JOB_SUCCEED, EventName.JOB_FAILED, EventName.TASK_FAILED]


@pytest.mark.parametrize("names", [None, 1, b"JOB_FAILED", {"JOB_FAILED": {}}, [None], [["JOB_FAILED"]], "x" * 5000])
def test_what_is_no_event_name_is_refused_by_parameter(names):
    with pytest.raises(ParameterError, match=r"^notes") as caught:
        parse_event_names(names, parameter="notes")
    assert len(str(caught.value)) < 700


def test_an_event_that_is_named_twice_is_refused():
    with pytest.raises(ValueError, match="JOB_FAILED is named twice"):
        parse_event_names(["JOB_FAILED", "JobFailed"])


def test_events_of_a_set_have_the_order_of_the_catalog():
    # JOB_SUCCEED comes first there, and JOB_FAILED in the alphabet.
    assert parse_event_names({"JOB_FAILED", "JOB_SUCCEED"}) == [EventName.JOB_SUCCEED, EventName.JOB_FAILED]


def test_an_event_that_is_no_text_is_told_by_its_type():
    with pytest.raises(ParameterError, match=r"^events: an int is no event name; allowed here: JOB_RUNNING$"):
        parse_event_names([7], [EventName.JOB_RUNNING])
