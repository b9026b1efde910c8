# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import codecs
import json
import random
import time

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_batch_events.events.catalog import EventName
from airflow_batch_events.events.message import ParsedMessage, parse_message, parse_time

# The one body that the vendor has published (guide 599/17924).
PUBLISHED = {
    "Events": [
        {
            "EventVersion": "1.0",
            "EventTime": "2018-06-15T14:43:17Z",
            "Region": "ap-guangzhou",
            "Batch": {
                "ComputeNodeId": "node-0iy7wxyo",
                "EnvId": "env-ptoxdb1t",
                "ComputeNodeState": "CREATED",
                "Mem": 8,
                "ResourceCreatedTime": "2018-06-15T14:43:18Z",
                "EnvName": "batch-env",
                "ComputeNodeInstanceId": "ins-9rikj9kw",
                "Cpu": 4,
            },
            "EventName": "COMPUTE_NODE_CREATED",
            "EventVars": [],
        }
    ]
}


def job_event(**fields):
    return {
        "EventName": "JOB_SUCCEED",
        "EventTime": "2026-01-02T03:04:05Z",
        "Region": "ap-guangzhou",
        "Batch": {"JobId": "job-12345678"},
        "EventVars": [{"Name": "stage", "Value": "nightly"}],
        **fields,
    }


def wrap(body):
    return json.dumps({"TopicOwner": 1, "topicName": "t", "subscriptionName": "s", "msgId": "6", "msgBody": body})


def b64(text):
    return base64.b64encode(text.encode()).decode()


def test_the_published_body_is_read():
    (event,) = parse_message(json.dumps(PUBLISHED)).events
    assert event.known_name is EventName.COMPUTE_NODE_CREATED
    assert event.time == pendulum.datetime(2018, 6, 15, 14, 43, 17, tz="UTC")
    assert (event.region, event.env_id) == ("ap-guangzhou", "env-ptoxdb1t")
    assert event.compute_node_id == "node-0iy7wxyo"
    assert event.batch["Cpu"] == 4
    assert event.job_id is None


ENVELOPE = json.dumps({"Events": [job_event()]})


@pytest.mark.parametrize(
    "body",
    [
        ENVELOPE,
        ENVELOPE.encode(),
        f"\n {ENVELOPE} ",
        b64(ENVELOPE),
        b64(ENVELOPE) + "\n",
        wrap(ENVELOPE),
        wrap(b64(ENVELOPE)),
        b64(wrap(ENVELOPE)),
        wrap(json.loads(ENVELOPE)),
    ],
    ids=["json", "bytes", "padded", "base64", "base64 line", "wrapped", "wrapped base64", "base64 wrapped", "nested"],
)
def test_an_event_is_read_however_it_was_wrapped(body):
    parsed = parse_message(body)
    assert parsed.problem is None
    (event,) = parsed.events
    assert (event.job_id, event.vars) == ("job-12345678", {"stage": "nightly"})


