# SPDX-License-Identifier: GPL-2.0-or-later
"""Messages of another machine are untrusted, and a failure costs only the VMs on it."""

import contextlib
import inspect
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import execnet.gateway_base
import execnet.gateway_bootstrap
import pytest
from execnet.gateway_base import Message, dumps_internal

from vm import cache, image
from vm.bootimage import Kernel
from vm.errors import BootError, MachineLostError, VmError
from vm.hardware import Hardware
from vm.life import Ending
from vm.remote import hosts, parts, pulse, ssh, stream, wire
from vm.remote.machine import RemoteMachine
from vm.remote.pulse import Pulse
from vm.remote.ssh import Connection, UnreachableError
from vm.remote.stream import Stream
from vm.tests import sessions

# --- --host -------------------------------------------------------------------------------------------------------

GOOD = {
    "m1": ("m1", None),
    "me@m1": ("me@m1", None),
    "me@m1.lab-2.example:3": ("me@m1.lab-2.example", 3),
    "10.0.0.1:1": ("10.0.0.1", 1),
}
BAD = [
    "",
    ":2",
    "m1:",
    "m1:0",
    "m1:65",
    "m1:x",
    "-oProxyCommand=x",
    "-u@m1",
    "m 1",
    "@m1",
    "me@",
    "m1;id",
    "m1/x",
    "ü",
]


@pytest.mark.parametrize("word", GOOD)
def test_a_machine_is_a_name_with_or_without_places(word):
    assert hosts.requested([word]) == [hosts.Request(*GOOD[word])]


@pytest.mark.parametrize("word", BAD)
def test_anything_else_is_refused(word):
    with pytest.raises(VmError, match="give \\[user@\\]machine\\[:places\\]"):
        hosts.requested([word])


def test_a_machine_is_named_once():
    with pytest.raises(VmError, match="m1 is named twice"):
        hosts.requested(["m1", "m2", "m1:3"])


# --- the connection -----------------------------------------------------------------------------------------------

