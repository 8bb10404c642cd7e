# SPDX-License-Identifier: GPL-2.0-or-later
"""fanotify fastpath handlers, a proposal: kernel modules that filter the events of a group before they are queued.

Source: "fanotify: Introduce fanotify fastpath handler", version 2, with its review. Names and numbers are those of
`helpers.proposals`. Every call raises OSError with the kernel's errno.
"""

import ctypes
import fcntl
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto
from errno import EINVAL, ENOENT
from pathlib import Path

from helpers import proposals
from helpers.errors import OK, outcome
from helpers.fanotify import FanotifyGroup

Field = int | bytes
_FORMATS = {"name": "64s", "version": "I", "flags": "I", "init_args": "Q", "init_args_size": "I"}
_NO_VERSION = 0xFFFFFFFF


class Presence(Enum):
    """Whether a kernel has fastpath handlers."""

    ABSENT = auto()
    PRESENT = auto()
    COMPILED_OUT = auto()


def directory() -> Path:
    """Return the sysfs directory that has one directory for each handler."""
    return Path(proposals.fastpath().directory)


def arguments(name: str, **fields: Field) -> bytes:
    """Return struct fanotify_fastpath_args; `fields` are the members that differ from their defaults.

    Members that the chosen version of the proposal does not have are left out.
    """
    table = proposals.fastpath()
    values: dict[str, Field] = {
        "name": name.encode(),
        "version": table.version,
        "flags": 0,
        "init_args": 0,
        "init_args_size": 0,
        **fields,
    }
    layout = "=" + "".join(_FORMATS[member] for member in table.args)
    return struct.pack(layout, *(values[member] for member in table.args))


def attach_raw(group: int, args: bytes | int) -> None:
    """Call the ioctl that attaches a handler, with a structure or with an address."""
    fcntl.ioctl(group, proposals.fastpath().add, args)


def attach(group: FanotifyGroup, name: str, data: bytes = b"", **fields: Field) -> None:
    """Attach a handler to a group; `data` are the handler's arguments, `fields` other members of the structure."""
    buffer = ctypes.create_string_buffer(data, len(data)) if data else None
    address = ctypes.addressof(buffer) if buffer else 0
    given: dict[str, Field] = {"init_args": address, "init_args_size": len(data), **fields}
    attach_raw(group.fd, arguments(name, **given))


def detach(group: FanotifyGroup) -> None:
    """Detach the handler of a group."""
    fcntl.ioctl(group.fd, proposals.fastpath().delete, 0)


@contextmanager
def attached(group: FanotifyGroup, name: str, data: bytes = b"") -> Iterator[None]:
    """Attach a handler for the body of a `with`."""
    attach(group, name, data)
    try:
        yield
    finally:
        detach(group)


def number(value: int) -> bytes:
    """Return the bytes of an int, the form in which the test handlers take a verdict or a descriptor."""
    return struct.pack("=i", value)


def detect() -> Presence:
    """Probe whether this kernel has fastpath handlers, without attaching one."""
    with FanotifyGroup() as group:
        answer = outcome(attach_raw, group.fd, arguments("", version=_NO_VERSION))
    # A version of the proposal without a version member fails with ENOENT, because no handler has an empty name.
    if answer not in (EINVAL, ENOENT):
        assert answer != OK, "a handler with an empty name was attached"
        return Presence.ABSENT
    return Presence.PRESENT if directory().exists() else Presence.COMPILED_OUT
