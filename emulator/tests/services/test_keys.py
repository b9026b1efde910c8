# SPDX-License-Identifier: Apache-2.0
"""Keys: their shape, and that none is shown."""

from __future__ import annotations

import pytest

from tencent_batch_emulator.services.keys import KeyRing


def test_secrets_are_not_shown() -> None:
    keys = KeyRing()
    for key in (keys.create(), keys.issue_temporary(1, 0)):
        for shown in (repr(keys), repr(key), str(key)):
            assert key.secret_key not in shown
            assert key.token is None or key.token not in shown


def test_keys_look_like_the_cloud_s_and_have_own_accounts() -> None:
    keys = KeyRing()
    one, two = keys.create(), keys.create()

    assert one.secret_id.startswith("AKID")
    assert (len(one.secret_id), len(one.secret_key)) == (36, 32)
    assert one.account != two.account
    with pytest.raises(ValueError, match="AKID"):
        keys.create(secret_id="EXAMPLE", secret_key="x")
    with pytest.raises(ValueError, match="both"):
        keys.create(secret_id="AKIDEXAMPLE")
    with pytest.raises(ValueError, match="already"):
        keys.create(secret_id=one.secret_id, secret_key="x")
