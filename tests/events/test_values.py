# SPDX-License-Identifier: Apache-2.0
"""Values that rendering has changed: what is unambiguous is taken, everything else is refused by name."""

from __future__ import annotations

import collections
import json
import re

import pytest

from airflow_batch_events.events.values import (
    event_var_of,
    event_vars_of,
    filter_vars_of,
    flag_of,
    items_of,
    job_id_of,
    job_ids_of,
    mapping_of,
    name_of,
    objects_of,
    some_job_ids_of,
    text_of,
    texts_of,
    unfold,
    whole_of,
)
from airflow_batch_events.exceptions import ParameterError

OUTCOME = {"job_id": "job-1", "state": "SUCCEED", "succeeded": True, "event_name": None, "source": "event"}


class LazySequence(collections.abc.Sequence):
    """As the output of a mapped task: neither a list nor a tuple."""

    def __init__(self, *items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        ("job-1", "job-1"),
        (OUTCOME, "job-1"),
        (json.dumps(OUTCOME), "job-1"),
        (str(OUTCOME), "job-1"),
        (["job-1", "job-2"], ["job-1", "job-2"]),
        (("job-1",), ["job-1"]),
        ({"job-2", "job-1"}, ["job-1", "job-2"]),
        (LazySequence("job-1", OUTCOME | {"job_id": "job-2"}), ["job-1", "job-2"]),
        ('["job-1", "job-2"]', ["job-1", "job-2"]),
        ("['job-1', 'job-2']\n", ["job-1", "job-2"]),
        ([str(OUTCOME)], ["job-1"]),
        ([], []),
        ("[]", []),
        (LazySequence(), []),
    ],
)
def test_job_ids_are_taken_in_every_rendered_form(value, taken):
    assert job_ids_of("job_id", value) == taken
    assert job_ids_of("job_id", taken) == taken


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "job_id is None, must be a job id: the task that it comes from was skipped"),
        ("None", "job_id is 'None'"),
        ("null", "job_id is 'null'"),
        ("", "job_id is ''"),
        (" \n", "job_id is"),
        (42, r"job_id is 42 \(int\)"),
        (True, r"job_id is True \(bool\)"),
        (b"job-1", "job_id is a bytes"),
        ({"state": "SUCCEED"}, "job_id is a dict without a job_id"),
        ({"job_id": 7}, r"job_id is 7 \(int\)"),
        (["job-1", None], r"job_id\[1\] is None"),
        (["job-1", ["job-2"]], r"job_id\[1\] is a list"),
        (["job-1", ""], r"job_id\[1\] is ''"),
        (["job-1", "job-1"], "job_id names a job twice: job-1"),
        ("job-1,job-2", "cannot be a job id"),
        ("job-1\n", "cannot be a job id"),
        ("LazyXComSequence([2 items])", "cannot be a job id"),
        ("j" * 5000, "cannot be a job id"),
        ("[" * 100_000, "cannot be a job id"),
        (object(), "job_id is an object"),
    ],
)
def test_what_is_no_job_id_is_refused_with_its_name_and_type(value, words):
    with pytest.raises(ParameterError, match=words) as caught:
        job_ids_of("job_id", value)
    assert len(str(caught.value)) < 300


def test_one_job_is_not_a_list_of_one():
    with pytest.raises(ParameterError, match="job_id is a list"):
        job_id_of("job_id", ["job-1"])


def test_where_a_job_is_needed_an_empty_list_names_none():
    with pytest.raises(ParameterError, match="job_id is an empty list"):
        some_job_ids_of("job_id", LazySequence())


@pytest.mark.parametrize("value", [{"a": 1}, '{"a": 1}', "{'a': 1}", ' {"a": 1}\n', collections.OrderedDict(a=1)])
def test_an_object_is_taken_as_itself_or_as_its_text(value):
    assert mapping_of("job", value) == {"a": 1}


