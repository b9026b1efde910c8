# SPDX-License-Identifier: Apache-2.0
"""Values and texts that JSON can spell and something behind a queue cannot carry, read or show."""

from __future__ import annotations

from typing import Any


class Raw(str):
    """JSON text that stands in a document as it is; no encoder would write it."""


NUMBERS = (
    *(
        Raw(str(sign * 2**bits + step))
        for bits in (31, 53, 63, 64, 70, 1024)
        for sign in (1, -1)
        for step in (-1, 0, 1)
    ),
    Raw("9" * 4301),
    Raw("-" + "7" * 9_000),
    *map(Raw, ("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e-400", "-0", "1E+2", "0.1e-7", "1.0", "01", "+1")),
)

TEXTS = (
    "",
    " ",
    "None",
    "null",
    "\0",
    "a\0b",
    "\ud83d",
    "\udfff\ud800",
    "a\udc80",
    Raw(r'"\u0000"'),
    Raw(r'"\ud83d"'),
    Raw(r'"\udc00\ud800"'),
    Raw(r'"\ud83d\u0000\ude00"'),
    Raw('"\ttab and \x01"'),
    "\x1b[2J\x1b]52;c;cm0gLXJm\x07",
    "\x1b]8;;http://example.com\x1b\\link\x1b]8;;\x1b\\",
    "\x9b31mred\x7f",
    "one\ntwo\r\nthree\u2028four\u0085five",
    "\u202egnp.exe\u2066\u200b\ufeff",
    "\uffff\ufffe\U0010ffff",
    "e\u0301\u0301" * 50,
    "한국어 中文 🚀",
    "<script>alert(1)</script>",
    "[red]markup[/red] [/]",
    "{{ var.value.secret }} {% raw %}",
    "%s %(x)s {0} {x!r}",
    "../../etc/passwd",
    "'; DROP TABLE dag; --",
    "\\",
    '"',
    "x" * 5_000,
)

TIMES: tuple[Any, ...] = (
    "",
    "now",
    "0000-00-00T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "1970-01-01T00:00:00Z",
    "2018-06-15",
    "14:43:17",
    "2018-06-15T14:43:60Z",
    "2024-02-30T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-14:00",
    "99999-01-01T00:00:00Z",
    "2018-06-15T14:43:17+99:99",
    "2018-06-15T14:43:17.123456789123Z",
    "२०१८-०६-१५T१४:४३:१७Z",
    "P1Y2M",
    "2018-W24-5",
    "2018-06-15T14:43:17Z/2019-06-15T14:43:17Z",
    "2018-06-15T14:43:17Z\0",
    0,
    -1,
    1_528_908_197,
    1_528_908_197_000,
    None,
    [],
    {},
    True,
)

OTHERS: tuple[Any, ...] = (None, True, False, 0, -1, 0.5, [], {}, [[]], [None], {"": None}, [1, "two", {"three": [4]}])

KEYS = (
    "__type",
    "__var",
    "__classname__",
    "__data__",
    "__version__",
    "__class__",
    "__builtins__",
    "__dict__",
    "",
    "\0",
)

BLOBS = (
    {"__classname__": "builtins.eval", "__version__": 1, "__data__": "1"},
    {"__classname__": "airflow.sdk.definitions.asset.Asset", "__version__": 99, "__data__": {"uri": 7}},
    {"__classname__": "pendulum.datetime.DateTime", "__version__": 2, "__data__": "not a time"},
    {"__classname__": None, "__version__": None, "__data__": None},
    {"__classname__": "x"},
    {"__type": "dict", "__var": {"__type": "set", "__var": [{}]}},
    {"__type": "datetime", "__var": "never"},
    {"__type": "tuple", "__var": 7},
    {"__type": "airflow_exc_ser", "__var": {"exc_cls_name": "os.system", "args": ["true"], "kwargs": {}}},
    {"__type": ["unhashable"], "__var": {}},
    {"__data__": {"__classname__": "builtins.tuple", "__version__": 1, "__data__": [1]}},
    {"__extra__": {}, "__args__": [], "__kwargs__": {"a": 1}},
)

PLAIN = (
    "hello",
    "\0",
    "\ud83d",
    "hello\0world",
    "null",
    "true",
    "7",
    '"text"',
    '"\\ud800"',
    "[]",
    "{}",
    "[1, 2",
    "{",
    "}",
    " ",
    "\n",
    "NaN",
    "1e999",
    "-",
    "@file",
    "a=1&b=2",
    "<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>",
    "<?xml version='1.0'?><Message/>",
    "event: JOB_SUCCEED\ndata: {}\n\n",
    "\x1f\x8b\x08\x00",
    "\ufeff",
    "====",
    "QQ",
    '{"Records": [{"eventName": "ObjectCreated:Put"}]}',
    '{"Events": null}',
    '{"Events": []}',
    '{"Events": {}}',
    '{"Events": "JOB_SUCCEED"}',
    '{"Events": [null, 1, "x", [], {}]}',
    '{"Events": [{"EventName": null}]}',
    '{"Events": [{"EventName": ["JOB_SUCCEED"]}]}',
    '{"Events": [{"EventName": ""}]}',
    '{"events": [{"eventName": "JOB_SUCCEED"}]}',
    '{"msgBody": null}',
    '{"msgBody": {"msgBody": {"msgBody": {"msgBody": {"Events": []}}}}}',
    '{"msgBody": 7}',
)
