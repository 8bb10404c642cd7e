# SPDX-License-Identifier: GPL-2.0-or-later
"""The connection to another machine: an execnet gateway over the user's ssh, with timeouts and checked messages.

execnet's own ssh gateway has no timeouts, and lets ssh write to the terminal, so it is assembled here from execnet's
parts. Only this module uses their private names; vm/tests/test_remote.py lists them.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import signal
import subprocess
import threading
import zipfile
from collections import deque
from pathlib import Path
from typing import Any

from execnet import XSpec
from execnet.gateway import Gateway
from execnet.gateway_base import Message, Popen2IO, get_execmodel, opcode
from execnet.gateway_bootstrap import bootstrap

from vm import image, tools
from vm.remote import landing, wire
from vm.remote.pulse import Pulse

CONNECT = 15
"""Timeout in seconds for ssh to connect."""

ARRIVE = 15.0
"""Timeout in seconds for Python to answer on the other machine."""

OPTIONS = {
    "BatchMode": "yes",  # never a question
    "ConnectTimeout": str(CONNECT),
    "LogLevel": "ERROR",
    "ControlMaster": "no",  # otherwise other users of the connection would end with it
    "ClearAllForwardings": "yes",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "RemoteCommand": "none",
    "RequestTTY": "no",
}
"""Options that override the user's ~/.ssh/config; ssh_config(5)."""

OLDEST_PYTHON = (3, 11)
PACKAGES = ("filelock", "packaging", "platformdirs")
"""Packages that the outpost's modules import, in addition to the standard library."""

_PYTHON = (
    f"import sys; exec(eval(sys.stdin.readline())) if sys.version_info >= {OLDEST_PYTHON} else "
    f'sys.exit("python3 is version " + sys.version.split()[0] + '
    f'" there; {".".join(map(str, OLDEST_PYTHON))} or newer is needed")'
)
_NOT_FOUND = 127
"""A shell's exit code for a missing program."""

_HEADER = 9
"""Size of the header of execnet's messages in bytes."""

LAST_WORDS = 2.0
"""Seconds to wait for ssh's error message when it ends."""


class UnreachableError(Exception):
    """There is no connection to the other machine, or it was lost; the text says why, in one line."""


def packed_code() -> bytes:
    """Return an archive of the modules that the outpost imports: this package, and pure Python packages."""
    return _packed_code()


@functools.cache
def _packed_code() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        room = Path(wire.__file__).parent.parent
        for path in sorted([*room.glob("*.py"), *room.glob("remote/*.py")]):
            archive.write(path, f"vm/{path.relative_to(room)}")
        for distribution in image.distributions(PACKAGES).values():
            for file in distribution.files or ():
                if file.suffix == ".py" and ".." not in file.parts:
                    archive.write(str(file.locate()), str(file))
    return packed.getvalue()


