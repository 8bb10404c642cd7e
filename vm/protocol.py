# SPDX-License-Identifier: GPL-2.0-or-later
"""The protocol between a guest and the host on the virtio port, and the checks on a guest's messages.

The host speaks first: a line of JSON, the *order* (vm/guest/agent.py), then the archive of the project that the order
announces. Then both send lines, each a JSON array of a name and an object with the fields.

    host to guest     ["run", {"indices": [3, 4]}]     run these of the collected tests, in this order
                      ["shutdown", {}]                 no more tests; end when they are done
    guest to host     the events below, by the names in `EVENTS`

A guest runs an unknown kernel as root, so its messages are untrusted. Nothing in them is imported, evaluated or used as
a path. Each event must have exactly the fields listed here, with these types and within these limits; otherwise it is
`Nonsense`, which ends this VM and nothing else.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

LINE = 4 << 20
"""Maximum length of a line in bytes."""

VOLUME = 64 << 20
"""Maximum bytes that a guest may send in total; a run of all suites sends about 15 MB."""

TEXT = 256 << 10
"""Maximum characters of a text, such as a traceback or captured output."""

TESTS, NAME = 50_000, 4_096
"""Maximum number of tests, and characters of a test's id."""

BEHAVIOURS = 256
"""Maximum number of behaviours of a test."""

_WHEN = ("setup", "call", "teardown")
_OUTCOMES = ("passed", "failed", "skipped")


class Nonsense(Exception):  # noqa: N818  named after the message, not after an error of the host
    """A guest has violated the protocol; the text says how."""


def line(name: str, /, **fields: Any) -> bytes:
    """Return a message as the bytes of a line."""
    return json.dumps([name, fields]).encode() + b"\n"


# --- the events ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ready:
    """pytest has started in the guest."""


@dataclass(frozen=True)
class Collecting:
    """The guest starts collecting the tests of a file."""

    name: str


@dataclass(frozen=True)
class Collected:
    """The guest has collected its tests: their node ids, and the behaviours that each verifies."""

    tests: tuple[str, ...]
    behaviours: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        """Raise Nonsense if the lists differ in length."""
        if len(self.tests) != len(self.behaviours):
            raise Nonsense("as many lists of behaviours as tests were expected")


@dataclass(frozen=True)
class NotCollected:
    """A file or directory could not be collected."""

    name: str
    text: str
    outcome: str


@dataclass(frozen=True)
class Phase:
    """A phase of a test (setup, call or teardown) has ended.

    Attributes:
        index: the index of the test among the collected ones.
        text: pytest's representation of a failure, as plain text; for a skip, the reason.
        place: file and line where it failed or was skipped, or None.
        sections: captured output and so on: title and text.
        properties: the test's user properties, which carry information between the packages of this project.
        expected: the reason of an expected failure (pytest's ``wasxfail``), or None.
        duration: in seconds.
    """

    index: int
    when: str
    outcome: str
    text: str
    place: tuple[str, int] | None
    sections: tuple[tuple[str, str], ...]
    properties: tuple[tuple[str, str], ...]
    expected: str | None
    duration: float


@dataclass(frozen=True)
class Completed:
    """The guest has finished a test."""

    index: int


@dataclass(frozen=True)
class Unclean:
    """The running test has left the guest in a state in which no other test may be run; `text` describes it."""

    text: str


@dataclass(frozen=True)
class Environment:
    """Facts about the guest for readers of its results: name and value."""

    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Warned:
    """Python has issued a warning in the guest."""

    text: str
    when: str
    test: str


@dataclass(frozen=True)
class Finished:
    """pytest has ended in the guest with this exit code; `reason` says why, if it ended too early."""

    code: int
    reason: str


@dataclass(frozen=True)
class InternalError:
    """pytest itself has failed in the guest."""

    text: str


Event = (
    Ready
    | Collecting
    | Collected
    | NotCollected
    | Phase
    | Completed
    | Unclean
    | Environment
    | Warned
    | Finished
    | InternalError
)


# --- from lines to events -----------------------------------------------------------------------------------------


def _text(value: Any, most: int = TEXT) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise Nonsense(f"a text of at most {most} characters was expected")
    return value.encode("utf-8", "backslashreplace").decode()


def _name(value: Any) -> str:
    return _text(value, NAME)


def _one_of(words: tuple[str, ...]) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in words:
            raise Nonsense(f"one of {', '.join(words)} was expected")
        return value

    return check


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 31:
        raise Nonsense("a number from 0 to 2^31 was expected")
    return value


def _seconds(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise Nonsense("a time in seconds was expected")
    # A guest's clock may go backwards, but durations are never negative.
    return max(0.0, float(value))


def _many(check: Callable[[Any], Any], most: int) -> Callable[[Any], tuple[Any, ...]]:
    def each(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list) or len(value) > most:
            raise Nonsense(f"a list of at most {most} entries was expected")
        return tuple(map(check, value))

    return each


def _pair(one: Callable[[Any], Any], other: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, Any]]:
    def both(value: Any) -> tuple[Any, Any]:
        if not isinstance(value, list) or len(value) != 2:
            raise Nonsense("a pair was expected")
        return one(value[0]), other(value[1])

    return both


def _or_none(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else check(value)


EVENTS: Mapping[str, tuple[Callable[..., Event], Mapping[str, Callable[[Any], Any]]]] = {
    "ready": (Ready, {}),
    "collecting": (Collecting, {"name": _name}),
    "collected": (
        Collected,
        {"tests": _many(_name, TESTS), "behaviours": _many(_many(_name, BEHAVIOURS), TESTS)},
    ),
    "not-collected": (
        NotCollected,
        {"name": _name, "text": _text, "outcome": _one_of(("failed", "skipped"))},
    ),
    "phase": (
        Phase,
        {
            "index": _number,
            "when": _one_of(_WHEN),
            "outcome": _one_of(_OUTCOMES),
            "text": _text,
            "place": _or_none(_pair(_name, _number)),
            "sections": _many(_pair(_name, _text), 64),
            "properties": _many(_pair(_name, _text), 4096),
            "expected": _or_none(_text),
            "duration": _seconds,
        },
    ),
    "completed": (Completed, {"index": _number}),
    "unclean": (Unclean, {"text": _text}),
    "environment": (Environment, {"facts": _many(_pair(_name, _text), 64)}),
    "warned": (Warned, {"text": _text, "when": _one_of(("config", "collect", "runtest")), "test": _name}),
    "finished": (Finished, {"code": _number, "reason": _text}),
    "internal-error": (InternalError, {"text": _text}),
}
"""Name of an event -> its class, and the check for each of its fields."""


def event(data: bytes) -> Event:
    """Return the event in a line of a guest.

    Raises:
        Nonsense: the line is not a valid event.
    """
    try:
        message = json.loads(data)
    except (ValueError, RecursionError):
        raise Nonsense("a line that is not JSON") from None
    if not isinstance(message, list) or len(message) != 2 or not isinstance(message[0], str):
        raise Nonsense("a line that is no event")
    name, fields = message
    if name not in EVENTS:
        raise Nonsense("an event that there is not")
    make, checks = EVENTS[name]
    if not isinstance(fields, dict) or fields.keys() != checks.keys():
        raise Nonsense(f"an event '{name}' with other fields than {', '.join(checks) or 'none'}")
    try:
        return make(**{field: check(fields[field]) for field, check in checks.items()})
    except Nonsense as nonsense:
        raise Nonsense(f"an event '{name}': {nonsense}") from None