SIGNATURES: dict[str, Any] = {
    "bootstrap": (execnet.gateway_bootstrap.bootstrap, ["io", "spec"]),
    "Popen2IO": (execnet.gateway_base.Popen2IO, ["outfile", "infile", "execmodel"]),
    "Popen2IO.read": (execnet.gateway_base.Popen2IO.read, ["self", "numbytes"]),
    "Channel.setcallback": (execnet.gateway_base.Channel.setcallback, ["self", "callback", "endmarker"]),
    "Channel.receive": (execnet.gateway_base.Channel.receive, ["self", "timeout"]),
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_inner_names_of_execnet_are_what_they_were(name):
    function, parameters = SIGNATURES[name]
    assert list(inspect.signature(function).parameters) == parameters


MESSAGES = {
    "bytes": (Message.CHANNEL_DATA, dumps_internal(b"x" * 1000), True),
    "no bytes": (Message.CHANNEL_DATA, dumps_internal(b""), True),
    "the end of a channel": (Message.CHANNEL_CLOSE, b"", True),
    "a string": (Message.CHANNEL_DATA, dumps_internal("x"), False),
    "a list of two billion": (Message.CHANNEL_DATA, b"K\x7f\xff\xff\xffQ", False),
    "bytes and a list": (Message.CHANNEL_DATA, dumps_internal(b"x")[:-1] + b"K\x7f\xff\xff\xffQ", False),
    "more bytes than it says": (Message.CHANNEL_DATA, b"A\0\0\0\1xxQ", False),
    "bytes without an end": (Message.CHANNEL_DATA, dumps_internal(b"x")[:-1] + b"K", False),
    "an error to print": (Message.CHANNEL_CLOSE_ERROR, dumps_internal("\x1b[2J"), False),
    "code to run": (Message.CHANNEL_EXEC, dumps_internal(("import os", None, None, {})), False),
    "other settings": (Message.RECONFIGURE, dumps_internal((True, True)), False),
    "a question": (Message.STATUS, b"", False),
    "no such kind": (99, b"", False),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_execnet_is_given_bytes_alone(name):
    kind, content, good = MESSAGES[name]
    assert ssh._is_ours(kind, content) is good


@pytest.fixture
def other_ssh(tmp_path, monkeypatch):
    """Replace ssh by a script, which is called with ssh's arguments."""

    def put(script: str) -> None:
        (tmp_path / "ssh").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "ssh").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    return put


LOCAL = 'for last in "$@"; do :; done; exec /bin/sh -c "$last"'
"""A script that runs the command on this machine."""

ENDS = {
    "ssh fails": ("echo 'ssh: connect to host m1: No route to host' >&2; exit 255", "No route to host"),
    "ssh says nothing": ("exit 255", "the connection has ended"),
    "no python3": ("exit 127", "python3 is missing there; install it: apt install python3"),
    "an old python3": ("echo 'python3 is version 3.9.2 there' >&2; exit 1", "python3 is version 3.9.2 there"),
    "a shell that greets": ("echo hello; sleep 60", "its shell prints something before a command runs"),
    "a huge message": ("printf '1\\4\\0\\0\\0\\1\\177\\0\\0\\0'; sleep 60", "nobody of ours says"),
    "a list": (
        "printf '1\\4\\0\\0\\0\\1\\0\\0\\0\\6K\\177\\377\\377\\377Q'; sleep 60",
        "nobody of ours says",
    ),
    "it stands still": ("sleep 60", "nothing answers within"),
    "it colours": ("printf '\\033[31mno\\033[0m\\n' >&2; exit 255", "[31mno [0m"),
}


@pytest.mark.parametrize("name", ENDS)
def test_whatever_does_not_become_a_connection_ends_in_a_line(name, other_ssh, monkeypatch):
    monkeypatch.setattr(ssh, "CONNECT", 1)
    monkeypatch.setattr(ssh, "ARRIVE", 1.0)
    script, reason = ENDS[name]
    other_ssh(script)
    with pytest.raises(UnreachableError) as caught:
        Connection("m1")
    assert reason in str(caught.value)
    assert str(caught.value).isprintable()


def test_ssh_never_asks_and_is_the_users(other_ssh, tmp_path):
    other_ssh(f'echo "$@" > {tmp_path}/words; exit 255')
    with pytest.raises(UnreachableError):
        Connection("me@m1")
    words = (tmp_path / "words").read_text()
    assert "-o BatchMode=yes -o ConnectTimeout=" in words
    assert "-- me@m1 exec python3" in words
    assert "-F" not in words


@pytest.fixture
def connection(other_ssh, tmp_path, monkeypatch):
    monkeypatch.setenv("FAPITEST_CACHE", str(tmp_path / "cache"))
    other_ssh(LOCAL)
    connection = Connection("m1")
    yield connection
    connection.close(10)


def test_the_outpost_tells_what_the_machine_can_do(connection):
    channel = connection.call("check")
    channel.send(wire.packed("asked", hardware={"cpus": 1, "memory": 512}))
    word, fields = wire.unpacked(channel.receive(60))
    assert (word, fields["jobs"] > 0) == ("fit", True)


@pytest.mark.parametrize(("jobs", "places"), [(3, 3), (500, 64), (0, 1), (-1, 1), ("many", 1), (None, 1)])
def test_a_machine_says_how_many_places_it_has(monkeypatch, jobs, places):
    monkeypatch.setattr(hosts, "Connection", lambda _: None)
    monkeypatch.setattr(hosts.Host, "_ask", lambda *_, **__: {"jobs": jobs})
    assert hosts.Host(hosts.Request("m1", None), "tcg", Hardware()).places == places
    assert hosts.Host(hosts.Request("m1", 2), "tcg", Hardware()).places == 2


def test_a_part_is_sent_once(connection, tmp_path, monkeypatch):
    monkeypatch.setattr(hosts, "Connection", lambda _: connection)
    host = hosts.Host(hosts.Request("m1", None), "tcg", Hardware())
    (tmp_path / "part").write_bytes(os.urandom(3 << 20))
    host._send(tmp_path / "part", lambda: False)
    key = hosts.digest(tmp_path / "part")
    kept = tmp_path / "cache" / "parts" / key / "content"
    assert kept.read_bytes() == (tmp_path / "part").read_bytes()
    host._sent.clear()
    monkeypatch.setattr(hosts, "_pieces", lambda _: pytest.fail("it was sent again"))
    assert host._send(tmp_path / "part", lambda: False) == key


def test_what_is_sent_is_shown_and_what_is_there_is_not(connection, tmp_path, monkeypatch):
    monkeypatch.setattr(hosts, "Connection", lambda _: connection)
    told = []

    @contextlib.contextmanager
    def shown(machine):
        told.append(machine)
        yield lambda what, percent: told.append((what, round(percent)))
        told.append("sent")

    host = hosts.Host(hosts.Request("m1", None), "tcg", Hardware(), shown)
    (tmp_path / "part").write_bytes(os.urandom(1 << 20))
    host._send(tmp_path / "part", lambda: False)
    host._sent.clear()
    host._send(tmp_path / "part", lambda: False)
    assert told == ["m1", *(("sending part", percent) for percent in (0, 25, 50, 75)), "sent"]


def test_a_machine_that_is_full_says_so(other_ssh, tmp_path, monkeypatch):
    monkeypatch.setenv("FAPITEST_CACHE", str(tmp_path / "cache"))
    other_ssh(f"ulimit -f 2048; {LOCAL}")  # like a full disk, but with another errno
    host = hosts.Host(hosts.Request("m1", None), "tcg", Hardware())
    (tmp_path / "part").write_bytes(bytes(3 << 20))
    with pytest.raises(
        MachineLostError, match=r"^m1: the cache .* can not be written: File too large; make room"
    ):
        host._send(tmp_path / "part", lambda: False)
    assert list((tmp_path / "cache" / "parts").iterdir()) == []
    host.close()


def test_a_run_that_ends_does_not_wait_for_a_part(connection, tmp_path, monkeypatch):
    monkeypatch.setattr(hosts, "Connection", lambda _: connection)
    host = hosts.Host(hosts.Request("m1", None), "tcg", Hardware())
    (tmp_path / "part").write_bytes(bytes(1 << 20))
    monkeypatch.setattr(hosts, "_pieces", lambda _: iter([b"less than was promised"]))
    with pytest.raises(MachineLostError, match="the run was ended"):
        host._send(tmp_path / "part", lambda: True)


def test_a_machine_that_writes_nothing_is_too_slow(connection, tmp_path, monkeypatch):
    monkeypatch.setattr(hosts, "Connection", lambda _: connection)
    host = hosts.Host(hosts.Request("m1", None), "tcg", Hardware())
    (tmp_path / "part").write_bytes(bytes(1 << 20))
    monkeypatch.setattr(hosts, "_pieces", lambda _: iter([b"less than was promised"]))
    monkeypatch.setattr(hosts, "ANSWER", 1.0)
    with pytest.raises(MachineLostError, match="m1 is too slow: no answer for 1 s"):
        host._send(tmp_path / "part", lambda: False)


# --- cached files -------------------------------------------------------------------------------------------------


@pytest.fixture
def private(tmp_path, monkeypatch):
    monkeypatch.setenv("FAPITEST_CACHE", str(tmp_path))


DIGEST = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
"""SHA-256 of "hello"."""


@pytest.mark.usefixtures("private")
def test_what_was_damaged_on_its_way_is_not_kept():
    with pytest.raises(VmError, match="damaged"):
        parts.keep(DIGEST, [b"hel", b"l0"])
    assert parts.find(DIGEST) is None
    assert parts.keep(DIGEST, [b"hel", b"lo"]) == parts.find(DIGEST)


@pytest.mark.usefixtures("private")
def test_parts_are_bounded_but_for_those_in_use(monkeypatch):
    monkeypatch.setattr(parts, "ROOM", 100_000)
    old = cache.root() / cache.PARTS / "old"
    with cache.storing(old, {}) as made:
        (made / "content").write_bytes(bytes(200_000))
    os.utime(old, (0, 0))
    assert parts.keep(DIGEST, [b"hello"]).exists()
    assert not old.exists()


# --- messages -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", [b"", b"\xff", b"[]", b'["a"]', b"[1, {}]", b'["a", []]', b'["a", {"b": NaN}]']
)
def test_a_message_is_a_word_and_its_fields(text):
    with pytest.raises(wire.GarbledError):
        wire.unpacked(text)
    with pytest.raises(wire.GarbledError):
        wire.unpacked(b"[" * 100_000)


