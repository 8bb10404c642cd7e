# SPDX-License-Identifier: GPL-2.0-or-later
"""The way to another machine: execnet's gateway over the user's own ssh, with bounds on time and on what comes back.

execnet's own ssh gateway waits for ever, and lets ssh write to the terminal; so its parts are put together here. Nobody
else knows their inner names; vm/tests/test_remote.py lists them.
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
"""Seconds within which ssh must have a connection."""

ARRIVE = 15.0
"""Seconds within which Python must answer on the other machine."""

OPTIONS = {
    "BatchMode": "yes",  # never a question
    "ConnectTimeout": str(CONNECT),
    "LogLevel": "ERROR",
    "ControlMaster": "no",  # who else uses this connection must not end with it
    "ClearAllForwardings": "yes",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "RemoteCommand": "none",
    "RequestTTY": "no",
}
"""What must hold whatever stands in the user's ~/.ssh/config; ssh_config(5)."""

OLDEST_PYTHON = (3, 11)
PACKAGES = ("filelock", "packaging", "platformdirs")
"""What the modules of the outpost import beside the standard library."""

_PYTHON = (
    f"import sys; exec(eval(sys.stdin.readline())) if sys.version_info >= {OLDEST_PYTHON} else "
    f'sys.exit("python3 is version " + sys.version.split()[0] + '
    f'" there; {".".join(map(str, OLDEST_PYTHON))} or newer is needed")'
)
_NOT_FOUND = 127
"""A shell's exit code where there is no such program."""

_HEADER = 9
"""Bytes of the header of execnet's messages."""

LAST_WORDS = 2.0
"""Seconds in which ssh may say why it ends."""


class UnreachableError(Exception):
    """There is no connection to the other machine, or none any more; the text says why, in a line."""


def packed_code() -> bytes:
    """Return an archive of what the outpost imports: the modules of this room, and packages that are Python alone."""
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
    """ssh's pipes, through which execnet speaks; what comes is a message of bytes within its bounds, or the end.

    Of execnet's format only bytes come through: a list of a few bytes may claim to have billions of elements.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__(process.stdin, process.stdout, get_execmodel("thread"))
        self._process = process
        self._kind: int | None = None
        self._killed = threading.Event()
        self.refused = False
        """Whether something came that nobody of ours sends."""

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
        """End ssh, and what it has started to get there."""
        if not self._killed.is_set():
            self._killed.set()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


def _is_ours(kind: int, content: bytes) -> bool:
    """Whether a message of execnet is one that the outpost sends: bytes on a channel, or the end of one."""
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
    """A process of ours on another machine, reached through ssh."""

    def __init__(self, machine: str) -> None:
        """Connect to `machine`, as ssh knows it, and bring the outpost there.

        Raises:
            UnreachableError: that did not succeed within `CONNECT` + `ARRIVE` seconds.
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
        """Keep the last that ssh has said; the pipe may outlive it."""
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
        """Have a function of vm/remote/outpost.py run there, and return its channel. Raises UnreachableError."""
        try:
            return self._gateway.remote_exec(f"from vm.remote import outpost; outpost.{function}(channel)")
        except OSError as error:
            raise UnreachableError(self.last_words()) from error

    def channel(self) -> Any:
        """Return one more channel, to be given to a function. Raises UnreachableError."""
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
        """Why the connection has ended, as far as that is known."""
        if self._pipes.refused:
            return "it says what nobody of ours says"
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(LAST_WORDS)
            self._listener.join(LAST_WORDS)
        return self._said[-1] if self._said else self._lost_for or "the connection has ended"

    def kill(self) -> None:
        """End the connection; the outpost ends with it."""
        self._pipes.kill()
        self._process.wait()
        self._listener.join(LAST_WORDS)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError, ValueError):
                pipe.close()

    def close(self, patience: float) -> None:
        """Let the outpost end, and the connection with it, within so many seconds."""
        self._pulse.stop()
        # Closing would wait for a thread that sends, and that may wait for ever.
        closing = threading.Thread(target=self._hang_up, daemon=True)
        closing.start()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)
        self.kill()

    def _hang_up(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.close()
