# SPDX-License-Identifier: Apache-2.0
"""
A retry that would look for its job in the wrong place, or as somebody else, submits nothing and says so.

Each test is a task whose connection is edited between its first try, which submits and does not wait, and its second.
"""

from __future__ import annotations

import itertools
import json
import re
from contextlib import suppress

import pytest
from support.emulator_helpers import PLACEMENT, address_of
from support.tasks import TaskRunner

from airflow_batch_events.events.job_builder import build_job
from airflow_batch_events.exceptions import (
    ApiParameterError,
    ApiQuotaError,
    BatchEventsError,
    CredentialsError,
    IdentityChangedError,
    IdentityUnknownError,
    SubmissionChangedError,
    SubmissionRecordError,
    TransportError,
)
from airflow_batch_events.operators.batch import BatchSubmitJobOperator
from airflow_batch_events.protocol.retry import RetryPolicy
from airflow_batch_events.submission.record import STATE_KEY
from airflow_batch_events.text import printable
from tencent_batch_emulator.faults.rules import Fault
from tencent_batch_emulator.services.batch.settings import Delays
from tencent_batch_emulator.testing import start_emulator

numbers = itertools.count(1)
DENIED = "AuthFailure.UnauthorizedOperation"


@pytest.fixture(scope="module")
def other_cloud():
    with start_emulator(delays=Delays.none()) as emulator:
        yield emulator


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(RetryPolicy, "_pause", lambda self, state: 0.0)


class Task:
    """A task instance with a connection of its own."""

    def __init__(self, cloud, monkeypatch, **settings):
        self.cloud = cloud
        self.conn_id = f"edited_{next(numbers)}"
        self.settings = {"wait_for_completion": False, "tencentcloud_conn_id": self.conn_id, **settings}
        self.job = build_job(self.conn_id, "scripted: duration=600", image="img-eb30mz89", instance_type="S5.MEDIUM2")
        self._monkeypatch = monkeypatch
        self.runner = TaskRunner(self._make)
        self.connect(cloud)

    def _make(self):
        return BatchSubmitJobOperator(task_id=self.conn_id, job=self.job, placement=PLACEMENT, **self.settings)

    def connect(self, cloud, *, key=None, **extra):
        connection = address_of(cloud).connection()
        if key is not None:
            connection |= {"login": key.secret_id, "password": key.secret_key}
        connection["extra"] |= extra
        self._monkeypatch.setenv(f"AIRFLOW_CONN_{self.conn_id.upper()}", json.dumps(connection))

    def run(self):
        # A client token belongs to the task instance, and the cloud remembers it.
        self.runner.ti.task_id = self.conn_id
        return self._make().execute(self.runner.context())

    @property
    def record(self):
        return self.runner.store[STATE_KEY]


@pytest.fixture
def task(cloud, monkeypatch):
    return Task(cloud, monkeypatch)


def key_of(cloud, *, account=None):
    return cloud.call(lambda emulator: emulator.keys.create(account=account))


def account_of(cloud):
    return cloud.call(lambda emulator: emulator.key.account)


def role_of(cloud, name="airflow"):
    return f"qcs::cam::uin/{account_of(cloud)}:roleName/{name}"


ELSEWHERE = {
    "another endpoint": lambda task, other: task.connect(other),
    "another account": lambda task, other: task.connect(task.cloud, key=key_of(task.cloud)),
    "another region in the connection": lambda task, other: task.connect(task.cloud, region="ap-shanghai"),
    "another region of the task": lambda task, other: task.settings.update(region="ap-shanghai"),
    "a role": lambda task, other: task.connect(task.cloud, role_arn=role_of(task.cloud)),
    "everything": lambda task, other: task.connect(other, key=key_of(other), region="ap-shanghai"),
}
everything_elsewhere = pytest.mark.parametrize("edit", ELSEWHERE.values(), ids=ELSEWHERE)


def requests(*clouds):
    return sum(cloud.count(service="batch") for cloud in clouds)


@everything_elsewhere
def test_a_retry_elsewhere_submits_nothing(task, other_cloud, edit):
    job_id = task.run()
    edit(task, other_cloud)
    before = requests(task.cloud, other_cloud)
    assert before > 0
    with pytest.raises(IdentityChangedError, match=rf"{job_id} elsewhere.*Nothing was submitted.*on_changed_job"):
        task.run()
    assert requests(task.cloud, other_cloud) == before
    assert task.record["job_id"] == job_id