ENCODINGS = {
    "base64": lambda data: base64.b64encode(data),
    "base64 in lines": lambda data: base64.encodebytes(data).replace(b"\n", b"\r\n"),
    "base64 for URLs": lambda data: base64.urlsafe_b64encode(data),
    "base64 without padding": lambda data: base64.b64encode(data).rstrip(b"="),
    "JSON string": lambda data: json.dumps(data.decode()).encode(),
    "UTF-8 with a mark": lambda data: codecs.BOM_UTF8 + data,
    "UTF-16 with a mark": lambda data: data.decode().encode("utf-16"),
    "UTF-16, big end first, with a mark": lambda data: codecs.BOM_UTF16_BE + data.decode().encode("utf-16-be"),
    "UTF-16 with a blank before it": lambda data: ("\n" + data.decode()).encode("utf-16-le"),
    "UTF-32 without a mark": lambda data: data.decode().encode("utf-32-le"),
    "UTF-32, big end first, without a mark": lambda data: data.decode().encode("utf-32-be"),
    "blanks and a NUL around": lambda data: b"\r\n\t " + data + b" \0\n",
    "wrapper": lambda data: wrap(data.decode()).encode(),
}
# The names differ in length, so that Base64 of them ends in each of the paddings; some need the characters + and /, one
# of them so often that the others alone have the length of Base64, too.
NAMES = ["case", "cases", "casess", "~~~?>>>", "???????????", "이벤트", "👩‍👩‍👧"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_body_is_read_in_any_encoding_that_senders_use(encoding, name):
    envelope = json.dumps({"Events": [job_event(EventVars=[{"Name": "n", "Value": name}])]}, ensure_ascii=False)
    body = ENCODINGS[encoding](envelope.encode())
    for delivered in (body, base64.b64encode(body), base64.b64encode(body).decode()):
        (event,) = parse_message(delivered).events
        assert event.vars == {"n": name}


@pytest.mark.parametrize(
    "body",
    [
        "\ufeff" + ENVELOPE,
        " \ufeff\n" + ENVELOPE,
        wrap("\ufeff" + ENVELOPE),
        b64("\ufeff" + ENVELOPE),
        b64(b64(ENVELOPE)),
        b64(b64(b64(ENVELOPE))),
        wrap(b64(b64(ENVELOPE))),
        base64.b64encode(ENVELOPE.encode("utf-16-le")).decode(),
        base64.b64encode(ENVELOPE.encode("utf-16-be")).decode(),
    ],
    ids=[
        "mark",
        "mark between blanks",
        "mark in a wrapper",
        "mark in Base64",
        "doubled",
        "tripled",
        "doubled in a wrapper",
        "UTF-16",
        "UTF-16, big end first",
    ],
)
def test_marks_and_doubled_encodings_are_taken_away(body):
    (event,) = parse_message(body).events
    assert event.job_id == "job-12345678"


def test_encodings_may_follow_each_other_in_any_order():
    rng = random.Random(7)
    names = [name for name in ENCODINGS if not name.startswith(("UTF-16", "UTF-32"))]
    for _ in range(300):
        body = ENVELOPE.encode()
        for name in rng.sample(names, 2):
            body = ENCODINGS[name](body)
        assert parse_message(body).events, body[:60]


def test_several_events_in_one_message_keep_their_order():
    body = json.dumps({"Events": [job_event(EventName="JOB_RUNNING"), job_event()]})
    assert [event.name for event in parse_message(body).events] == ["JOB_RUNNING", "JOB_SUCCEED"]


def test_a_name_in_the_guides_spelling_is_brought_into_the_apis():
    (event,) = parse_message(json.dumps({"Events": [job_event(EventName="JobFailedInterrupted")]})).events
    assert event.name == "JOB_FAILED_INTERRUPTED"


def test_an_unknown_name_and_unknown_fields_are_kept():
    (event,) = parse_message(
        json.dumps({"Events": [job_event(EventName="JOB_TELEPORTED", Batch={"JobId": "job-1", "Warp": 9})]})
    ).events
    assert (event.name, event.known_name, event.batch["Warp"]) == ("JOB_TELEPORTED", None, 9)


def test_missing_fields_are_none_or_empty():
    (event,) = parse_message('{"Events": [{"EventName": "JOB_SUCCEED"}]}').events
    assert (event.job_id, event.time, event.region, event.vars) == (None, None, "", {})


def test_an_event_is_told_as_a_dict():
    (event,) = parse_message(ENVELOPE).events
    assert event.to_dict() == {
        "event_name": "JOB_SUCCEED",
        "event_time": "2026-01-02T03:04:05Z",
        "region": "ap-guangzhou",
        "event_vars": {"stage": "nightly"},
        "job_id": "job-12345678",
        "batch": {"JobId": "job-12345678"},
    }


def test_an_event_without_a_time_is_told_with_none():
    (event,) = parse_message('{"Events": [{"EventName": "JOB_SUCCEED"}]}').events
    assert event.to_dict()["event_time"] is None


def test_of_the_parameters_those_with_a_name_are_read():
    pairs = [{"Name": "empty"}, {"Name": 7, "Value": "a"}, {"Value": "b"}, "c", None, {"Name": "count", "Value": 8}]
    (event,) = parse_message(json.dumps({"Events": [job_event(EventVars=pairs)]})).events
    assert event.vars == {"empty": "", "count": "8"}


def test_readable_events_come_with_the_reason_for_the_others():
    parsed = parse_message(json.dumps({"Events": [job_event(), {"EventTime": "2026-01-02T03:04:05Z"}]}))
    assert [event.job_id for event in parsed.events] == ["job-12345678"]
    assert parsed.problem == "Events[1] has no EventName"


@pytest.mark.parametrize(
    "odd",
    [
        {"EventTime": "2026-01-02T03:04:05+99:99"},
        {"Batch": {"TaskInstanceIndex": 10**300}},
        {"Batch": [1], "Region": 7, "EventVars": {"a": 1}},
        None,
        [],
        7,
        {},
        {"EventName": None},
        {"EventName": {"a": 1}},
    ],
    ids=["time", "index", "types", "null", "list", "number", "empty", "no name", "name of another type"],
)
def test_an_odd_entry_takes_no_other_with_it(odd):
    if isinstance(odd, dict) and "EventName" not in odd and odd:
        odd = {"EventName": "JOB_FAILED", **odd}
    body = json.dumps({"Events": [job_event(), odd, job_event(EventName="JOB_FAILED")]})
    names = [event.name for event in parse_message(body).events]
    assert (names[0], names[-1]) == ("JOB_SUCCEED", "JOB_FAILED")
    for event in parse_message(body).events:
        hash(event.identity)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r"cut \ud83d", "cut \ufffd"),
        (r"\ude00 cut", "\ufffd cut"),
        (r"\uD83D\uD83D\uDE00", "\ufffd😀"),
        (r"\ud800 \ud83d\ude00 \\ud800 \u0041\n", "\ufffd 😀 \\ud800 A\n"),
    ],
)
def test_half_an_emoji_takes_no_other_character_with_it(written, read):
    body = json.dumps({"Events": [job_event(EventVars=[{"Name": "n", "Value": "*"}])]}).replace("*", written)
    for delivered in (body, b64(body), wrap(body)):
        (event,) = parse_message(delivered).events
        assert event.vars == {"n": read}