@pytest.mark.parametrize("value", [None, "", "None", "ap-guangzhou-6", "[1]", "{", [{"a": 1}], 1, {}, "{}"])
def test_what_is_no_object_is_refused_without_showing_it(value):
    with pytest.raises(ParameterError, match=r"^job is ") as caught:
        mapping_of("job", value)
    assert "guangzhou" not in str(caught.value)


@pytest.mark.parametrize("text", ["job-1", "{hostname}-waits", "[a-z]*", "[not json", "", "__import__('os')"])
def test_text_that_spells_no_object_stays_text(text):
    assert unfold(text) == text


def test_digits_that_became_a_number_are_text_again():
    assert text_of("name", 20260101) == "20260101"
    assert name_of("queue_name", 7) == "7"


@pytest.mark.parametrize("value", [None, "", " \t", 1.5, True, b"x", ["x"], {"x": 1}])
def test_what_is_no_text_is_refused(value):
    with pytest.raises(ParameterError, match=r"^region is "):
        name_of("region", value)


@pytest.mark.parametrize("value", ["ap guangzhou", "q\n", "q\x00", "a\u202eb", "\ud800"])
def test_a_name_is_on_one_line_and_without_spaces(value):
    with pytest.raises(ParameterError, match=r"queue_name is .*, must be a name") as caught:
        name_of("queue_name", value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("value", [3, "3", 3.0, " 3 "])
def test_a_whole_number_is_taken_as_text_too(value):
    assert whole_of("count", value, least=1) == 3


def test_a_whole_number_may_be_on_its_bounds():
    assert [whole_of("count", number, least=1, most=100) for number in (1, 100)] == [1, 100]


@pytest.mark.parametrize("value", [None, "", "three", "3.5", 3.5, True, "-1", 0, "9" * 50, float("nan"), [3], "\uff13"])
def test_what_is_no_whole_number_within_bounds_is_refused(value):
    with pytest.raises(ParameterError, match=r"^count is .*, must be a whole number from 1 to 100$"):
        whole_of("count", value, least=1, most=100)


@pytest.mark.parametrize(("value", "text"), [(7, "7"), (1.5, "1.5"), (True, "True"), ("x", "x"), ("", "")])
def test_a_number_never_differs_from_its_text_in_event_vars(value, text):
    assert event_var_of("event_vars['a']", value) == text


@pytest.mark.parametrize("value", [None, {"a": 1}, ["secret"], b"secret", object()])
def test_an_event_var_that_is_no_text_is_named_and_not_shown(value):
    with pytest.raises(ParameterError, match=r"event_vars\['shard'\] is .*, must be text") as caught:
        event_vars_of("event_vars", {"shard": value})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("key", "kind"), [(1, "an int"), ("", "a text")])
def test_a_parameter_without_a_name_is_refused(key, kind):
    words = f"event_vars has {kind} as the name of a parameter, must be a text that is not empty"
    with pytest.raises(ParameterError, match=rf"^{words}$"):
        event_vars_of("event_vars", {key: "x"})


def test_parameters_are_texts():
    variables = {"a": 7, "_b": "__x", "c__": True}
    assert event_vars_of("x", variables) == filter_vars_of("x", variables) == {"a": "7", "_b": "__x", "c__": "True"}


def test_a_filter_has_no_parameter_with_a_name_of_airflow_s_own():
    with pytest.raises(ParameterError) as caught:
        filter_vars_of("event_vars", {"a": "x", "__type": "x"})
    assert str(caught.value) == "event_vars has the parameter '__type': names that begin with __ are Airflow's own"


def test_one_object_or_text_is_a_list_of_one():
    assert objects_of("notifications", "[{'a': 1}]") == objects_of("notifications", {"a": 1}) == [{"a": 1}]
    assert texts_of("instance_types", "['A', 'B']") == ["A", "B"]
    assert texts_of("instance_types", "A") == ["A"]


