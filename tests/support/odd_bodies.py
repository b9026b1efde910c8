# SPDX-License-Identifier: Apache-2.0
"""
Message bodies that nobody should send and a queue can carry: endless, and the same for the same seed.

Half of them are good events that were damaged, the others are made to break something behind the border: what JSON can
spell and msgpack, PostgreSQL or a task's log cannot hold; what looks like Airflow's own serialization; wrappers around
wrappers. None of them is a message that would have to be believed: an event of a real job always says something that
contradicts it.
"""

from __future__ import annotations

import base64
import copy
import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from support.odd_values import BLOBS, KEYS, NUMBERS, OTHERS, PLAIN, TEXTS, TIMES, Raw

EVENTS = (
    "JOB_RUNNING",
    "JOB_SUCCEED",
    "JOB_FAILED",
    "JOB_FAILED_INTERRUPTED",
    "TASK_RUNNING",
    "TASK_SUCCEED",
    "TASK_FAILED",
    "TASK_FAILED_INTERRUPTED",
    "TASK_INSTANCE_RUNNING",
    "TASK_INSTANCE_SUCCEED",
    "TASK_INSTANCE_FAILED",
    "TASK_INSTANCE_FAILED_INTERRUPTED",
    "COMPUTE_ENV_CREATED",
    "COMPUTE_ENV_DELETED",
    "COMPUTE_NODE_CREATED",
    "COMPUTE_NODE_CREATION_FAILED",
    "COMPUTE_NODE_RUNNING",
    "COMPUTE_NODE_ABNORMAL",
    "COMPUTE_NODE_DELETING",
)

MAX_BYTES = 60_000
"""Bytes of the largest body: a batch takes 64 KB."""

Json = dict[str, Any]


SETTLING = {"JOB_SUCCEED": "SUCCEED", "JOB_FAILED": "FAILED", "JOB_FAILED_INTERRUPTED": "FAILED_INTERRUPTED"}


def good_event(name: str, batch: Json, *, time: str = "2026-01-02T03:04:05Z", region: str = "ap-guangzhou") -> Json:
    """Return an event as the cloud sends it."""
    return {
        "EventVersion": "1.0",
        "EventTime": time,
        "Region": region,
        "Batch": batch,
        "EventName": name,
        "EventVars": [],
    }


def body_of(*events: object) -> str:
    """Return the body of a message with these events."""
    return dumps({"Events": list(events)})


def dumps(value: object, *, escaped: bool = True) -> str:
    """Write JSON, raw parts and all."""
    raws: list[str] = []

    def plain(node: object) -> object:
        if isinstance(node, Raw):
            raws.append(str(node))
            return f"<raw {len(raws) - 1}>"
        if isinstance(node, dict):
            return {key: plain(child) for key, child in node.items()}
        if isinstance(node, list | tuple):
            return [plain(child) for child in node]
        return node

    text = json.dumps(plain(value), ensure_ascii=escaped)
    return re.sub(r'"<raw (\d+)>"', lambda match: raws[int(match[1])], text)


def odd_bodies(seed: int, job_ids: Sequence[str] = ()) -> Iterator[str]:
    """
    Make bodies without end, each kind as often as the others.

    A body may hold lone surrogates, which no request can carry as they are: see :func:`as_sent`.

    :param seed: The same seed makes the same bodies.
    :param job_ids: Real jobs, about which some of the bodies say what must not be believed.
    """
    maker = _Maker(random.Random(seed), job_ids)
    while True:
        kinds = list(maker.kinds)
        maker.rng.shuffle(kinds)
        for make in kinds:
            body = make()
            if body and len(body.encode(errors="surrogatepass")) <= MAX_BYTES:
                yield body


