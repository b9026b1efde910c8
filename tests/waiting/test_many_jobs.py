# SPDX-License-Identifier: Apache-2.0
"""What a try finds of earlier ones: in the state store, in what the triggerer has left, or nowhere."""

from __future__ import annotations

import json
import random
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.models.trigger import Trigger
from msgspec import to_builtins

from airflow_batch_events.events.many.items import CHUNK, Item, pack_descriptions
from airflow_batch_events.exceptions import (
    IdentityChangedError,
    IdentityUnknownError,
    SubmissionChangedError,
    SubmissionRecordError,
)
from airflow_batch_events.submission.identity import Identity
from airflow_batch_events.submission.many import JOBS_KEY, handover_name
from airflow_batch_events.triggers.many_jobs import BatchJobsTrigger
from airflow_batch_events.waiting import many_jobs
from airflow_batch_events.waiting.many_jobs import MAX_CARRIED, JobsRecord, carried, pack_notes

HERE = Identity("ap-guangzhou", "", "AKID1", "100")
TOTAL = CHUNK + 2


class Store(dict[str, Any]):
    def set(self, key: str, value: Any) -> None:
        self[key] = json.loads(json.dumps(value))


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    found: dict[str, str] = {}
    monkeypatch.setattr(many_jobs, "handed_over", found.get)
    monkeypatch.setattr(many_jobs, "drop_handed_over", lambda name: found.pop(name, None))
    return found


@pytest.fixture
def store(variables: dict[str, str]) -> Store:
    return Store()


def record(store: Store | None, *, try_number: int = 1, max_tries: int = 2) -> JobsRecord:
    ti = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1, try_number=try_number, max_tries=max_tries)
    return JobsRecord({"ti": ti, "task_state_store": store})


def plan(record: JobsRecord, *, identity: Identity = HERE) -> Any:
    return record.plan("digest", TOTAL, lambda earlier: identity, on_changed="fail", were_ended=True)


def ended() -> list[Item]:
    return [Item(1, f"job-{n}", "FAILED" if n == CHUNK else "SUCCEED") for n in range(TOTAL)]


def test_a_first_try_begins_with_jobs_that_are_new(store):
    submission, items = plan(record(store))
    assert items == [Item()] * TOTAL
    assert (submission.generation, submission.waits) == (1, 0)
    begun = record(store).begin(submission, items)
    assert (begun.waits, begun.is_noted, begun.waited_under) == (1, False, 2)


def test_what_a_wait_has_left_is_what_the_next_try_begins_with(store, variables):
    one = record(store)
    begun = one.begin(*plan(one))
    variables[handover_name(one.seed(begun), 1)] = "not needed any more"
    one.end(ended())
    assert variables == {}
    _, items = plan(record(store, try_number=2))
    assert [n for n, item in enumerate(items) if item.state is None] == [CHUNK]
    assert items[CHUNK] == Item(2)


def test_of_a_worker_that_has_died_the_triggerer_s_notes_are_taken(store, variables):
    one = record(store)
    begun = one.begin(*plan(one))
    variables[handover_name(one.seed(begun), 1)] = json.dumps(pack_notes(ended()))
    again = record(store, try_number=2)
    submission, items = plan(again)
    assert items[CHUNK] == Item(2)
    assert items[0].state == "SUCCEED"
    # They are let go when they are stored here, and not before.
    assert len(variables) == 1
    again.begin(submission, items)
    assert variables == {}


def test_where_no_notes_were_left_every_job_may_have_been_submitted(store):
    one = record(store)
    one.begin(*plan(one))
    _, items = plan(record(store, try_number=2))
    assert items == [Item(earlier=1)] * TOTAL


@pytest.mark.parametrize("text", ["no JSON", "{}", '["x", "y"]', "[null, 7]"])
def test_notes_that_cannot_be_read_end_the_try(store, variables, text):
    one = record(store)
    begun = one.begin(*plan(one))
    variables[handover_name(one.seed(begun), 1)] = text
    with pytest.raises(SubmissionRecordError, match="Nothing was submitted"):
        plan(record(store, try_number=2))


def test_a_task_that_was_cleared_begins_anew_under_other_tokens(store, variables):
    one = record(store)
    first = one.begin(*plan(one))
    variables[handover_name(one.seed(first), 1)] = json.dumps(pack_notes(ended()))
    again = record(store, try_number=2, max_tries=4)
    second, items = plan(again)
    assert items == [Item()] * TOTAL
    assert one.seed(first) != again.seed(second)
    again.begin(second, items)
    assert variables == {}


