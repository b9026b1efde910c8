# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_batch_events.protocol.apis.id_batches import MAX_CALLS, IdBatches


def ids(count):
    return [f"job-{number:08d}" for number in range(count)]


def poll(batches, bad):
    """Ask as an API does that refuses a call with a bad id; return the calls, what was answered and what refused."""
    calls, answered, refused = [], set(), set()
    while (batch := batches.take()) is not None:
        calls.append(batch)
        if bad.isdisjoint(batch):
            answered.update(batch)
        elif (culprit := batches.refused(batch)) is not None:
            refused.add(culprit)
    return calls, answered, refused


def test_good_ids_share_calls_of_a_hundred():
    calls, answered, refused = poll(IdBatches(ids(250)), set())
    assert sorted(len(call) for call in calls) == [50, 100, 100]
    assert (answered, refused) == (set(ids(250)), set())


@pytest.mark.parametrize("position", [0, 37, 99])
def test_one_bad_id_among_a_hundred_costs_a_few_calls(position):
    bad = {ids(100)[position]}
    calls, answered, refused = poll(IdBatches(ids(100)), bad)
    assert len(calls) <= 15
    assert (answered, refused) == (set(ids(100)) - bad, bad)


def test_an_id_that_was_refused_before_is_asked_for_alone():
    bad = {"job-00000037"}
    calls, answered, refused = poll(IdBatches(ids(100), dict.fromkeys(bad, 1)), bad)
    assert sorted(len(call) for call in calls) == [1, 99]
    assert (answered, refused) == (set(ids(100)) - bad, bad)


def test_ids_that_could_not_be_read_come_in_small_batches():
    calls, _, _ = poll(IdBatches(ids(10), dict.fromkeys(ids(4), 2)), set())
    assert sorted(len(call) for call in calls) == [2, 2, 6]


@given(count=st.integers(1, 300), data=st.data())
def test_a_poll_is_bounded_and_loses_no_id_however_many_are_bad(count, data):
    bad = set(data.draw(st.lists(st.sampled_from(ids(count)))))
    sizes = data.draw(st.dictionaries(st.sampled_from(ids(count)), st.integers(1, 50)))
    batches = IdBatches(ids(count), sizes)
    calls, answered, refused = poll(batches, bad)
    assert len(calls) <= MAX_CALLS * -(-count // 100)
    assert refused <= bad
    assert answered.isdisjoint(bad)
    assert sorted([*answered, *refused, *batches.left]) == ids(count)


@given(count=st.integers(1, 200), data=st.data())
def test_polls_that_remember_what_was_refused_come_to_an_end(count, data):
    bad = set(data.draw(st.lists(st.sampled_from(ids(count)))))
    open_ids, sizes = ids(count), {}
    for _ in range(100):
        batches = IdBatches(open_ids, sizes)
        _, _, refused = poll(batches, bad)
        sizes.update(dict.fromkeys(refused, 1))
        open_ids = [item for item in open_ids if item in batches.left]
        if not open_ids:
            return
    pytest.fail(f"{len(open_ids)} ids were never asked about")


def poll_through(batches, works):
    """Ask as an API does that fails unless the ids please it; return the calls and what was answered."""
    calls, answered = [], set()
    while (batch := batches.take()) is not None:
        calls.append(batch)
        if works(batch):
            batches.is_answered = True
            answered.update(batch)
        elif not batches.failed(batch):
            break
    return calls, answered


@pytest.mark.parametrize("position", [0, 37, 99])
def test_an_id_that_makes_calls_fail_costs_a_few_calls(position):
    """One bad item stops the others: whatever a call fails with, not only where the API names the id."""
    bad = ids(100)[position]
    calls, answered = poll_through(IdBatches(ids(100)), lambda batch: bad not in batch)
    assert len(calls) <= 17
    assert answered == set(ids(100)) - {bad}


def test_an_api_that_is_down_is_asked_few_times_in_a_poll():
    calls, answered = poll_through(IdBatches(ids(1000)), lambda batch: False)
    assert len(calls) <= 4
    assert not answered


def test_an_id_that_fails_in_a_poll_of_its_own_ends_the_poll():
    batches = IdBatches(ids(1))
    assert not batches.failed(batches.take())
