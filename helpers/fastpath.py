# SPDX-License-Identifier: GPL-2.0-or-later
"""fanotify fastpath handlers, a proposal: kernel modules which judge the events of a group before they are queued.

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
    """What a kernel knows of fastpath handlers."""

    ABSENT = auto()
    PRESENT = auto()
    COMPILED_OUT = auto()


def directory() -> Path:
    """Return where sysfs lists the handlers: one directory each."""
    return Path(proposals.fastpath().directory)


def arguments(name: str, **fields: Field) -> bytes:
    """Return struct fanotify_fastpath_args; `fields` are members other than their defaults, by name.

    A member that the chosen version of the proposal does not have is left out.
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
    """Attach what a structure says, or what lies at an address."""
    fcntl.ioctl(group, proposals.fastpath().add, args)


def attach(group: FanotifyGroup, name: str, data: bytes = b"", **fields: Field) -> None:
    """Attach a handler to a group; `data` are arguments of its own, `fields` other members of the structure."""
    buffer = ctypes.create_string_buffer(data, len(data)) if data else None
    address = ctypes.addressof(buffer) if buffer else 0
    given: dict[str, Field] = {"init_args": address, "init_args_size": len(data), **fields}
    attach_raw(group.fd, arguments(name, **given))


def detach(group: FanotifyGroup) -> None:
    """Detach the handler of a group."""
    fcntl.ioctl(group.fd, proposals.fastpath().delete, 0)


@contextmanager
def attached(group: FanotifyGroup, name: str, data: bytes = b"") -> Iterator[None]:
    """Have a handler attached for the body of a `with`."""
    attach(group, name, data)
    try:
        yield
    finally:
        detach(group)


def number(value: int) -> bytes:
    """Return an int as the test handlers take it: a verdict, a descriptor."""
    return struct.pack("=i", value)


def detect() -> Presence:
    """Find out by calling whether this kernel has fastpath handlers, without attaching any."""
    with FanotifyGroup() as group:
        answer = outcome(attach_raw, group.fd, arguments("", version=_NO_VERSION))
    # With a version of the structure that has none, the handler without a name is what does not exist.
    if answer not in (EINVAL, ENOENT):
        assert answer != OK, "a handler without a name was attached"
        return Presence.ABSENT
    return Presence.PRESENT if directory().exists() else Presence.COMPILED_OUT