def test_half_a_character_is_read_as_a_replacement():
    body = json.dumps({"Events": [job_event(EventVars=[{"Name": "n", "Value": "*"}])]})
    cut = body.encode().replace(b"*", "이".encode()[:2])
    for delivered in (body.replace("*", "\ud83d"), wrap(body).replace("*", "\ud83d"), cut, base64.b64encode(cut)):
        (event,) = parse_message(delivered).events
        assert event.vars == {"n": "\ufffd"}


def test_an_entry_that_breaks_its_reader_costs_only_itself(monkeypatch):
    def read_or_break(text):
        if text == "broken":
            raise OverflowError
        return parse_time(text)

    monkeypatch.setattr("airflow_batch_events.events.message.parse_time", read_or_break)
    parsed = parse_message(json.dumps({"Events": [job_event(EventTime="broken"), job_event()]}))
    assert [event.job_id for event in parsed.events] == ["job-12345678"]
    assert parsed.problem == "Events[0] cannot be read (OverflowError)"


@pytest.mark.parametrize(
    "body",
    [
        "[" * 1_048_576,
        '{"Events":' * 100_000,
        '{"a":' + "9" * 1_048_576 + "}",
        '{"Events": [{"EventName": "X", "EventVars": [{"Name": "a", "Value": ' + "9" * 4_000 + "}]}]}",
        json.dumps({"Events": [{}] * 300_000}),
        "A" * 1_048_575,
        "\n" * 500_000 + "QUFB" * 131_072,
        json.dumps("\\" * 500_000),
        r"\ud800" * 170_000,
        '{"a": "' + r"\ud800" * 170_000 + '"',
    ],
    ids=[
        "brackets",
        "objects",
        "digits",
        "number",
        "entries",
        "base64",
        "blanks",
        "escapes",
        "halves",
        "halves in JSON",
    ],
)
def test_a_body_of_the_largest_size_is_read_in_bounded_time(body):
    began = time.process_time()
    parsed = parse_message(body)
    assert parsed.events or parsed.problem
    assert time.process_time() - began < 2.0


def test_encodings_without_end_end():
    body = ENVELOPE
    while len(body) < 500_000:
        body = b64(body)
    assert parse_message(body).problem is not None


def test_no_mutation_of_a_good_body_makes_the_reader_raise():
    rng = random.Random(11)
    scraps = ["\ufeff", "\0", "\ud800", "\\ud800", "NaN", "1e999", "9" * 5000, "[" * 2000, "{}", "null", '"', ",", "="]
    good = [ENVELOPE, b64(ENVELOPE), wrap(ENVELOPE), wrap(b64(ENVELOPE)), json.dumps(PUBLISHED)]
    for _ in range(3_000):
        body = rng.choice(good)
        for _ in range(rng.randint(1, 4)):
            start = rng.randrange(len(body))
            body = body[:start] + rng.choice(scraps) + body[start + rng.randint(0, 6) :]
        parsed = parse_message(body)
        assert parsed.events or parsed.problem
        for event in parsed.events:
            hash(event.identity)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("", "neither JSON nor Base64 of JSON"),
        ("hello", "neither JSON nor Base64 of JSON"),
        ("null", "neither JSON nor Base64 of JSON"),
        ("[" * 100_000, "neither JSON nor Base64 of JSON"),
        ('{"msgBody":' * 50_000, "neither JSON nor Base64 of JSON"),
        ("x" * 1_048_576, "neither JSON nor Base64 of JSON"),
        ("[1, 2]", "JSON list instead of an object"),
        ("true", "JSON boolean instead of an object"),
        ("7", "JSON number instead of an object"),
        ("7.5", "JSON number instead of an object"),
        ("{}", "JSON object without 'Events'"),
        ('{"Events": null}', "'Events' is a JSON null instead of a list"),
        ('{"Events": "x"}', "'Events' is a JSON string instead of a list"),
        ('{"Events": {}}', "'Events' is a JSON object instead of a list"),
        ('{"Events": []}', "'Events' is empty"),
        (wrap(wrap(wrap(ENVELOPE))), "too many wrappers around the event"),
    ],
)
def test_an_unreadable_body_is_a_reason_that_does_not_quote_it(body, problem):
    assert parse_message(body) == ParsedMessage(problem=problem)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
field_names = st.sampled_from(["EventName", "EventTime", "Region", "Batch", "EventVars", "JobId", "Name", "Value"])
near_events = st.dictionaries(field_names, json_values | st.dictionaries(field_names, json_values, max_size=3))


@given(st.one_of(st.text(), st.binary(), json_values.map(json.dumps)))
def test_no_body_makes_the_reader_raise(body):
    parsed = parse_message(body)
    assert parsed.events or parsed.problem


@given(st.lists(near_events, max_size=5))
def test_no_field_of_any_type_makes_the_reader_raise(events):
    parsed = parse_message(json.dumps({"Events": events}))
    for event in parsed.events:
        json.dumps(event.to_dict())
        hash(event.identity)
