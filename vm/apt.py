# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs apt as a child process: shows its progress, applies timeouts, and reports errors in one line."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from vm.errors import VmError

SILENCE = 20.0
"""Seconds without data after which an archive counts as unreachable."""

LIMIT = 1800.0
"""Timeout for apt as a whole in seconds, so that a very slow archive does not block a run for ever."""

PATIENCE = {"Acquire::http::Timeout": "10", "Acquire::https::Timeout": "10", "Acquire::Retries": "1"}
"""apt's own timeouts: its default is four times 30 seconds for every file."""

Progress = Callable[[str, float], None]
"""Called with what is being done, and how much of it is done, in per cent."""


class AptError(VmError):
    """apt could not do something; the text says why.

    Attributes:
        unreachable: whether the archive could not be reached, so that trying again soon is useless.
    """

    def __init__(self, reason: str, *, unreachable: bool = False) -> None:
        """Set the reason, and whether the archive could not be reached."""
        super().__init__(reason)
        self.unreachable = unreachable


def quiet(_what: str, _percent: float) -> None:
    """Show nothing."""


def options(settings: dict[str, str]) -> list[str]:
    """Return settings of apt's configuration as command-line options."""
    return [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]


def ask(*command: str) -> str:
    """Return the output of one of apt's programs, for commands that fetch nothing.

    Raises:
        AptError: apt is missing, or fails.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment())
    except FileNotFoundError:
        raise AptError(
            f"{command[0]} is missing: kernels of the catalogue come from Debian's archive through apt; "
            "use --kernel PATH for one of yours"
        ) from None
    if done.returncode != 0:
        raise AptError(f"{command[0]} fails: {_reason(done.stderr)}")
    return done.stdout


def work(
    *command: str,
    what: str,
    progress: Progress,
    directory: Path | None = None,
    silence: float | None = None,
    limit: float | None = None,
) -> None:
    """Run one of apt's programs, show its progress as that of `what`, and kill it on a timeout.

    Raises:
        AptError: it failed, reported nothing for `silence` seconds, or took longer than `limit` seconds.
        OSError: the disk is full.
    """
    reading, writing = os.pipe()
    shown = options({"APT::Status-Fd": str(writing)})
    progress(what, 0.0)
    with tempfile.TemporaryFile("w+") as errors, os.fdopen(reading, "rb", buffering=0) as status:
        try:
            child = subprocess.Popen(
                [command[0], *shown, *command[1:]],
                cwd=directory,
                pass_fds=[writing],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env=_environment(),
                process_group=0,
            )
        finally:
            os.close(writing)
        try:
            _follow(status.fileno(), what, progress, silence or SILENCE, limit or LIMIT)
            code = child.wait()
        finally:
            if child.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGTERM)
                child.wait()
        errors.seek(0)
        said = errors.read()
    if code != 0:
        raise _failure(said)
    progress(what, 100.0)


def _environment() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}


def _follow(status: int, what: str, progress: Progress, silence: float, limit: float) -> None:
    """Show apt's progress until it closes the status pipe; it reports twice a second, even without new data."""
    heard = time.monotonic()
    end, last, rest = heard + limit, b"", b""
    while (left := min(heard + silence, end) - time.monotonic()) > 0:
        if not select.select([status], [], [], min(left, 60.0))[0]:
            continue
        if not (piece := os.read(status, 1 << 16)):
            return
        *lines, rest = (rest + piece).split(b"\n")
        for kind, _, percent, *_ in (line.split(b":") for line in lines if line.count(b":") > 2):
            if kind in {b"dlstatus", b"pmstatus"} and percent != last:
                heard, last = time.monotonic(), percent
                progress(what, float(percent))
    if end < time.monotonic():
        raise AptError(f"it takes longer than {limit:.0f} s", unreachable=True)
    raise AptError(f"nothing came for {silence:.0f} s", unreachable=True)


_PLAIN = {
    r"does not have a Release file": "the archive has no such suite",
    r"is not signed|is no longer signed": "it is not signed with a key of Debian's",
}
"""apt's message -> the message for the user."""

_OUT_OF_REACH = re.compile(r"Failed to fetch \S+\s+(?!\d{3} |Hash Sum|File has unexpected|Writing)")
"""apt's message for a file that it could not fetch, unless the archive answered with an error."""


def _failure(said: str) -> Exception:
    if (full := os.strerror(errno.ENOSPC)) in said:
        return OSError(errno.ENOSPC, full)
    return AptError(_reason(said), unreachable=bool(_OUT_OF_REACH.search(said)))


def _reason(said: str) -> str:
    """Return apt's first error without addresses, which may have passwords in them."""
    lines = said.splitlines()
    errors = [line[3:] for line in lines if line.startswith("E: ")] or lines[-1:] or ["no reason given"]
    for pattern, plain in _PLAIN.items():
        if re.search(pattern, errors[0]):
            return plain
    reason = re.sub(r"^Failed to fetch \S+\s+", "", errors[0])
    return re.sub(r"\b[a-z][a-z0-9+.-]*:/\S+", "the archive", reason).strip()


def public(address: str) -> str:
    """Return an archive's address without the user and the password in it."""
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
