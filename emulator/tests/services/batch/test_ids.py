# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from tencent_batch_emulator.services.base import ApiError
from tencent_batch_emulator.services.batch.ids import Ids, check_id, is_id

KINDS = ["Job", "Env", "ComputeNode", "Activity", "TaskTemplate", "Instance", "Image"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_id_has_its_own_shape_and_no_other(kind: str) -> None:
    new = Ids(1).new(kind)
    assert [other for other in KINDS if is_id(other, new)] == [kind]


def test_the_same_seed_makes_the_same_ids() -> None:
    assert Ids(7).new("Job") == Ids(7).new("Job")
    assert Ids(7).new("Job") != Ids(8).new("Job")


@pytest.mark.parametrize("value", ["", "job-1", "job-ABCDEFGH", "job-00000000\n", "env-00000000"])
def test_one_malformed_id_refuses_the_whole_call(value: str) -> None:
    with pytest.raises(ApiError, match="JobIdMalformed"):
        check_id("Job", "job-00000000", value)
