# SPDX-License-Identifier: Apache-2.0
"""How long things take, and the reserved values that make a creation fail."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tencent_batch_emulator.services.batch.schema import EnvData
from tencent_batch_emulator.services.batch.settings import Delays, chosen_type, creation_error

types = st.lists(st.sampled_from(["NOCAPACITY", "S5.SMALL2", "S5.LARGE8"]), max_size=4)


def test_without_delays_only_what_is_named_takes_time() -> None:
    delays = asdict(Delays.none(starting=0.5))
    assert delays.pop("starting") == 0.5
    assert set(delays.values()) == {0.0}


@pytest.mark.parametrize(
    ("number", "seconds"), [(1, 600), (3, 600), (4, 900), (10, 900), (11, 1800), (50, 1800), (51, 3600), (500, 3600)]
)
def test_a_creation_is_repeated_after_the_documented_pauses(number: int, seconds: float) -> None:
    assert Delays().resource_retry(number) == seconds
    assert Delays(resource_retry_scale=0.01).resource_retry(number) == pytest.approx(seconds / 100)
    assert Delays.none().resource_retry(number) == 0


@given(types)
def test_a_server_gets_the_first_type_that_is_left(names: list[str]) -> None:
    data = EnvData(instance_types=names)
    left = [name for name in names if name != "NOCAPACITY"]
    assert chosen_type(data) == (left[0] if left else "")
    assert (creation_error(data) is None) == (bool(left) or not names)


@given(types)
def test_a_bad_image_spoils_every_type(names: list[str]) -> None:
    assert "img-badimage" in (creation_error(EnvData(instance_types=names, image_id="img-badimage")) or "")


def test_without_a_description_nothing_is_wrong() -> None:
    assert creation_error(None) is None
    assert chosen_type(None) == ""