@everything_elsewhere
def test_a_retry_elsewhere_may_submit_anew(task, other_cloud, edit):
    first = task.run()
    edit(task, other_cloud)
    task.settings["on_changed_job"] = "submit"
    second = task.run()
    assert second != first
    assert (task.record["number"], task.record["job_id"]) == (2, second)
    assert task.run() == second


def test_a_retry_after_the_edit_was_taken_back_finds_its_job(task, other_cloud):
    job_id = task.run()
    task.connect(other_cloud)
    with pytest.raises(IdentityChangedError):
        task.run()
    task.connect(task.cloud)
    assert task.run() == job_id


def test_an_unanswered_intent_is_not_sent_to_another_place(task, other_cloud):
    job_id = task.run()
    task.record["job_id"] = None
    task.connect(other_cloud)
    before = requests(task.cloud, other_cloud)
    with pytest.raises(IdentityChangedError, match="a job whose id is not known"):
        task.run()
    assert requests(task.cloud, other_cloud) == before
    task.connect(task.cloud)
    assert task.run() == job_id


def temporary_key_of(cloud, *, account):
    return cloud.call(lambda emulator: emulator.keys.issue_temporary(account, emulator.clock.time() + 7200))


@pytest.mark.parametrize("issue", [key_of, temporary_key_of], ids=["permanent", "temporary"])
def test_an_exchanged_key_changes_nothing(task, issue):
    job_id = task.run()
    key = issue(task.cloud, account=account_of(task.cloud))
    task.connect(task.cloud, key=key, token=key.token)
    before = task.cloud.count("GetCallerIdentity")
    assert task.run() == job_id
    assert task.run() == job_id
    assert task.cloud.count("GetCallerIdentity") == before + 1


def test_new_keys_of_the_same_role_change_nothing(task):
    task.connect(task.cloud, role_arn=role_of(task.cloud, "rotating"))
    before = task.cloud.count("GetCallerIdentity")
    job_id = task.run()
    task.record["identity"]["key_id"] = "AKIDof-another-process"
    assert task.run() == job_id
    assert task.cloud.count("GetCallerIdentity") == before


def test_another_role_is_somebody_else(task):
    task.connect(task.cloud, role_arn=role_of(task.cloud, "one"))
    task.run()
    task.connect(task.cloud, role_arn=role_of(task.cloud, "another"))
    with pytest.raises(IdentityChangedError, match="roleName/another"):
        task.run()


def test_the_same_key_is_not_asked_for_its_owner_again(task):
    task.run()
    before = task.cloud.count("GetCallerIdentity")
    task.run()
    assert task.cloud.count("GetCallerIdentity") == before


@pytest.mark.parametrize(
    "fault",
    [
        Fault(effect="error", action="GetCallerIdentity", code=DENIED),
        Fault(effect="error", action="GetCallerIdentity", code="RequestLimitExceeded"),
        Fault(effect="error", action="GetCallerIdentity", code="InternalError"),
        Fault(effect="http_500", action="GetCallerIdentity"),
        Fault(effect="cut_before", action="GetCallerIdentity"),
    ],
    ids=["denied", "throttled", "failing", "HTTP 500", "cut"],
)
def test_the_same_key_needs_no_sts(task, fault):
    task.cloud.add_fault(fault)
    job_id = task.run()
    assert task.record["identity"]["account"] == ""
    assert task.run() == job_id


def test_an_exchanged_key_without_sts_submits_nothing(task):
    job_id = task.run()
    task.cloud.add_fault(Fault(effect="http_500", action="GetCallerIdentity"))
    task.connect(task.cloud, key=key_of(task.cloud, account=account_of(task.cloud)))
    for on_changed_job in ("fail", "submit"):
        task.settings["on_changed_job"] = on_changed_job
        before = requests(task.cloud)
        with pytest.raises(IdentityUnknownError, match="sts:GetCallerIdentity"):
            task.run()
        assert requests(task.cloud) == before
    task.cloud.clear_faults()
    assert task.run() == job_id


def test_an_emulator_without_an_sts_of_its_own_asks_nobody(task):
    task.connect(task.cloud, sts_endpoint=None)
    before = task.cloud.count("GetCallerIdentity")
    task.run()
    assert task.record["identity"]["account"] == ""
    assert task.cloud.count("GetCallerIdentity") == before


def test_without_a_record_nobody_is_asked_for_the_key(task):
    task.settings["durable"] = False
    before = task.cloud.count("GetCallerIdentity")
    task.run()
    assert task.cloud.count("GetCallerIdentity") == before


def test_no_secret_is_stored(task):
    task.run()
    assert task.cloud.secret_key not in json.dumps(task.record)