class Channel:
    """One end of a channel in memory, which passes messages to a function."""

    TimeoutError = TimeoutError

    def __init__(self, send=lambda _: None):
        self.send = send
        self.hear = lambda _: None
        self.closed = threading.Event()

    def setcallback(self, hear, endmarker):  # noqa: ARG002  execnet's
        self.hear = hear

    def receive(self, timeout):  # noqa: ARG002  execnet's
        raise TimeoutError

    def close(self):
        self.closed.set()


@pytest.fixture
def ends():
    guest, port = socket.socketpair()
    with guest, port:
        yield guest, port


def flood(guest):
    with contextlib.suppress(OSError):
        guest.sendall(bytes(64 << 20))


def test_a_flood_waits_for_whoever_reads_it(ends):
    guest, port = ends
    sent: SimpleQueue[bytes] = SimpleQueue()
    carried = Stream(Channel(sent.put), port)
    threading.Thread(target=flood, args=(guest,), daemon=True).start()
    sessions.wait_until(lambda: sent.qsize() == stream.WINDOW, "a full window")
    carried._take(b"")
    sessions.wait_until(lambda: sent.qsize() == stream.WINDOW + 1, "one more")
    carried.close()
    carried.join()


def test_what_was_sent_before_the_end_arrives(ends):
    guest, port = ends
    carried = Stream(Channel(), port)
    for message in (b"one", b"two", None):
        carried._take(message)
    with guest.makefile("rb") as received:
        assert received.read() == b"onetwo"
    carried.join()


