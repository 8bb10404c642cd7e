# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that attacks its host with what the port takes. FAPITEST_PREY is a directory of the host's."""

import gc
import json
import os

import pytest

from vm import protocol
from vm.interactor import Channel

pytestmark = pytest.mark.skipif("FAPITEST_VM" not in os.environ, reason="this attacks the host")


def channel():
    """The way to the host, as anybody in the guest can find it."""
    return next(thing for thing in gc.get_objects() if isinstance(thing, Channel))


def send(data: bytes):
    descriptor = channel()._descriptor  # found once: under emulation the search takes long
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def prey() -> str:
    return os.environ.get("FAPITEST_PREY", "/tmp/prey")


def test_before():
    pass


def test_xdist_warning():
    """pytest-xdist's controller imports and calls what this names."""
    data = {
        "message_str": "",
        "message_module": "os",
        "message_class_name": "system",
        "message_args": [f"touch {prey()}/warning"],
        "category_module": None,
        "category_class_name": None,
        "filename": "",
        "lineno": 0,
        "file": None,
        "line": None,
        "source": None,
        "_category_name": None,
    }
    fields = {"warning_message_data": data, "when": "runtest", "nodeid": "", "location": None}
    send(json.dumps(["warning_recorded", fields]).encode() + b"\n")


def test_path_of_a_file():
    channel().tell("files", contents=[[f"../../../../../../../../..{prey()}/path", "eA=="]])


def test_own_console():
    """What looks like a file's name is none here."""
    channel().tell("environment", facts=[["console.log", "x"], [f"..{prey()}/path", "x"]])


@pytest.mark.timeout(240)  # the host ends it
def test_many_files():
    """The same file again and again, for ever."""
    line = protocol.line("environment", facts=[["environment.json", "eHh4" * 60_000]] * 15)
    send(line * 20)
    while True:
        send(line)


def test_odd_report(record_property):
    """Marks for Allure that its exporter can not read."""
    content = {"name": 1, "labels": [1], "links": {}, "steps": 3, "attachments": [{"extension": "../x"}]}
    record_property("allure", json.dumps(content))


def test_another_kernel(record_property):
    record_property("kernel", "7.2")
    record_property("lost", "panic")


def test_odd_properties(record_property):
    """What the rooms tell each other by, from somebody who is none of them."""
    for name in ("status", "lost", "allure", "skip-kind", "message"):
        record_property(name, "{[nonsense")


def test_odd_properties_of_a_lost_vm(record_property):
    for name in ("status", "lost", "allure", "behaviour"):
        record_property(name, "{[nonsense")
    channel().tell("phase", index=0)


def test_terminal():
    pytest.fail("\x1b]0;owned\x07\x1b[2J\x1b[31m[red]" + "x" * (5 << 20))


def test_after():
    pass