@pytest.mark.parametrize("value", [None, [], "", "[]", [None], ["x", ""], [1.5]])
def test_an_empty_list_or_a_list_with_a_gap_is_refused(value):
    with pytest.raises(ParameterError, match=r"^instance_types"):
        texts_of("instance_types", value)
    with pytest.raises(ParameterError, match=r"^notifications"):
        objects_of("notifications", value)


@pytest.mark.parametrize(
    ("value", "read"), [(True, True), (False, False), ("True", True), (" false ", False), ("TRUE", True)]
)
def test_a_switch_is_taken_as_its_text_too(value, read):
    assert flag_of("durable", value) is read


@pytest.mark.parametrize(
    ("value", "shown"), [("no way", "'no way'"), (1, "1"), (0.5, "0.5"), (None, "None"), ([True], "a list")]
)
def test_what_is_no_switch_is_refused(value, shown):
    with pytest.raises(ParameterError, match=rf"^durable is {re.escape(shown)}, must be True or False$"):
        flag_of("durable", value)


def test_none_is_explained_and_nothing_else_is():
    for read in (text_of, mapping_of, event_var_of):
        with pytest.raises(ParameterError, match=r"the task that it comes from was skipped, or has pushed nothing$"):
            read("x", None)
        with pytest.raises(ParameterError) as caught:
            read("x", [1])
        assert "pushed" not in str(caught.value)


def test_several_ids_have_one_order_however_they_are_mixed():
    assert items_of({*"hgfedcba", 1}) == [1, *"abcdefgh"]


def test_ids_that_are_named_twice_are_all_named():
    with pytest.raises(ParameterError, match=r"job_id names a job twice: job-1, job-2$"):
        job_ids_of("job_id", ["job-1", "job-2", "job-3", "job-2", "job-1"])


@pytest.mark.parametrize("text", ["x" * 98, "x" * 99])
def test_a_wrong_value_is_shown_as_far_as_it_fits(text):
    shown = repr(text) if len(repr(text)) <= 100 else repr(text)[:97] + "..."
    with pytest.raises(ParameterError, match=rf"^count is {re.escape(shown)}, must be"):
        whole_of("count", text, least=1)


def test_what_is_wrong_is_named_and_shown():
    for read, value, words in (
        (name_of, "a b", "x is 'a b', must be a name or an id, without spaces and line breaks"),
        (job_id_of, "a b", "x is 'a b', which cannot be a job id such as job-97zcl3wt"),
        (
            job_id_of,
            None,
            "x is None, must be a job id: the task that it comes from was skipped, or has pushed nothing",
        ),
        (job_id_of, "", "x is '', must be a job id: the task that it comes from was skipped, or has pushed nothing"),
        (some_job_ids_of, "a b", "x is 'a b', which cannot be a job id such as job-97zcl3wt"),
        (mapping_of, "a b", "x is text that is no JSON object, must be a dictionary, or its JSON text"),
        (mapping_of, [], "x is a list, must be a dictionary, or its JSON text"),
        (event_vars_of, [], "x is a list, must be a dictionary, or its JSON text"),
        (filter_vars_of, [], "x is a list, must be a dictionary, or its JSON text"),
        (event_var_of, [], "x is a list, must be text, a number or a boolean"),
        (text_of, [], "x is a list, must be text"),
        (text_of, Xylophone(), "x is a Xylophone, must be text"),
    ):
        with pytest.raises(ParameterError) as caught:
            read("x", value)
        assert str(caught.value) == words
    with pytest.raises(ParameterError, match=r"^count is a list, must be a whole number, 1 or more$"):
        whole_of("count", [1], least=1)


class Xylophone:
    """Something that nobody passes, whose name begins with a letter that is no vowel."""


@pytest.mark.parametrize("value", ["job-1", ["job-1", "job-2"]])
def test_ids_are_returned_as_they_were_read(value):
    assert some_job_ids_of("job_id", value) == value
