# SPDX-License-Identifier: Apache-2.0
"""A generator of what clients should not send: values, JSON that is none, headers, paths. One seed, one sequence."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

TEXTS = (
    "",
    " ",
    "\x00",
    "a\nb\r\nc",
    "\x1b]0;x\x07",
    "\u202e\u200b",
    "\ud800",
    "\U0010ffff",
    "../../../etc/passwd",
    "<script>alert(1)</script>",
    "{{ 7 * 7 }}",
    "%s%n%d",
    "NaN",
    "-Infinity",
    "1e999",
    "\u0663\u0664",
    "\u00b2",
    "9" * 5000,
    "-1",
    "true",
    "null",
    "[[[",
    "*" * 300,
    "x" * 20_000,
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "2026-02-30T00:00:00Z",
)
NUMBERS = (0, -1, 1, 2**31, 2**53, 2**63 - 1, 2**63, -(2**63), 2**64, 10**40, 0.5, -0.0, 1e308, 1e-320)
RAW = (
    b"",
    b"\xff\xfe",
    b"\xef\xbb\xbf{}",
    b"{",
    b"[" * 60_000,
    b'{"a":' * 60_000,
    b"1" * 5000,
    b"-" + b"9" * 5000,
    b'{"Limit": ' + b"9" * 5000 + b"}",
    b'{"Limit": 1e999999}',
    b'{"Limit": NaN}',
    b'{"Limit": Infinity}',
    b'{"a": "\\ud800"}',
    b'{"a": "\\udc00\\ud800"}',
    b'{"a": "\xed\xa0\x80"}',
    b'{"a": "\x00"}',
    b'{"a": 1, "a": 2}',
    b"null",
    b"true",
    b'"text"',
    b"[]",
    b"[{}]",
    b"<xml/>",
    b"a=b&c=d",
    b"\x1f\x8b\x08\x00",
)
CONTENT_TYPES = (
    "application/json",
    "APPLICATION/JSON; charset=utf-16",
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "multipart/form-data; boundary=x",
    ";",
    "",
)


class OddInputs:
    """
    Make odd inputs.

    :param seed: The same one makes the same inputs.
    """

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)

    def text(self) -> str:
        """Return an odd text."""
        if self.rng.random() < 0.2:
            return "".join(chr(self.rng.randrange(0xD800)) for _ in range(self.rng.randrange(20)))
        return self.rng.choice(TEXTS)

    def value(self, depth: int = 3) -> Any:
        """Return an odd value that JSON can spell."""
        makers: list[Callable[[], Any]] = [
            self.text,
            self.text,
            lambda: self.rng.choice(NUMBERS),
            lambda: self.rng.choice((None, True, False)),
        ]
        if depth:
            makers += [
                lambda: [self.value(depth - 1) for _ in range(self.rng.randrange(4))],
                lambda: {self.text(): self.value(depth - 1) for _ in range(self.rng.randrange(4))},
            ]
        return self.rng.choice(makers)()

    def mutated(self, value: Any, rate: float = 0.1) -> Any:
        """Return a value like another one, some of its parts odd, missing or doubled."""
        if self.rng.random() < rate:
            return self.value()
        if isinstance(value, dict):
            kept = {name: self.mutated(part, rate) for name, part in value.items() if self.rng.random() > rate / 3}
            return kept | ({self.text(): self.value()} if self.rng.random() < rate / 3 else {})
        if isinstance(value, list):
            return [self.mutated(part, rate) for part in value] * self.rng.choice((1, 1, 1, 2))
        return value

    def body(self, value: Any) -> bytes:
        """Return a mutated value as JSON, or what is no JSON at all."""
        kind = self.rng.random()
        if kind < 0.2:
            return self.rng.choice(RAW)
        if kind < 0.25:
            return self.rng.randbytes(self.rng.randrange(200))
        encoded = json.dumps(self.mutated(value)).encode()
        return encoded[: self.rng.randrange(len(encoded) + 1)] if kind < 0.3 else encoded

    def header(self) -> str:
        """Return an odd header value that a client can send."""
        text = self.text().encode("utf-8", "replace").decode("latin-1")
        return "".join(character for character in text if character.isprintable()).strip()

    def path(self) -> str:
        """Return an odd piece of a path or query, percent-encoded where it is not plain."""
        raw = self.text()[:5000].encode("utf-8", "surrogatepass")
        if self.rng.random() < 0.2:
            raw = self.rng.randbytes(5)
        return "".join(chr(byte) if chr(byte).isalnum() and byte < 128 else f"%{byte:02X}" for byte in raw)