class _Maker:
    def __init__(self, rng: random.Random, job_ids: Sequence[str]) -> None:
        self.rng = rng
        self._job_ids = job_ids
        self.kinds: tuple[Callable[[], str], ...] = (
            self._damaged_text,
            self._damaged_text,
            self._damaged_text,
            self._damaged_values,
            self._damaged_values,
            self._damaged_values,
            self._damaged_values,
            self._reserved_keys,
            self._repeated_keys,
            self._nested,
            self._number,
            self._text,
            self._huge,
            self._time_or_region,
            self._wrapped,
            self._many,
            self._plain,
            self._not_to_be_believed,
        )

    # Good events.

    def _event(self) -> Json:
        name = self.rng.choice(EVENTS)
        return good_event(name, self._batch(name), time=f"2026-01-02T03:04:{self.rng.randrange(60):02}Z")

    def _batch(self, name: str) -> Json:
        number = self.rng.getrandbits(32)
        if name.startswith("COMPUTE_"):
            batch = {"EnvId": f"env-{number:08x}", "EnvName": "odd-env", "DesiredComputeNodeCount": 2}
            if name.startswith("COMPUTE_NODE"):
                state = name.removeprefix("COMPUTE_NODE_")
                batch |= {"ComputeNodeId": f"node-{number:08x}", "ComputeNodeState": state, "Cpu": 4, "Mem": 8}
            return batch
        batch = {"JobId": f"job-{number:08x}", "JobName": f"odd-{number % 100}"}
        if name.startswith("TASK_"):
            batch |= {"TaskName": "main"}
        if name.startswith("TASK_INSTANCE"):
            batch |= {"TaskInstanceIndex": number % 10, "ExitCode": number % 3}
        if name.startswith("JOB_"):
            batch |= {"JobState": name.removeprefix("JOB_"), "Priority": 1, "EndTime": None, "StateReason": ""}
        return batch

    def _event_with(self, value: object, *, where: str | None = None) -> str:
        """Put a value into a good event: somewhere, or in a certain place."""
        event = self._event()
        place = where or self.rng.choice(("Batch", "field", "EventVars", "name", "envelope"))
        if place == "Batch":
            event["Batch"]["Extra"] = value
        elif place == "field":
            event["Batch"][self.rng.choice(list(event["Batch"]))] = value
        elif place == "EventVars":
            event["EventVars"] = [{"Name": "good", "Value": "1"}, {"Name": "odd", "Value": value}]
        elif place == "name":
            event["EventVars"] = [{"Name": value, "Value": "1"}]
        else:
            event[self.rng.choice([*event, "Extra"])] = value
        return body_of(event)

    def _value(self) -> object:
        # A copy, because it becomes a part of what is damaged further.
        return copy.deepcopy(self.rng.choice(self.rng.choice((NUMBERS, TEXTS, OTHERS))))

    # Damage.

    def _damaged_text(self) -> str:
        rng = self.rng
        data = bytearray(body_of(self._event()).encode())
        for _ in range(rng.choice((1, 1, 2, 4, 16))):
            at, until = sorted(rng.randrange(len(data) + 1) for _ in range(2))
            until = min(until, at + rng.choice((1, 2, 8, 64)))
            damage = rng.randrange(5)
            if damage == 0:
                del data[at:until]
            elif damage == 1:
                data[at:at] = data[at:until] * rng.choice((1, 2, 50))
            elif damage == 2:
                data[at:at] = rng.choice(
                    (b"\0", b"\xff", b"\xed\xa0\x80", b"\\", b'"', b"{", b"]", b",", b"\\u00", b"\n")
                )
            elif damage == 3 and at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            else:
                data[rng.randrange(len(data) + 1) :] = b""
                data = data or bytearray(b" ")
        return data.decode(errors="surrogateescape")

    def _damaged_values(self) -> str:
        document = {"Events": [self._event() for _ in range(self.rng.choice((1, 1, 3)))]}
        for _ in range(self.rng.choice((1, 1, 2, 5))):
            places = list(_places(document))
            container, key = self.rng.choice(places)
            container[key] = self._value()
        return dumps(document, escaped=self.rng.random() < 0.5)

    # What is made to break something.

    def _reserved_keys(self) -> str:
        if self.rng.random() < 0.5:
            return self._event_with(self.rng.choice(BLOBS))
        event = self._event()
        for target in (event, event["Batch"]):
            for key in self.rng.sample(KEYS, 3):
                target[key] = self._value()
        return body_of(event, *self.rng.sample(BLOBS, 1))

    def _repeated_keys(self) -> str:
        key = self.rng.choice(("JobId", "EnvId", "EventName", "EventTime", "Batch", "Events"))
        pair = f'"{key}": {dumps(self._value())}, '
        text = body_of(self._event())
        at = self.rng.choice([match.end() for match in re.finditer(r"\{", text)])
        return text[:at] + pair * self.rng.choice((1, 2, 100)) + text[at:]

    def _nested(self) -> str:
        depth = self.rng.choice((1, 10, 60, 100, 128, 256, 500, 990, 1_000, 2_000, 5_000))
        opening, closing = self.rng.choice((("[", "]"), ('{"a":', "}"), ('{"__data__":', "}"), ('{"msgBody":', "}")))
        nest = opening * depth + ("1" if opening != "[" else "") + closing * self.rng.choice((depth, depth, depth - 1))
        if self.rng.random() < 0.2:
            return nest
        return self._event_with(Raw(nest))

    def _number(self) -> str:
        return self._event_with(self.rng.choice(NUMBERS))

    def _text(self) -> str:
        return self._event_with(self.rng.choice(TEXTS))

    def _huge(self) -> str:
        if self.rng.random() < 0.7:
            return ""  # One of these is as large as a hundred others.
        size = self.rng.choice((20_000, 50_000))
        piece = self.rng.choice(("x", "\\", "\x1b[1m", "ü", "\U0001f680", "\ud800"))
        return self._event_with(piece * (size // max(6, len(json.dumps(piece)) - 2)))

    def _time_or_region(self) -> str:
        event = self._event()
        event["EventTime"] = self.rng.choice(TIMES)
        if self.rng.random() < 0.5:
            event["Region"] = self.rng.choice((None, "", 7, [], {}, "ap-nowhere-9", "gz", "\0", "x" * 1_000))
        return body_of(event)

    def _wrapped(self) -> str:
        text = body_of(self._event())
        for _ in range(self.rng.choice((1, 1, 2, 3, 5))):
            data = text.encode(errors="surrogatepass")
            encoded = base64.b64encode(data).decode()
            text = self.rng.choice(
                (
                    encoded,
                    base64.encodebytes(data).decode(),
                    base64.urlsafe_b64encode(data).decode(),
                    encoded.rstrip("="),
                    encoded[: len(encoded) // 2],
                    encoded[:-3] + "*" + encoded[-3:],
                    base64.b64encode(text.encode("utf-16", errors="surrogatepass")).decode(),
                    base64.b64encode(b"\xff\xfe\xfd" + data[:40]).decode(),
                    "\ufeff" + text,
                    "\ufeff\ufeff " + text,
                    base64.b64encode(b"\xef\xbb\xbf" + data).decode(),
                    json.dumps({"TopicOwner": 1, "msgId": "1", "msgBody": text}),
                    json.dumps({"msgBody": encoded, "publishTime": 0}),
                    json.dumps(text),
                    f"  \r\n{text}\n\t ",
                    f"[{text}]",
                    text + text,
                    f"{text}\0",
                )
            )
        return text

    def _many(self) -> str:
        number = self.rng.choice((2, 2, 3, 3, 5, 5, 20, 60))
        odd = [self._value, lambda: self.rng.choice(BLOBS), self._event, self._event]
        return body_of(*(self.rng.choice(odd)() for _ in range(number)))

    def _plain(self) -> str:
        return self.rng.choice(PLAIN)

    def _not_to_be_believed(self) -> str:
        """Say of a real job what contradicts itself, or what the cloud cannot know yet or does not know any more."""
        job_id = self.rng.choice(self._job_ids) if self._job_ids else "job-00000000"
        name, state = self.rng.choice(list(SETTLING.items()))
        batch: Json = {"JobId": job_id, "JobName": "odd", "JobState": state}
        event = good_event(name, batch, time="1999-01-01T00:00:00Z")
        lie = self.rng.randrange(5)
        if lie == 0:
            event["EventTime"] = self.rng.choice(("2999-01-01T00:00:00Z", "9999-12-31T23:59:59Z"))
        elif lie == 1:
            event["EventTime"] = self.rng.choice(TIMES)
        elif lie == 2:
            event["EventName"] = f" {name}"
        elif lie == 3:
            del event["EventTime"]
        if lie in (0, 4):
            batch["JobState"] = self.rng.choice(("RUNNING", 7, ["SUCCEED"], {}, "\0"))
        return body_of(event)


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    """List all places of a document as containers and keys."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield node, key
        yield from _places(child)


_SURROGATE = re.compile("[\ud800-\udfff]")
_MARK = re.compile(rb"<surrogate ([0-9a-f]{4})>")


def as_sent(body: str) -> str:
    """Put a mark in the place of each lone surrogate, so that a request can carry the body."""
    return _SURROGATE.sub(lambda match: f"<surrogate {ord(match[0]):04x}>", body)


def as_received(answer: bytes) -> bytes:
    """Turn the marks in a queue's answer into what they stand for: JSON can spell it, though no text can hold it."""
    return _MARK.sub(rb"\\u\1", answer)
