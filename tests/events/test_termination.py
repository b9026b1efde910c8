# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_batch_events.events.termination import Termination
from airflow_batch_events.exceptions import (
    ApiCredentialsError,
    ApiNotFoundError,
    ApiParameterError,
    ApiRefusedError,
    ApiThrottledError,
    TransportError,
)


def test_a_job_is_asked_for_once_and_polled_until_it_has_ended():
    ending = Termination("job-1")
    assert ending.was_asked is False
    assert ending.report == "job job-1: nothing was done"
    ending.on_asked()
    assert ending.was_asked
    ending.on_state("RUNNING")
    assert ending.is_over is False
    assert "had not done so" in ending.report
    assert ending.may_still_run
    ending.on_state("FAILED")
    assert ending.is_over
    assert ending.may_still_run is False
    assert ending.error is None
    assert ending.report == "job job-1 has ended: FAILED"


def test_an_interrupted_job_is_not_over():
    ending = Termination("job-1")
    ending.on_asked()
    ending.on_state("FAILED_INTERRUPTED")
    assert not ending.is_over


def test_a_job_that_is_gone_is_over_once_that_is_confirmed():
    ending = Termination("job-1")
    for _ in range(2):
        ending.on_error(ApiNotFoundError("TerminateJob", "ResourceNotFound.Job", "no such job"))
        assert not ending.is_over
        assert ending.may_still_run
    ending.on_error(ApiNotFoundError("TerminateJob", "ResourceNotFound.Job", "no such job"))
    assert ending.is_over
    assert "does not exist any more" in ending.report
    assert ending.may_still_run is False


def test_a_job_that_was_asked_for_and_is_gone_has_ended():
    ending = Termination("job-1")
    ending.on_asked()
    ending.on_state(None)
    assert ending.report == "job job-1 has ended: deleted"


def test_a_job_that_one_answer_does_not_show_is_asked_for_again():
    ending = Termination("job-1")
    for _ in range(5):
        ending.on_state(None)
        ending.on_state("RUNNING")
    assert not ending.is_over


def test_a_refusal_of_the_id_ends_the_tries_once_it_is_confirmed():
    ending = Termination("job-1")
    error = ApiParameterError("TerminateJob", "InvalidParameter", "gateway hiccup")
    ending.on_error(error)
    ending.on_state("RUNNING")
    ending.on_error(error)
    ending.on_error(error)
    assert not ending.is_over
    ending.on_error(error)
    assert ending.is_over
    assert "could not be ended and may still run" in ending.report


def test_a_later_error_does_not_hide_that_the_request_was_taken():
    ending = Termination("job-1")
    ending.on_asked()
    ending.on_error(TransportError("cut"))
    assert "was asked to end it" in ending.report


@pytest.mark.parametrize(
    "error",
    [
        ApiRefusedError("TerminateJob", "UnsupportedOperation", "the job is SUBMITTED"),
        ApiThrottledError("TerminateJob", "RequestLimitExceeded", "slow down"),
        TransportError("cut"),
    ],
)
def test_a_passing_error_is_retried_and_reported_if_it_stays(error):
    ending = Termination("job-1")
    ending.on_error(error)
    assert not ending.is_over
    assert not ending.was_asked
    assert ending.report == f"job job-1 could not be ended and may still run: {error}"


def test_keys_that_are_refused_end_the_tries():
    ending = Termination("job-1")
    error = ApiCredentialsError("TerminateJob", "AuthFailure.SecretIdNotFound", "no such key")
    ending.on_error(error)
    assert ending.is_over
    assert ending.error is error


def test_giving_up_says_that_the_job_may_still_run():
    ending = Termination("job-1")
    ending.give_up("after 25 s")
    assert ending.is_over is True
    assert ending.may_still_run
    assert ending.report == "job job-1 could not be ended and may still run: after 25 s"


def test_giving_up_on_a_job_that_was_asked_to_end_says_so():
    ending = Termination("job-1")
    ending.on_asked()
    ending.give_up("after 25 s")
    assert ending.is_over is True
    assert ending.may_still_run
    assert ending.report == "job job-1: the cloud was asked to end it, and had not done so at the last poll"
