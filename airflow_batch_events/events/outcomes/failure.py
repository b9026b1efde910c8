# SPDX-License-Identifier: Apache-2.0
"""
The facts of a failure: what failed, and which of a closed set of causes it has.

What the API says for certain is a state and an exit code. Its reasons are text that is documented nowhere, so they are
hints: a cause is named only where the words leave no doubt, and ``unknown`` where they do. The rule that must not be
relaxed: words never make another cause of a command that ended with an ordinary exit code by itself, except that it had
too little memory; only what ends a command from outside (a signal, or no exit code at all) leaves room for them.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from enum import Enum
from typing import Any

import msgspec

from airflow_batch_events.text import printable_lines

MAX_TAIL = 2048
"""Characters of each output that the facts hold; the API gives no more than so many bytes."""

_MAX_READ = 4000
"""Characters of a reason that are read; whoever writes it must not keep a worker busy."""

_LAST_LINES = 3
"""Lines of output in which a command says what has ended it; what stands before, it has survived."""


class Cause(str, Enum):
    """Why a job failed, or a wait for it ended without a result."""

    EXIT_CODE = "exit_code"
    SIGNAL = "signal"
    OUT_OF_MEMORY = "out_of_memory"
    TIMEOUT = "timeout"
    NO_CAPACITY = "no_capacity"
    BAD_IMAGE = "bad_image"
    DEPENDENCE = "dependence"
    INTERRUPTED = "interrupted"
    TERMINATED = "terminated"
    DELETED = "deleted"
    UNKNOWN = "unknown"

    def __str__(self) -> str:
        return self.value


class Failure(msgspec.Struct, frozen=True):
    """
    The facts of a failure, as outcomes and exceptions carry them.

    :param job_id: The job.
    :param state: The state in the outcome.
    :param cause: One of :class:`Cause`, as text.
    :param task_name: The task of the instance that failed first by itself; None where no instance is known.
    :param instance: Its 0-based index.
    :param exit_code: Its exit code; None when the command never ran, or the API does not say.
    :param stdout: The end of its standard output, printable.
    :param stderr: The end of its standard error, printable.
    """

    job_id: str
    state: str
    cause: str = Cause.UNKNOWN.value
    task_name: str | None = None
    instance: int | None = None
    exit_code: int | None = None
    stdout: str = ""
    stderr: str = ""

    def without_output(self) -> Failure:
        """Return the facts alone, which stay the same whenever they are read."""
        return msgspec.structs.replace(self, stdout="", stderr="")

    def to_dict(self) -> dict[str, Any]:
        """Return the facts as JSON-serializable data."""
        return msgspec.structs.asdict(self)

    @classmethod
    def from_dict(cls, data: object) -> Failure | None:
        """Read the facts back, whichever version has written them; None where there are none."""
        if not isinstance(data, Mapping):
            return None
        texts = {name: data.get(name) for name in ("job_id", "state", "cause", "task_name", "stdout", "stderr")}
        numbers = {name: data.get(name) for name in ("instance", "exit_code")}
        known: dict[str, Any] = {name: str(value) for name, value in texts.items() if value is not None}
        known |= {name: value for name, value in numbers.items() if type(value) is int}
        return cls(**{"job_id": "", "state": "", **known})


class _Exit(Enum):
    """What an exit code says."""

    NONE = "none: the command has not ended by itself, or not run at all"
    CODE = "the command's own"
    SIGNAL = "it was ended from outside"


class _Clue(msgspec.Struct, frozen=True):
    """
    Words that tell a cause.

    :param words: A regular expression for lower-case text.
    :param cause: What they tell; ``unknown`` where they are worth advice only.
    :param exits: The ends of a command that they are believed with.
    :param advice: What to do.
    :param in_output: Whether the last lines of the standard error are read instead of the API's reason.
    """

    words: str
    cause: Cause
    exits: frozenset[_Exit]
    advice: str
    in_output: bool = False


_ANY = frozenset(_Exit)
_NO_EXIT = frozenset({_Exit.NONE})
_FROM_OUTSIDE = frozenset({_Exit.NONE, _Exit.SIGNAL})
_RAN = frozenset({_Exit.CODE, _Exit.SIGNAL})

_MEMORY = "take a larger InstanceType, or make the command need less"
_CAPACITY = (
    "no server of this kind is left: name several InstanceTypes, take another zone, or wait for capacity with "
    "StateIfCreateCvmFailed RUNNABLE and a start_timeout"
)
_TOO_LONG = "raise the task's Timeout, or make the command faster"
_IMAGE = "check ImageId: it must exist in this region and be shared with this account"
_ENDED = "somebody, or the end of a task that waited for it, ended the job: run the task again to submit it anew"
_LOST = "the machine was lost: run the task again, or let Batch do so with MaxRetryCount"
_DEPENDENCE = "a task that this one depends on did not end as TaskExecutionDependOn requires: look at that task first"

# The first that fits counts, so what is more special stands first.
_CLUES = (
    _Clue(r"\boom\b|\boom[-_ ]?kill|\bout of memory\b|\bmemory limit exceeded\b", Cause.OUT_OF_MEMORY, _ANY, _MEMORY),
    _Clue(
        r"\bout of memory\b|\boutofmemory(error|exception)?\b|\bmemoryerror\b|\bbad_alloc\b"
        r"|\bcannot allocate memory\b|\boom[-_ ]?kill",
        Cause.OUT_OF_MEMORY,
        frozenset({_Exit.SIGNAL}),
        _MEMORY,
        in_output=True,
    ),
    _Clue(
        r"^(\S+\.)?(memoryerror|outofmemory(error|exception)?)\b|\bjava\.lang\.outofmemoryerror\b|\bstd::bad_alloc\b",
        Cause.OUT_OF_MEMORY,
        frozenset({_Exit.CODE}),
        _MEMORY,
        in_output=True,
    ),
    _Clue(
        r"\bdependen\w+ (is |was |are |were |can )?(not|never|cannot|unmet)\b", Cause.DEPENDENCE, _NO_EXIT, _DEPENDENCE
    ),
    _Clue(r"\bdepend", Cause.UNKNOWN, _NO_EXIT, _DEPENDENCE),
    _Clue(
        r"\bbalance\b|\barrears\b|\boverdue\b",
        Cause.UNKNOWN,
        _NO_EXIT,
        "the account has to be paid for: top it up, then run the task again",
    ),
    _Clue(
        r"\binvalidimageid\b|\bimage \S+ (cannot be used|does not exist|(was |is )?not found)\b",
        Cause.BAD_IMAGE,
        _NO_EXIT,
        _IMAGE,
    ),
    _Clue(
        r"\bresourceinsufficient\b|\bresourcessoldout\b|\bsold ?out\b|\binsufficient (capacity|resources?|stock)\b",
        Cause.NO_CAPACITY,
        _NO_EXIT,
        _CAPACITY,
    ),
    _Clue(
        r"\bheartbeat\b|\b(node|machine|server|host)( \S+)? was lost\b|\bspot\b.*\b(reclaimed|interrupted|recycled)\b"
        r"|\b(reclaimed|interrupted|recycled)\b.*\bspot\b|\bpreempted\b",
        Cause.INTERRUPTED,
        _FROM_OUTSIDE,
        _LOST,
    ),
    _Clue(
        r"\bterminated (by (the |a )?user|(up)?on request)\b|\bterminated while \S+$|\bterminate(job|taskinstance)\b",
        Cause.TERMINATED,
        _FROM_OUTSIDE,
        _ENDED,
    ),
    _Clue(
        r"\benvironment (was )?deleted\b",
        Cause.DELETED,
        _NO_EXIT,
        "the compute environment does not exist any more: create it, and submit with its new EnvId",
    ),
    _Clue(
        r"^((the )?(task|job|command|execution|run|running)( has)? )?time(d )?-?out\b(?! (waiting|while|creating|for))"
        r"|\b(longer than|exceeds|exceeded) (its|the) timeout\b|\b(task|command|execution) timed out\b",
        Cause.TIMEOUT,
        _FROM_OUTSIDE,
        _TOO_LONG,
    ),
    _Clue(r"terminat", Cause.UNKNOWN, _NO_EXIT, _ENDED),
    _Clue(r"image", Cause.UNKNOWN, _NO_EXIT, _IMAGE),
    _Clue(r"insufficient", Cause.UNKNOWN, _NO_EXIT, _CAPACITY),
    _Clue(r"timeout|timed out", Cause.UNKNOWN, _NO_EXIT, _TOO_LONG),
    _Clue(
        r"cvm",
        Cause.UNKNOWN,
        _NO_EXIT,
        "check instance type, zone, image and quota; or set StateIfCreateCvmFailed to RUNNABLE to wait for capacity",
    ),
)

_PATTERNS = tuple((re.compile(clue.words, re.MULTILINE), clue) for clue in _CLUES)

_BY_SIGNAL = {
    "SIGKILL": f"SIGKILL is what ends a command that needs more memory than there is: {_MEMORY}",
}


class Classified(msgspec.Struct, frozen=True):
    """
    A cause, and what to do.

    :param advice: Beginning with a small letter.
    """

    cause: Cause
    advice: str


def classify(state: str, exit_code: int | None, reason: str, stderr: str = "") -> Classified:
    """
    Tell why an instance, or a job, failed or does not begin to run.

    :param state: Its state.
    :param exit_code: Its exit code, where there is one.
    :param reason: What the API says.
    :param stderr: The end of its standard error.
    """
    ended = _exit_of(exit_code)
    said = reason[:_MAX_READ].lower()
    written = "\n".join([line for line in stderr[-MAX_TAIL:].lower().splitlines() if line.strip()][-_LAST_LINES:])
    for pattern, clue in _PATTERNS:
        if ended in clue.exits and pattern.search(written if clue.in_output else said):
            return Classified(clue.cause, clue.advice)
    if ended is _Exit.SIGNAL:
        return Classified(Cause.SIGNAL, _BY_SIGNAL.get(signal_name(exit_code), _READ_OUTPUT))
    if ended is _Exit.CODE:
        return Classified(Cause.EXIT_CODE, _READ_OUTPUT)
    if state == "FAILED_INTERRUPTED":
        return Classified(Cause.INTERRUPTED, _LOOK)
    return Classified(Cause.UNKNOWN, _LOOK)


_READ_OUTPUT = "read the command's output above, fix the command, then run the task again"
_LOOK = "look at the job in the console, then run the task again"


def signal_name(exit_code: int | None) -> str:
    """Return the signal that an exit code stands for, as a shell or a process reports it; empty for none."""
    # Less than -1, because -1 is also what stands for "there is none".
    if exit_code is None or -1 <= exit_code <= 128:
        return ""
    try:
        return signal.Signals(exit_code - 128 if exit_code > 128 else -exit_code).name
    except ValueError:
        return ""


def tail_of(text: str) -> str:
    """Return the end of an output as printable text that can be stored."""
    return "\n".join(printable_lines(text, MAX_TAIL))[-MAX_TAIL:]


def _exit_of(exit_code: int | None) -> _Exit:
    if exit_code in (None, 0, -1):
        return _Exit.NONE
    return _Exit.SIGNAL if signal_name(exit_code) else _Exit.CODE
