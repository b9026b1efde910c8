# SPDX-License-Identifier: Apache-2.0
"""
Read the parameters of a data-plane request: flat text, lists by numbered names.

Names that are not known are left alone, since clients sign and send extra ones. A list begins at 0 or at 1 and has no
gaps; the order is that of the numbers, not that in which they were sent.

Sources:

- common parameters: https://cloud.tencent.com/document/product/1496/70949
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tencent_batch_emulator.services.cmq import errors

Params = Mapping[str, str]

# Bounded, because Python refuses to read numbers of thousands of digits.
_WHOLE_NUMBER = re.compile(r"\s*[+-]?[0-9]{1,19}\s*")
_INDEX = re.compile(r"[0-9]{1,9}")


def text(params: Params, name: str) -> str:
    """
    Return a parameter that must be there.

    :raises CmqFault: 4000 (10390).
    """
    value = params.get(name, "")
    if not value:
        raise errors.parameter_missing(name)
    return value


def whole_number(params: Params, name: str, default: int | None = None) -> int:
    """
    Return a number.

    :param default: For one that was left out; None when it must be there.
    :raises CmqFault: 4000 (10360 or 10390).
    """
    if default is not None and not params.get(name):
        return default
    value = text(params, name)
    if not _WHOLE_NUMBER.fullmatch(value):
        raise errors.wrong_type(name, f"{value[:40]!r}, must be a whole number")
    return int(value)


def within(name: str, value: int, low: int, high: int) -> int:
    """
    Return a number that must be in a range.

    :raises CmqFault: 4000 (10350).
    """
    if not low <= value <= high:
        raise errors.out_of_range(name, f"{value}, must be from {low} to {high}")
    return value


def optional_list(params: Params, name: str) -> list[str]:
    """
    Return the values of ``name.0``, ``name.1`` and so on.

    :raises CmqFault: 4000 (10380) for a gap.
    """
    prefix = f"{name}."
    numbered = sorted(
        (int(key[len(prefix) :]), value)
        for key, value in params.items()
        if key.startswith(prefix) and _INDEX.fullmatch(key[len(prefix) :])
    )
    first = numbered[0][0] if numbered else 0
    if first > 1 or any(number != first + place for place, (number, _) in enumerate(numbered)):
        raise errors.batch_has_gap(name)
    return [value for _, value in numbered]


def batch(params: Params, name: str, most: int) -> list[str]:
    """
    Return a list that must have from 1 to ``most`` values.

    :raises CmqFault: 4000 (10370, 10380 or 10390).
    """
    values = optional_list(params, name)
    if not values:
        raise errors.parameter_missing(f"{name}.n")
    if len(values) > most:
        raise errors.batch_too_long(name)
    return values