def test_a_key_of_an_unknown_account_ends_the_try(store):
    one = record(store)
    one.begin(*plan(one))
    with pytest.raises(IdentityUnknownError):
        plan(record(store, try_number=2), identity=Identity("ap-guangzhou", "", "AKID2"))


@pytest.mark.parametrize("is_stored", [True, False])
@pytest.mark.parametrize("count", [1, 10_000])
def test_what_a_trigger_carries_fits_into_every_database(count, is_stored):
    pushed: dict[str, str] = {}
    ti = SimpleNamespace(xcom_push=lambda *, key, value: pushed.__setitem__(key, value))
    jobs = pack_descriptions([{"JobName": f"part-{n}", "Tasks": [{"Seed": random.random()}]} for n in range(count)])
    items = [Item(1, f"job-{random.randrange(10**8)}", "SUCCEED") for _ in range(count)]

    descriptions, notes = carried(ti, "wait", jobs, items, is_stored=is_stored)

    if count == 1 or not is_stored:
        # A test of a task stores nothing, and has no XComs that its trigger could reach.
        assert (descriptions, notes, pushed) == (jobs, pack_notes(items), {})
    else:
        assert (descriptions, notes) == (None, None)
        assert pushed == {"wait_jobs": jobs} | {f"wait_{n}": text for n, text in enumerate(pack_notes(items))}
    if is_stored:
        largest = BatchJobsTrigger("x" * MAX_CARRIED if descriptions is None else descriptions, count, notes=notes)
        # MySQL's TEXT, encrypted.
        assert len(Trigger.from_object(largest).encrypted_kwargs) < 65_535


def test_without_a_state_store_tokens_are_all_that_is_known():
    one = record(None, try_number=3)
    submission, items = plan(one)
    assert items == [Item(earlier=2)] * TOTAL
    assert one.begin(submission, items).waits == 3
    one.end(ended())
    assert one.load() is None


def test_a_store_that_does_not_take_the_end_keeps_the_triggerer_s_notes(store, variables):
    one = record(store)
    begun = one.begin(*plan(one))
    variables[handover_name(one.seed(begun), 1)] = json.dumps(pack_notes(ended()))

    def fail(key: str, value: Any) -> None:
        raise ConnectionError("away")

    store.set = fail  # type: ignore[method-assign]
    one.end(ended())
    assert len(variables) == 1
    assert store[JOBS_KEY]["is_noted"] is False


def test_jobs_elsewhere_and_other_descriptions_are_not_submitted_beside_the_old_ones(store):
    one = record(store)
    one.begin(*plan(one))
    with pytest.raises(IdentityChangedError, match="region was 'ap-guangzhou' and is 'ap-shanghai'"):
        plan(record(store, try_number=2), identity=Identity("ap-shanghai", "", "AKID1", "100"))
    again = record(store, try_number=2)
    with pytest.raises(SubmissionChangedError, match=f"submitted {TOTAL} jobs with other descriptions"):
        again.plan("another digest", TOTAL, lambda earlier: HERE, on_changed="fail", were_ended=True)
    submission, items = again.plan("another digest", TOTAL, lambda earlier: HERE, on_changed="submit", were_ended=True)
    assert (submission.generation, items) == (2, [Item()] * TOTAL)


def test_a_try_that_was_planned_and_never_waited_has_submitted_nothing(store):
    one = record(store)
    submission, items = plan(one)
    store.set(JOBS_KEY, to_builtins(submission))
    _, again = plan(record(store, try_number=2))
    assert again == items == [Item()] * TOTAL


def test_an_end_of_other_jobs_is_not_noted(store):
    one = record(store)
    one.begin(*plan(one))
    before = dict(store)
    one.end(ended()[1:])
    assert store == before


class AwayError(Exception):
    """Airflow does not answer."""


def test_nothing_is_submitted_while_airflow_does_not_say_what_was(store, monkeypatch):
    def away(*_: object) -> None:
        raise AwayError("S3CRET")

    one = record(store)
    one.begin(*plan(one))
    monkeypatch.setattr(many_jobs, "handed_over", away)
    with pytest.raises(SubmissionRecordError, match=r"\(AwayError\). Nothing was submitted"):
        plan(record(store, try_number=2))
    broken = SimpleNamespace(get=away, set=away)
    with pytest.raises(SubmissionRecordError, match=r"does not say what .* \(AwayError\). Nothing was submitted"):
        plan(record(broken, try_number=2))
    with pytest.raises(SubmissionRecordError, match=r"does not take what a later try must know") as caught:
        record(broken).begin(*plan(record(Store())))
    assert "S3CRET" not in str(caught.value)