def test_what_was_refused_may_be_corrected_elsewhere(task):
    task.connect(task.cloud, key=key_of(task.cloud))
    task.cloud.add_fault(Fault(effect="error", action="SubmitJob", code="UnauthorizedOperation", next=1))
    with pytest.raises(CredentialsError):
        task.run()
    task.connect(task.cloud, region="ap-shanghai")
    task.run()
    assert (task.record["number"], task.record["identity"]["region"]) == (1, "ap-shanghai")


def test_a_corrected_description_counts_from_then_on(task):
    right, task.job = task.job, {"JobName": "j", "Tasks": []}
    with pytest.raises(ApiParameterError):
        task.run()
    task.job = right
    job_id = task.run()
    task.job = {**right, "JobName": "another"}
    with pytest.raises(SubmissionChangedError, match=job_id):
        task.run()


def lose_answers(task, count):
    task.cloud.add_fault(Fault(effect="cut_after", action="SubmitJob", next=count))


def refuse(task):
    task.cloud.add_fault(Fault(effect="error", action="SubmitJob", code="LimitExceeded.JobQuota", next=1))


def test_a_refusal_after_a_lost_answer_proves_nothing(task, monkeypatch):
    lose_answers(task, 1)
    monkeypatch.setattr(RetryPolicy, "_pause", lambda self, state: refuse(task) or 0.0)
    with pytest.raises(TransportError, match=r"not known.*LimitExceeded"):
        task.run()
    task.settings["region"] = "ap-shanghai"
    with pytest.raises(IdentityChangedError):
        task.run()


def test_a_later_refusal_says_nothing_of_the_earlier_try(task):
    lose_answers(task, 4)
    with pytest.raises(TransportError):
        task.run()
    refuse(task)
    with pytest.raises(ApiQuotaError):
        task.run()
    task.settings["region"] = "ap-shanghai"
    with pytest.raises(IdentityChangedError):
        task.run()


def test_a_change_before_the_first_answer_may_be_submitted(task):
    lose_answers(task, 4)
    with pytest.raises(TransportError):
        task.run()
    task.settings["on_changed_job"] = "submit"
    task.job = {**task.job, "JobName": "another"}
    assert task.run() == task.run()


def test_a_submission_without_an_answer_is_found(task):
    task.cloud.add_fault(Fault(effect="cut_after", action="SubmitJob"))
    with pytest.raises(TransportError):
        task.run()
    task.cloud.clear_faults()
    before = task.cloud.call(lambda emulator: len(emulator.batch.job_rows(limit=10_000)))
    task.run()
    assert task.cloud.call(lambda emulator: len(emulator.batch.job_rows(limit=10_000))) == before


@pytest.mark.parametrize(
    "record", ["job-1", {}, {"version": 99}, {"number": 1, "token": "t", "digest": None}], ids=repr
)
def test_a_record_that_cannot_be_read_submits_nothing(task, record):
    task.runner.store[STATE_KEY] = record
    before = requests(task.cloud)
    with pytest.raises(SubmissionRecordError, match="Nothing was submitted"):
        task.run()
    assert requests(task.cloud) == before


@pytest.mark.parametrize("method", ["get", "set"])
def test_a_state_store_that_is_away_submits_nothing(task, monkeypatch, method):
    def away(*args, **kwargs):
        raise ConnectionError("the API server is away")

    monkeypatch.setattr(type(task.runner.store), method, away, raising=False)
    before = requests(task.cloud)
    with pytest.raises(SubmissionRecordError, match="ConnectionError"):
        task.run()
    assert requests(task.cloud) == before


def test_a_record_of_0_1_0_finds_its_job_and_is_completed(task, other_cloud):
    job_id = task.run()
    del task.record["identity"], task.record["version"]
    assert task.run() == job_id
    assert task.record["identity"]["account"] == str(account_of(task.cloud))
    task.connect(other_cloud)
    with pytest.raises(IdentityChangedError):
        task.run()


def test_a_job_s_name_is_logged_as_text_that_folds_nothing(cloud, monkeypatch, capsys):
    task = Task(cloud, monkeypatch)
    task.job["JobName"] = "::group::\x1b[31m"
    with suppress(BatchEventsError):
        task.run()
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "Submitting" in line]
    # An old Airflow colors the line itself.
    assert printable(task.job["JobName"]) in line
    assert task.job["JobName"] not in line
    uncolored = re.sub(r"\x1b\[\d+m", "", line)
    assert uncolored == printable(uncolored)