class _Pipes(Popen2IO):
    """ssh's pipes for execnet, which pass only messages of bytes within their limits; anything else is the end.

    No other type of execnet's format is accepted: a list of a few bytes may claim to have billions of elements.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__(process.stdin, process.stdout, get_execmodel("thread"))
        self._process = process
        self._kind: int | None = None
        self._killed = threading.Event()
        self.refused = False
        """Whether a message was rejected."""

    def read(self, numbytes: int) -> bytes:
        if not 0 <= numbytes <= wire.LARGEST:
            raise self._refusal(f"a message of {numbytes} bytes")
        data: bytes = super().read(numbytes)
        if self._kind is not None:
            kind, self._kind = self._kind, None
            if not _is_ours(kind, data):
                raise self._refusal("a message that is none of ours")
        elif numbytes == _HEADER:
            self._kind = data[0]
        return data

    def _refusal(self, what: str) -> EOFError:
        self.refused = True
        self.kill()
        return EOFError(what)

    def wait(self) -> int:
        return self._process.wait()

    def kill(self) -> None:
        """Kill ssh and its child processes, such as a ProxyCommand."""
        if not self._killed.is_set():
            self._killed.set()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


def _is_ours(kind: int, content: bytes) -> bool:
    """Return whether the outpost may send this execnet message: bytes on a channel, or the end of a channel."""
    if kind in (Message.CHANNEL_CLOSE, Message.CHANNEL_LAST_MESSAGE):
        return not content
    length = len(content) - 6
    return (
        kind == Message.CHANNEL_DATA
        and content[:1] == opcode.BYTES
        and content[1:5] == length.to_bytes(4, "big", signed=True)
        and content[-1:] == opcode.STOP
    )


class Connection:
    """An outpost process on another machine, connected through ssh."""

    def __init__(self, machine: str) -> None:
        """Connect to `machine`, its name for ssh, and load the outpost there.

        Raises:
            UnreachableError: it failed, or timed out after `CONNECT` + `ARRIVE` seconds.
            VmError: this machine has no ssh.
        """
        self._said: deque[str] = deque(maxlen=3)
        self._overdue = False
        self._lost_for = ""
        settings = [word for name, value in OPTIONS.items() for word in ("-o", f"{name}={value}")]
        command = [
            str(tools.path("ssh")),
            "-C",
            "-T",
            *settings,
            "--",
            machine,
            f"exec python3 -Iuc '{_PYTHON}'",
        ]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # keeps Ctrl-C from reaching ssh before us, and ssh from the terminal
        )
        self._pipes = _Pipes(self._process)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        timer = threading.Timer(CONNECT + ARRIVE, self._give_up)
        timer.start()
        try:
            spec = XSpec(f"ssh={machine}//id={machine}//execmodel=thread")
            self._gateway: Gateway = bootstrap(self._pipes, spec)
            channel = self._gateway.remote_exec(landing)
            channel.send(packed_code())
            failure: bytes = channel.receive()
        except Exception as error:  # however it ends, there is no connection
            timer.cancel()
            reason = self._why(error)
            self.kill()
            raise UnreachableError(reason) from error
        except BaseException:
            self.kill()
            raise
        finally:
            timer.cancel()
        if failure:
            self.kill()
            raise UnreachableError(wire.one_line(failure.decode("utf-8", "replace")))
        self._pulse = Pulse(self.call("watch"), self._lose)

    def _listen(self) -> None:
        """Keep ssh's last messages; the pipe may stay open after ssh has ended."""
        assert self._process.stderr is not None
        with self._process.stderr as said:
            while line := said.readline(wire.LINE):
                if text := wire.one_line(line.decode("utf-8", "replace")):
                    self._said.append(text)

    def _give_up(self) -> None:
        self._overdue = True
        self.kill()

    def _why(self, error: Exception) -> str:
        if self._overdue:
            return f"nothing answers within {CONNECT + ARRIVE:.0f} s"
        if isinstance(error, AssertionError):
            return "its shell prints something before a command runs; let it be silent where there is no terminal"
        words = self.last_words()
        if self._process.poll() == _NOT_FOUND:
            return "python3 is missing there; install it: apt install python3"
        return words

    def call(self, function: str) -> Any:
        """Run a function of vm/remote/outpost.py there, and return its channel. Raises UnreachableError."""
        try:
            return self._gateway.remote_exec(f"from vm.remote import outpost; outpost.{function}(channel)")
        except OSError as error:
            raise UnreachableError(self.last_words()) from error

    def channel(self) -> Any:
        """Return another channel, to pass to a function. Raises UnreachableError."""
        try:
            return self._gateway.newchannel()
        except OSError as error:
            raise UnreachableError(self.last_words()) from error

    def _lose(self, why: str) -> None:
        if self._process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(LAST_WORDS)
        self._lost_for = why
        self.kill()

    def last_words(self) -> str:
        """Return why the connection has ended, if known."""
        if self._pipes.refused:
            return "it says what nobody of ours says"
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(LAST_WORDS)
            self._listener.join(LAST_WORDS)
        return self._said[-1] if self._said else self._lost_for or "the connection has ended"

    def kill(self) -> None:
        """Kill the connection; the outpost ends with it."""
        self._pipes.kill()
        self._process.wait()
        self._listener.join(LAST_WORDS)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError, ValueError):
                pipe.close()

    def close(self, patience: float) -> None:
        """Let the outpost end, and close the connection, within this many seconds."""
        self._pulse.stop()
        # In a thread: closing waits for a thread that sends, which may block for ever.
        closing = threading.Thread(target=self._hang_up, daemon=True)
        closing.start()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)
        self.kill()

    def _hang_up(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.close()
