# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from airflow_batch_events.events.notifications import build_notifications, normalize_notifications


def configs(notifications):
    return {
        config["EventName"]: {pair["Name"]: pair["Value"] for pair in config["EventVars"]}
        for entry in notifications
        for config in entry["EventConfigs"]
    }


def in_full(config):
    return {"TopicName": "t", "EventConfigs": [config]}


def test_the_events_that_settle_a_wait_are_published_by_default():
    (entry,) = build_notifications("job-message")
    assert entry["TopicName"] == "job-message"
    assert configs([entry]) == {"JOB_SUCCEED": {}, "JOB_FAILED": {}, "JOB_FAILED_INTERRUPTED": {}}


def test_one_set_of_parameters_goes_with_every_event():
    built = build_notifications("t", ["JOB_FAILED", "JobSucceed"], {"dag": "nightly", "part": 3})
    assert configs(built) == {name: {"dag": "nightly", "part": "3"} for name in ("JOB_FAILED", "JOB_SUCCEED")}


def test_parameters_may_differ_by_event():
    built = build_notifications("t", event_vars={"JobSucceed": {"jobSucceed": "Success"}})
    assert configs(built) == {
        "JOB_SUCCEED": {"jobSucceed": "Success"},
        "JOB_FAILED": {},
        "JOB_FAILED_INTERRUPTED": {},
    }


def test_an_event_without_parameters_may_be_named_among_others():
    built = build_notifications("t", ["JOB_FAILED", "JOB_SUCCEED"], {"JOB_FAILED": {"a": 1}, "JOB_SUCCEED": {}})
    assert configs(built) == {"JOB_FAILED": {"a": "1"}, "JOB_SUCCEED": {}}


def test_a_topic_s_name_may_be_as_long_as_the_cloud_takes_it():
    assert build_notifications("t" * 64)[0]["TopicName"] == "t" * 64


def test_the_guides_sample_is_brought_into_the_apis_form():
    sample = [
        {
            "topic_name": "job-message",
            "event_configs": [
                {"event_name": "JobFailed"},
                {"event_name": "JobSucceed", "event_vars": [{"name": "jobSucceed", "value": "Success"}]},
            ],
        }
    ]
    assert normalize_notifications(sample) == [
        {
            "TopicName": "job-message",
            "EventConfigs": [
                {"EventName": "JOB_FAILED", "EventVars": []},
                {"EventName": "JOB_SUCCEED", "EventVars": [{"Name": "jobSucceed", "Value": "Success"}]},
            ],
        }
    ]


def test_the_apis_own_form_stays_as_it_is():
    built = build_notifications("t", event_vars={"k": "v"})
    assert normalize_notifications(built) == built
    assert normalize_notifications(str(built)) == normalize_notifications(built[0]) == built


@pytest.mark.parametrize(("value", "text"), [(7, "7"), (1.5, "1.5"), (True, "True")])
def test_a_number_goes_out_as_its_text(value, text):
    pair = {"Name": "shard", "Value": text}
    built = build_notifications("t", ["JOB_FAILED"], {"shard": value})
    assert built[0]["EventConfigs"][0]["EventVars"] == [pair]
    by_event = build_notifications("t", ["JOB_FAILED"], str({"JobFailed": {"shard": value}}))
    full = normalize_notifications(
        [{"TopicName": "t", "EventConfigs": [{"EventName": "JOB_FAILED", "EventVars": [{**pair, "Value": value}]}]}]
    )
    assert built == by_event == full


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: build_notifications("t" * 65), "^topic_name: 't+' cannot be a topic's name: at most 64 characters"),
        (lambda: build_notifications("1topic"), "a letter first"),
        (lambda: build_notifications("t", []), "^events is empty: a notification needs at least one event name$"),
        (lambda: build_notifications("t", ["JOB_DONE"]), "allowed here: JOB_RUNNING"),
        (lambda: build_notifications("t", ["COMPUTE_ENV_CREATED"]), "unknown event 'COMPUTE_ENV_CREATED'"),
        (lambda: build_notifications("t", event_vars={"a": 1, "b": 2, "JOB_FAILED": {}}), r"mixes .*\(a, b\)"),
        (
            lambda: build_notifications("t", event_vars={"cfg": {"a": 1}}),
            r"event_vars\['cfg'\] is a mapping: .*text.* one of JOB_RUNNING, JOB_",
        ),
        (lambda: build_notifications("t", event_vars={"a": None}), r"event_vars\['a'\] is None"),
        (lambda: build_notifications("t", event_vars={"JOB_FAILED": {"a": [1]}}), r"\['JOB_FAILED'\]\['a'\] is a list"),
        (lambda: build_notifications("t", event_vars="x"), "event_vars is text"),
        (lambda: normalize_notifications("x"), "notifications is text"),
        (lambda: normalize_notifications([]), "notifications is an empty list"),
        (lambda: normalize_notifications(["x"]), r"notifications\[0\] is text"),
        (
            lambda: normalize_notifications([{"TopicName": "t", "EventConfigs": "x"}]),
            r"^notifications\[0\].EventConfigs is a text",
        ),
        (
            lambda: normalize_notifications(
                {"topic_name": "t", "event_configs": [{"event_name": "JobFailed", "event_vars": [{"name": "a"}]}]}
            ),
            r"^notifications\[0\].EventVars\['a'\] is None",
        ),
        (
            lambda: build_notifications("t", ["JOB_FAILED"], {"JOB_SUCCEED": {"a": 1}}),
            "^event_vars.* allowed here: JOB_FAILED",
        ),
        (
            lambda: normalize_notifications([{"TopicName": "t"}]),
            r"^notifications\[0\], for topic 't', has no EventConfigs",
        ),
        (
            lambda: normalize_notifications([{"EventConfigs": [{"EventName": "JOB_FAILED"}]}]),
            r"^notifications\[0\].TopicName: None cannot be",
        ),
        (
            lambda: normalize_notifications([in_full({"EventName": "COMPUTE_ENV_CREATED"})]),
            r"^notifications\[0\]: unknown event 'COMPUTE_ENV_CREATED'",
        ),
        (lambda: normalize_notifications([in_full("x")]), r"^notifications\[0\].EventConfigs is text"),
        (lambda: normalize_notifications([in_full({"EventName": "JOB_DONE"})]), r"^notifications\[0\].*'JOB_DONE'"),
        (
            lambda: normalize_notifications([in_full({"EventName": "JOB_FAILED", "EventVars": 7})]),
            r"^notifications\[0\].EventVars is an int",
        ),
        (
            lambda: normalize_notifications([in_full({"EventName": "JOB_FAILED", "EventVars": ["x"]})]),
            r"^notifications\[0\].EventVars is text",
        ),
        (
            lambda: normalize_notifications([in_full({"EventName": "JOB_FAILED", "EventVars": [{"Value": "x"}]})]),
            r"^a Name in notifications\[0\].EventVars is None",
        ),
    ],
)
def test_what_the_cloud_would_refuse_is_refused_here(call, words):
    with pytest.raises(ValueError, match=words):
        call()