def test_a_guest_that_hangs_up_ends_the_channel(ends):
    guest, port = ends
    channel = Channel()
    carried = Stream(channel, port)
    guest.close()
    assert channel.closed.wait(30)
    carried.join()


@pytest.mark.parametrize("messages", [[bytes(wire.CHUNK + 1)], [b"x"] * 100_000], ids=["large", "many"])
def test_who_sends_more_than_there_is_room_for_is_cut_off(ends, messages):
    channel = Channel()
    carried = Stream(channel, ends[1])
    for message in messages:
        carried._take(message)
    assert channel.closed.wait(30)
    carried.join()


def test_silence_is_noticed(monkeypatch):
    monkeypatch.setattr(pulse, "SILENCE", 0.2)
    over: SimpleQueue[str] = SimpleQueue()
    channel = Channel()

    Pulse(channel, over.put)
    assert over.get(timeout=30) == "no sign of life for 0 s"


# --- a VM on another machine --------------------------------------------------------------------------------------

NOWHERE = Path("/nonexistent/vmlinuz")
KERNEL = Kernel(name="6.12", image=NOWHERE, modules=NOWHERE, loop=True, origin="")


@pytest.fixture
def vm(tmp_path):
    """A VM on a machine whose answers come from a function of the test."""

    machines = []

    def described(answer):
        def send(message):
            if isinstance(message, bytes):
                for said in answer(wire.unpacked(message)[0]) or [None]:
                    channel.hear(said)

        channel = Channel(send)
        connection = SimpleNamespace(
            call=lambda _: channel, channel=Channel, last_words=lambda: "the connection has ended"
        )
        machine = RemoteMachine(
            connection,  # type: ignore[arg-type]
            "m1",
            lambda *_: {},
            KERNEL,
            accel="auto",
            directory=tmp_path,
            number=2,
            hardware=Hardware(),
        )
        machines.append(machine)
        return machine

    yield described
    for machine in machines:
        machine.kill(Ending.DONE)


