# SPDX-License-Identifier: Apache-2.0
"""
Answers of DescribeJobs that are no facts, made from the right ones; the same for the same seed.

Each contradicts itself or cannot be read, so a client that checks can always tell. An answer that is merely untrue (a
whole set without a job that is there, a running job as ended) is not among them: no client can tell that.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from email.utils import formatdate
from typing import Any

from support.odd_bodies import dumps
from support.odd_values import Raw
from support.spoiling_proxy import Call, Reply

STATES: tuple[Any, ...] = (
    None,
    "",
    " ",
    "succeed",
    "SUCCEEDED",
    "FINISHED",
    "\0",
    0,
    7,
    True,
    ["SUCCEED"],
    {"State": "FAILED"},
    [],
    {},
)

PARTS: tuple[Any, ...] = (None, 0, 7, True, "", "JobSet", {}, [], [None], [7, "x"], [[]], [{}], [{"JobId": None}])

COUNTS: tuple[Any, ...] = (None, "", "many", -1, 10**6, Raw("1e400"), Raw("NaN"), Raw(str(2**70)), [], {}, 0.5)

PAGES = (
    b"",
    b" ",
    b"null",
    b"[]",
    b"{}",
    b'"SUCCEED"',
    b"{",
    b"[" * 5_000,
    b'{"Response": ' * 2_000,
    b"\xff\xfe\x00",
    b"\x1f\x8b\x08\x00\x00\x00",
    b"<html><body><h1>502 Bad Gateway</h1></body></html>",
    b"<html><head><meta http-equiv='refresh' content='0; url=/login'></head></html>",
    b'{"Response": null}',
    b'{"Response": []}',
    b'{"Response": "SUCCEED"}',
    b'{"Response": {}}',
    b'{"Response": {"RequestId": "1"}}',
    b'{"Response": {"Response": {"JobSet": [], "TotalCount": 0}}}',
    b'{"Response": {"JobSet": []}}',
    b'{"Response": {"TotalCount": 0}}',
    b'{"JobSet": [], "TotalCount": 0}',
)

ERRORS = (
    "InternalError",
    "InternalError.UnknownError",
    "FailedOperation",
    "ServiceUnavailable",
    "RequestLimitExceeded",
    "ResourceNotFound.Job",
    "ResourceUnavailable",
    "UnauthorizedOperation",
    "AuthFailure.SignatureExpire",
    "AuthFailure.TokenFailure",
    "DryRunOperation",
    "SomethingNew.OfTomorrow",
    "",
    "\0",
)

ODD_ERRORS: tuple[Any, ...] = (
    None,
    "InternalError",
    7,
    [],
    ["InternalError"],
    {},
    {"Code": None},
    {"Message": "x"},
    {"Code": ["x"]},
)

REFUSALS = ("InvalidParameter.JobIdMalformed", "InvalidParameterValue", "InvalidParameter", "MissingParameter")

DAY = 86_400.0

Spoil = Callable[[Call], Reply]


def odd_answers(seed: int) -> Iterator[Spoil]:
    """
    Make functions without end that turn a right answer into an odd one.

    :param seed: The same seed makes the same functions.
    """
    maker = _Maker(random.Random(seed))
    while True:
        kinds = list(maker.kinds)
        maker.rng.shuffle(kinds)
        yield from kinds


def odd_date(rng: random.Random, now: float) -> str:
    """Return a ``Date`` header that is not the time."""
    shift = rng.choice((-3650, -1, -0.05, 0.05, 1, 30, 3650)) * DAY
    words = ("", "now", "Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "0", "Mon, 99 Foo 2026 GMT")
    return rng.choice((formatdate(now + shift, usegmt=True), formatdate(now + shift, usegmt=True), rng.choice(words)))


class _Maker:
    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.kinds: tuple[Spoil, ...] = (
            self._odd_states,
            self._odd_states,
            self._odd_ids,
            self._odd_entries,
            self._odd_set,
            self._empty_set,
            self._missing_entries,
            self._others_jobs,
            self._twins,
            self._odd_count,
            self._error,
            self._error,
            self._error_beside,
            self._page,
            self._page,
            self._status,
            self._redirect,
            self._cut_short,
            self._cut_off,
            self._refusal,
        )
        self._refused: set[str] = set()

    # The set.

    def _odd_states(self, call: Call) -> Reply:
        share = self.rng.choice((0.1, 0.5, 1.0))

        def spoil(entry: dict[str, Any]) -> None:
            if self.rng.random() >= share:
                return
            if self.rng.random() < 0.2:
                del entry["JobState"]
            else:
                entry["JobState"] = self.rng.choice(STATES)

        return self._each(call, spoil)

    def _odd_ids(self, call: Call) -> Reply:
        def spoil(entry: dict[str, Any]) -> None:
            entry["JobId"] = self.rng.choice((None, "", 7, [entry["JobId"]], {}, f" {entry['JobId']}", "\0", True))
            entry["JobState"] = self.rng.choice(("SUCCEED", "FAILED"))

        return self._each(call, spoil)

    def _odd_entries(self, call: Call) -> Reply:
        response = _response(call)
        response["JobSet"] = [
            self.rng.choice((None, 7, "SUCCEED", [], {})) if self.rng.random() < 0.5 else entry
            for entry in _entries(response)
        ]
        return self._answer(response)

    def _odd_set(self, call: Call) -> Reply:
        response = _response(call)
        response["JobSet"] = self.rng.choice(PARTS)
        response["TotalCount"] = max(2, len(_entries(_response(call))))
        if self.rng.random() < 0.2:
            del response["JobSet"]
        return self._answer(response)

    def _empty_set(self, call: Call) -> Reply:
        return self._answer({**_response(call), "JobSet": [], "TotalCount": self.rng.choice((1, 5, 100, "1"))})

    def _missing_entries(self, call: Call) -> Reply:
        response = _response(call)
        count = max(1, len(_entries(response)))
        kept = [entry for entry in _entries(response) if self.rng.random() < 0.5][: count - 1]
        return self._answer({**response, "JobSet": kept, "TotalCount": count})

    def _others_jobs(self, call: Call) -> Reply:
        response = _response(call)
        others = [
            {**entry, "JobId": f"job-{self.rng.getrandbits(32):08x}", "JobState": "SUCCEED"}
            for entry in _entries(response) or [{}]
        ]
        return self._answer({**response, "JobSet": others, "TotalCount": len(others)})

    def _twins(self, call: Call) -> Reply:
        """Say two things of a job."""
        response = _response(call)
        entries = _entries(response)
        twins = [{**entry, "JobState": self.rng.choice(("SUCCEED", "FAILED"))} for entry in entries]
        both = [*entries, *twins]
        self.rng.shuffle(both)
        return self._answer({**response, "JobSet": both, "TotalCount": self.rng.choice((len(entries), len(both)))})

    def _odd_count(self, call: Call) -> Reply:
        response = _response(call)
        kept = _entries(response)[1:]
        return self._answer({**response, "JobSet": kept, "TotalCount": self.rng.choice(COUNTS)})

    # No set.

    def _error(self, call: Call) -> Reply:
        if self.rng.random() < 0.5:
            return self._failure(self.rng.choice(ODD_ERRORS))
        return self._failure({"Code": self.rng.choice(ERRORS), "Message": self.rng.choice(("", None, "\x1b[2J", "no"))})

    def _refusal(self, call: Call) -> Reply:
        """Refuse ids that are right; one that is asked for alone only once, because a second time would confirm it."""
        entries = _entries(_response(call))
        if len(entries) <= 1:
            job_id = str(entries and entries[0]["JobId"])
            if job_id in self._refused:
                return self._error(call)
            self._refused.add(job_id)
        return self._failure({"Code": self.rng.choice(REFUSALS), "Message": "the job id is malformed"})

    def _error_beside(self, call: Call) -> Reply:
        """Say what the jobs' states are, all ended, and that this is an error."""
        response = _response(call)
        for entry in _entries(response):
            entry["JobState"] = "SUCCEED"
        return self._answer({**response, "Error": {"Code": "InternalError", "Message": "try again"}})

    def _page(self, call: Call) -> Reply:
        kind = self.rng.choice(("application/json", "text/html", "text/plain", "application/octet-stream", ""))
        return Reply(self.rng.choice(PAGES), headers={"Content-Type": kind})

    def _status(self, call: Call) -> Reply:
        status = self.rng.choice((201, 204, 206, 400, 401, 403, 404, 408, 413, 429, 500, 502, 503, 504, 520))
        # An empty set, wholly in order, of which a gateway says that it is an error.
        body = dumps({"Response": {"JobSet": [], "TotalCount": 0, "RequestId": "1"}}).encode()
        return Reply(b"" if status == 204 else body, status=status, headers={"Content-Type": "application/json"})

    def _redirect(self, call: Call) -> Reply:
        where = self.rng.choice(("http://127.0.0.1:1/", "/login", "https://example.invalid/", "//", ""))
        return Reply(b"", status=self.rng.choice((301, 302, 303, 307, 308)), headers={"Location": where})

    def _cut_short(self, call: Call) -> Reply:
        """Leave out the end of the text."""
        return Reply(call.body[: self.rng.randrange(len(call.body))], headers={"Content-Type": "application/json"})

    def _cut_off(self, call: Call) -> Reply:
        """Close the connection in the middle of the answer."""
        return Reply(call.body, headers={"Content-Type": "application/json"}, cut_at=self.rng.randrange(len(call.body)))

    # Writing.

    def _each(self, call: Call, spoil: Callable[[dict[str, Any]], None]) -> Reply:
        response = _response(call)
        for entry in _entries(response):
            spoil(entry)
        # What says nothing of anybody must not look like the true answer that nobody is known.
        response["TotalCount"] = max(1, len(_entries(response)))
        return self._answer(response)

    def _failure(self, error: object) -> Reply:
        return self._answer({"Error": error, "RequestId": "1"})

    def _answer(self, response: dict[str, Any]) -> Reply:
        kind = self.rng.choice(("application/json", "application/json", "application/json; charset=utf-8", "text/html"))
        return Reply(dumps({"Response": response}).encode(), headers={"Content-Type": kind})


def _response(call: Call) -> dict[str, Any]:
    return dict(json.loads(call.body)["Response"])


def _entries(response: dict[str, Any]) -> list[dict[str, Any]]:
    return list(response.get("JobSet") or ())
