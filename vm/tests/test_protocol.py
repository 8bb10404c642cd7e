# SPDX-License-Identifier: GPL-2.0-or-later
"""The trust boundary: a guest's line is a valid event, within limits, or Nonsense; it has no other effect."""

import json
import os
import random
import socket
from typing import Any

import pytest

from vm import protocol
from vm.link import Gone, Link, Silence
from vm.protocol import Nonsense

PHASE = {
    "index": 3,
    "when": "call",
    "outcome": "failed",
    "text": "assert 1 == 2",
    "place": ["suites/test_a.py", 12],
    "sections": [["Captured stdout call", "hello"]],
    "properties": [["status", "fail"], ["message", "no"]],
    "expected": None,
    "duration": 0.25,
}
GOOD: dict[str, dict[str, Any]] = {
    "ready": {},
    "collecting": {"name": "suites/test_a.py"},
    "collected": {"tests": ["a::b", "a::c[\u20ac]"], "behaviours": [["A-B"], []]},
    "not-collected": {"name": "suites/a.py", "text": "ImportError", "outcome": "failed"},
    "phase": PHASE,
    "completed": {"index": 0},
    "unclean": {"text": "/proc is not mounted"},
    "environment": {"facts": [["libc", "glibc 2.41"]]},
    "warned": {"text": "old", "when": "runtest", "test": "a::b"},
    "finished": {"code": 1, "reason": ""},
    "internal-error": {"text": "INTERNALERROR"},
}


@pytest.mark.parametrize("name", protocol.EVENTS)
def test_each_event_is_taken(name):
    event = protocol.event(protocol.line(name, **GOOD[name]))
    assert type(event) is protocol.EVENTS[name][0]


def changed(**changes):
    return json.dumps(["phase", PHASE | changes]).encode()


def collected(tests, behaviours):
    return json.dumps(["collected", {"tests": tests, "behaviours": behaviours}]).encode()


NONSENSE = {
    "no JSON": b"hello",
    "bytes": b"\xff\xfe\x00",
    "nothing": b"",
    "deep": b"[" * 100_000,
    "a number": b"1",
    "no fields": b'["ready"]',
    "an unknown event": b'["exec", {}]',
    "a name that is no text": b'[["ready"], {}]',
    "pytest-xdist's warning, which names code to call": json.dumps(
        [
            "warning_recorded",
            {"warning_message_data": {"message_module": "os", "message_class_name": "system"}},
        ]
    ).encode(),
    "a field too many": b'["ready", {"command": "id"}]',
    "a field too few": json.dumps(["phase", {k: v for k, v in PHASE.items() if k != "when"}]).encode(),
    "a phase that there is not": changed(when="???"),
    "an outcome that there is not": changed(outcome="xpassed"),
    "a negative test": changed(index=-1),
    "a test that is true": changed(index=True),
    "a huge test": changed(index=1 << 40),
    "a duration that is none": changed(duration=float("nan")),
    "an endless duration": changed(duration=float("inf")),
    "a text that is a list": changed(text=["a"]),
    "a long text": changed(text="x" * (protocol.TEXT + 1)),
    "a section of three": changed(sections=[["a", "b", "c"]]),
    "many properties": changed(properties=[["a", "b"]] * 5000),
    "a long id": collected(["x" * 5000], [[]]),
    "many tests": collected(["x"] * (protocol.TESTS + 1), []),
    "behaviours of no test": collected(["x"], [["A"], ["B"]]),
    "many behaviours": collected(["x"], [["A"] * (protocol.BEHAVIOURS + 1)]),
    "many facts": json.dumps(["environment", {"facts": [["a", "b"]] * 100}]).encode(),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_what_is_no_event_is_nonsense(name):
    with pytest.raises(Nonsense):
        protocol.event(NONSENSE[name])


def test_lone_surrogates_are_told_apart_and_harmless():
    event = protocol.event(json.dumps(["internal-error", {"text": "\udcff"}]).encode())
    assert event == protocol.InternalError("\\udcff")


MUTANTS = int(os.environ.get("FAPITEST_MUTANTS", "4000"))
"""Number of mutated lines; for a longer run: FAPITEST_MUTANTS=1000000."""


def mutated(chance, data):
    """Change a line in a few places: bytes, substrings, JSON's syntax."""
    data = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data) + 1)
        piece = chance.choice(
            [b"", b"[", b"]", b"{", b'"', b",", b"null", b"-1", b"1e999", b"\\ud800", b"\0", b"9" * 40]
        )
        data[at : at + chance.randint(0, 6)] = piece or chance.randbytes(chance.randint(1, 5))
    return bytes(data)


def test_mutated_lines_are_events_or_nonsense():
    chance = random.Random(2026)  # always the same lines, so that a failure can be reproduced
    lines = [protocol.line(name, **fields).rstrip() for name, fields in GOOD.items()]
    taken = 0
    for _ in range(MUTANTS):
        line = mutated(chance, chance.choice(lines))
        try:
            taken += type(protocol.event(line)) in {make for make, _ in protocol.EVENTS.values()}
        except Nonsense:
            continue
    assert 0 < taken < MUTANTS


@pytest.fixture
def pair(tmp_path):
    """A link, and the guest's end of it."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "port"))
        server.listen()
        with Link(tmp_path / "port") as link, server.accept()[0] as guest:
            yield link, guest


def test_events_come_in_order_however_they_are_cut(pair):
    link, guest = pair
    data = protocol.line("ready") + protocol.line("completed", index=7)
    for byte in data:
        guest.sendall(bytes([byte]))
    assert [link.receive(10), link.receive(10)] == [protocol.Ready(), protocol.Completed(7)]


def test_silence_and_the_end_are_told_apart(pair):
    link, guest = pair
    with pytest.raises(Silence):
        link.receive(0.01)
    guest.close()
    with pytest.raises(Gone):
        link.receive(10)


def test_a_line_without_end_is_bounded(pair, monkeypatch):
    link, guest = pair
    monkeypatch.setattr(protocol, "LINE", 1000)
    guest.sendall(b"x" * 5000)
    with pytest.raises(Nonsense, match="a line of more than"):
        link.receive(10)


def test_all_that_a_guest_sends_is_bounded(pair, monkeypatch):
    link, guest = pair
    monkeypatch.setattr(protocol, "VOLUME", 1000)
    guest.sendall(protocol.line("completed", index=1) * 100)
    with pytest.raises(Nonsense, match="in all"):
        for _ in range(100):
            link.receive(10)


def test_a_guest_that_takes_nothing_is_silent(pair):
    link, _ = pair
    with pytest.raises(Silence, match="did not take"):
        link.begin(bytes(8 << 20), 0.05)