ANSWERS: dict[str, dict[str, Any]] = {
    "vm": {"accel": "tcg"},
    "wait_ready": {"seconds": 2.5},
    "wait": {"ended": True},
}


EVERY = {"accel": "tcg", "seconds": 2.5, "ended": True}
"""The fields of all answers."""


def well(word):
    return [wire.packed("console", text="Linux\n"), wire.packed("done", **ANSWERS.get(word, {}))]


def test_a_vm_there_is_what_a_place_expects(vm, tmp_path):
    machine = vm(well)
    machine.start()
    assert (machine.accel, machine.wait_ready(), machine.wait(1)) == ("tcg", 2.5, True)
    assert b'"FAPITEST_ACCEL": "tcg"' in machine.order()
    machine.kill(Ending.DONE)
    assert (tmp_path / "console-2.log").read_text().startswith("Linux\nLinux\n")


NONSENSE = {
    "no such accelerator": lambda _: [wire.packed("done", **EVERY | {"accel": "../x"})],
    "no time": lambda word: [wire.packed("done", **ANSWERS["vm"] if word == "vm" else {"seconds": "1"})],
    "no such answer": lambda _: [wire.packed("run", **EVERY)],
    "no such end": lambda _: [wire.packed("not-booted", reason="x", ending="y")],
    "no message": lambda _: [b"\xff"],
    "too many answers": lambda _: [wire.packed("done", **ANSWERS["vm"])] * 100,
    "a console that is none": lambda _: [wire.packed("console", text="\u1234")],
    "a console without text": lambda _: [wire.packed("console")],
}


@pytest.mark.parametrize("name", NONSENSE)
def test_a_machine_that_speaks_nonsense_is_lost(vm, name):
    machine = vm(NONSENSE[name])
    with pytest.raises(MachineLostError, match="m1 said what nobody of ours says"):
        machine.start()
        machine.wait_ready()
        machine.wait(1)


def test_a_machine_that_is_gone_is_named(vm):
    machine = vm(lambda word: well(word) if word != "wait_ready" else None)
    machine.start()
    with pytest.raises(MachineLostError, match="m1 was lost: the connection has ended"):
        machine.wait_ready()


def test_a_machine_that_can_not_start_it_is_lost_with_its_reason(vm):
    machine = vm(lambda _: [wire.packed("failed", reason="\x1b[2JNo space left\non device")])
    with pytest.raises(MachineLostError, match=r"^m1: \[2JNo space left on device$"):
        machine.start()


def test_a_vm_that_does_not_boot_there_names_the_machine(vm):
    told = [wire.packed("not-booted", reason="was not ready after 50 s", ending="hang")]
    machine = vm(lambda word: told if word == "wait_ready" else well(word))
    machine.start()
    with pytest.raises(BootError, match="was not ready after 50 s \\(on m1\\)") as caught:
        machine.wait_ready()
    assert (caught.value.end, caught.value.console) == (Ending.HANG, "Linux\nLinux")


def test_a_vm_can_not_have_waited_for_longer_than_it_is_there(vm):
    machine = vm(lambda word: [wire.packed("starved", seconds=1e300), *well(word)])
    machine.start()
    assert machine.starved() < 1e6


# --- its end ------------------------------------------------------------------------------------------------------

ENDING = """
import sys, threading
from pathlib import Path
from vm import scratch
from vm.remote import outpost

path = scratch.Scratch().path  # of a VM that is about to be described: nobody knows it yet

def write():
    number = 0
    while True:
        try:
            (path / f"{number}").touch()
        except FileNotFoundError:
            pass
        number += 1

threading.Thread(target=write, daemon=True).start()
while not list(path.iterdir()):
    pass
outpost.end()
"""


def test_an_outpost_that_ends_leaves_nothing_of_a_vm_that_is_being_made(tmp_path):
    """Another thread writes into its directory all the time."""
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(image.PROJECT)}
    ended = subprocess.run([sys.executable, "-c", ENDING], env=environment, timeout=60, check=False)
    assert (ended.returncode, list(tmp_path.iterdir())) == (1, [])
