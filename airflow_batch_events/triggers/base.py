# SPDX-License-Identifier: Apache-2.0
"""
What all triggers share: how they are stored and read back, and how an error ends one.

Airflow makes a trigger again from what its database holds, also from what another version of this package has stored,
and an exception on that way ends the triggerer with every wait in it. So the rules that must not be relaxed: a
constructor takes whatever it is given and only keeps it; arguments that it does not know are let go; :meth:`serialize`
never raises for a trigger that was stored. What makes no sense ends that one wait, when it runs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import wraps
from typing import Any

from airflow.triggers.base import BaseEventTrigger, BaseTrigger

from airflow_batch_events.airflow_compat.triggerer import was_stored
from airflow_batch_events.events.duration import ENDLESS, seconds_of
from airflow_batch_events.events.values import is_list, items_of
from airflow_batch_events.exceptions import BatchEventsError, ConfigurationError
from airflow_batch_events.text import printable
from airflow_batch_events.times import MAX_UNIX

MAX_REASON = 2_000
"""Characters of an error's message in a payload; what the cloud says may be of any length."""


class StoredTrigger(BaseTrigger):
    """A trigger whose constructor keeps each of its parameters as an attribute of the same name."""

    unknown: Sequence[str] = ()
    """The arguments of another version that were let go."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            cls.__init__ = _lenient(cls.__init__)  # type: ignore[method-assign]

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what the triggerer needs to make this trigger again."""
        return f"{type(self).__module__}.{type(self).__qualname__}", self._arguments()

    def __repr__(self) -> str:
        return str(self.repr(type(self).__qualname__, self._arguments()))

    def _arguments(self) -> dict[str, Any]:
        return {name: _plain(getattr(self, name)) for name in inspect.signature(type(self)).parameters}

    def seconds(self, name: str, *, most: float = ENDLESS) -> float | None:
        """
        Read an argument that is a duration or a moment, in seconds; None if it was not given.

        :raises ConfigurationError: For what is no number of seconds.
        """
        value = getattr(self, name)
        return None if value is None else seconds_of(name, value, most=most)

    def moment(self, name: str) -> float | None:
        """Read an argument that is a moment, in Unix seconds; see :meth:`seconds`."""
        return self.seconds(name, most=MAX_UNIX)

    def text(self, name: str) -> str:
        """
        Read an argument that must be text.

        :raises ConfigurationError: For anything else.
        """
        value = getattr(self, name)
        if not isinstance(value, str) or not value:
            raise ConfigurationError(f"{name} is {_shown(value)}, must be text")
        return value

    def whole(self, name: str, *, least: int = 0) -> int:
        """
        Read an argument that must be a whole number.

        :raises ConfigurationError: For anything else, and for a number below ``least``.
        """
        value = getattr(self, name)
        number = self.seconds(name, most=1e9)
        if number is None or number != int(number) or number < least:
            raise ConfigurationError(f"{name} is {_shown(value)}, must be a whole number from {least} on")
        return int(number)

    def error_payload(self, error: Exception) -> dict[str, Any]:
        """Return what a wait that an error has ended fires; one that nobody has foreseen is logged, too."""
        if isinstance(error, BatchEventsError):
            name, message = type(error).__name__, str(error)
        else:
            self.log.error("The wait has failed", exc_info=error)
            name, message = BatchEventsError.__name__, f"{type(error).__name__}: {error}"
        return {"status": "error", "error": name, "message": message[:MAX_REASON]}

    def note_unknown(self) -> None:
        """Say in the log which arguments were let go."""
        if self.unknown:
            names = printable(", ".join(self.unknown), 500)
            self.log.warning("Arguments that this version does not know are ignored: %s", names)


class WatcherTrigger(StoredTrigger, BaseEventTrigger):
    """A trigger that DAG files make, for an asset's watcher or Airflow's own message queue sensor."""

    queue_name: str
    tencentcloud_conn_id: str
    region: str | None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """
        Return what the triggerer needs to make this trigger again.

        There is no operator that could refuse wrong arguments, so they are refused here, while the DAG file is read. A
        trigger that was stored never raises.

        :raises TypeError: For a parameter that does not exist.
        :raises ConfigurationError: For arguments that make no sense.
        """
        if not was_stored(self):
            self.check()
        return super().serialize()

    def check(self) -> None:
        """Refuse arguments that make no sense."""
        if self.unknown:
            raise TypeError(f"{type(self).__name__} has no parameter {', '.join(self.unknown)}")
        self.text("queue_name")


def hashable(value: object) -> Hashable:
    """Return a part of a key, whatever was stored."""
    return value if value is None or isinstance(value, str) else repr(value)


_RENAMED = {"look_interval": "poll_interval"}
"""Arguments of version 0.1.0 by the names that they have now."""


def _lenient(init: Callable[..., None]) -> Callable[..., None]:
    """Let a constructor take arguments that it does not know, and those that had another name."""
    _, *known = inspect.signature(init).parameters

    @wraps(init)
    def lenient(self: StoredTrigger, /, *args: object, **kwargs: object) -> None:
        for old, new in _RENAMED.items():
            if old in kwargs and old not in known and new in known:
                kwargs.setdefault(new, kwargs.pop(old))
        init(self, *args, **{name: value for name, value in kwargs.items() if name in known})
        self.unknown = [repr(name) for name in kwargs if name not in known]

    return lenient


def _plain(value: Any) -> Any:
    # What a template or Airflow has made of an argument may be a lazy sequence, which could not be stored.
    if isinstance(value, Mapping):
        return dict(value)
    return items_of(value) if is_list(value) else value


def _shown(value: object) -> str:
    is_short = isinstance(value, str | int | float | None) and len(repr(value)) < 50
    return repr(value) if is_short else f"a {type(value).__name__}"
