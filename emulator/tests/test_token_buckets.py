# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from tencent_batch_emulator.token_buckets import MAX_BUCKETS, TokenBuckets


def test_one_second_s_calls_pass_and_more_as_it_refills() -> None:
    buckets = TokenBuckets()
    assert [buckets.take("a", 2, 100) for _ in range(3)] == [True, True, False]
    assert [buckets.take("a", 2, 100.5) for _ in range(2)] == [True, False]
    assert [buckets.take("a", 2, 200) for _ in range(3)] == [True, True, False]


def test_less_than_one_a_second_lets_one_pass_now_and_then() -> None:
    buckets = TokenBuckets()
    assert [buckets.take("a", 0.1, now) for now in (0, 5, 10, 11)] == [True, False, True, False]


def test_keys_are_counted_apart() -> None:
    buckets = TokenBuckets()
    assert [buckets.take(key, 1, 100) for key in ("a", "b", "a")] == [True, True, False]


def test_many_keys_push_no_empty_bucket_out() -> None:
    buckets = TokenBuckets()
    buckets.take("slow", 0.001, 100)
    for number in range(2 * MAX_BUCKETS):
        buckets.take(number, 1, 100 + number / 100)
    assert not buckets.take("slow", 0.001, 100 + 900)
