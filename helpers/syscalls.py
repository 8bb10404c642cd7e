# SPDX-License-Identifier: GPL-2.0-or-later
"""Raw system calls: those that the C library does not wrap, or wraps with additional checks."""

import ctypes
import errno
import os
from collections.abc import Callable

# From the kernel's tables: arch/x86/entry/syscalls/syscall_64.tbl, and scripts/syscall.tbl for aarch64.
_NUMBERS = {
    "x86_64": {
        "read": 0,
        "write": 1,
        "close": 3,
        "poll": 7,
        "fallocate": 285,
        "mmap": 9,
        "mprotect": 10,
        "munmap": 11,
        "ioctl": 16,
        "getsockopt": 55,
        "clone": 56,
        "exit": 60,
        "capget": 125,
        "capset": 126,
        "pivot_root": 155,
        "prctl": 157,
        "delete_module": 176,
        "io_setup": 206,
        "io_destroy": 207,
        "io_getevents": 208,
        "io_submit": 209,
        "mount": 165,
        "umount2": 166,
        "fstatfs": 138,
        "gettid": 186,
        "tgkill": 234,
        "epoll_wait": 232,
        "waitid": 247,
        "openat": 257,
        "linkat": 265,
        "pselect6": 270,
        "unshare": 272,
        "utimensat": 280,
        "fanotify_init": 300,
        "fanotify_mark": 301,
        "name_to_handle_at": 303,
        "open_by_handle_at": 304,
        "setns": 308,
        "kcmp": 312,
        "finit_module": 313,
        "renameat2": 316,
        "statx": 332,
        "pidfd_send_signal": 424,
        "io_uring_setup": 425,
        "io_uring_enter": 426,
        "open_tree": 428,
        "move_mount": 429,
        "fsopen": 430,
        "pidfd_open": 434,
        "clone3": 435,
        "pidfd_getfd": 438,
        "process_madvise": 440,
        "mount_setattr": 442,
        "process_mrelease": 448,
    },
    "aarch64": {
        "io_setup": 0,
        "io_destroy": 1,
        "io_submit": 2,
        "io_getevents": 4,
        "linkat": 37,
        "read": 63,
        "write": 64,
        "openat": 56,
        "close": 57,
        "epoll_wait": 22,  # epoll_pwait: the C library implements epoll_wait with it
        "pselect6": 72,
        "poll": 73,  # ppoll: the C library implements poll with it
        "fallocate": 47,
        "mmap": 222,
        "mprotect": 226,
        "munmap": 215,
        "ioctl": 29,
        "getsockopt": 209,
        "clone": 220,
        "exit": 93,
        "capget": 90,
        "capset": 91,
        "pivot_root": 41,
        "prctl": 167,
        "delete_module": 106,
        "mount": 40,
        "umount2": 39,
        "fstatfs": 44,
        "utimensat": 88,
        "gettid": 178,
        "tgkill": 131,
        "waitid": 95,
        "unshare": 97,
        "fanotify_init": 262,
        "fanotify_mark": 263,
        "name_to_handle_at": 264,
        "open_by_handle_at": 265,
        "setns": 268,
        "kcmp": 272,
        "finit_module": 273,
        "renameat2": 276,
        "statx": 291,
        "pidfd_send_signal": 424,
        "io_uring_setup": 425,
        "io_uring_enter": 426,
        "open_tree": 428,
        "move_mount": 429,
        "fsopen": 430,
        "pidfd_open": 434,
        "clone3": 435,
        "pidfd_getfd": 438,
        "process_madvise": 440,
        "mount_setattr": 442,
        "process_mrelease": 448,
    },
}

_libc = ctypes.CDLL(None, use_errno=True)

Argument = int | bytes | ctypes.Array[ctypes.c_char] | ctypes.Structure | None
"""An argument of a system call: an integer, a string, a buffer or structure (passed by reference), or NULL."""


def number(name: str) -> int:
    """Return the number of a system call on this machine."""
    return _NUMBERS[os.uname().machine][name]


def bind(name: str, *types: type) -> Callable[..., int]:
    """Return the system call as a function that returns what the kernel does: a result, or a negated errno.

    For loops of many calls. `types` are the ctypes of the arguments.
    """
    call = _libc[
        "syscall"
    ]  # Unlike an attribute, indexing makes a new object, so the prototype is not shared.
    call.argtypes = (ctypes.c_long, *types)
    call.restype = ctypes.c_long
    nr = number(name)

    def answer(*arguments: object) -> int:
        result: int = call(nr, *arguments)
        return result if result != -1 else -ctypes.get_errno()

    return answer


def syscall(name: str, *arguments: Argument, shown: Callable[[], str] | None = None) -> int:
    """Make a system call and return its result; raise OSError if it fails.

    `shown` returns the call as the error prints it; by default its arguments are printed as they are.
    """
    __tracebackhide__ = True
    result = bind(name)(*map(_pass, arguments))
    if result >= 0:
        return result
    call = shown() if shown else f"{name}({', '.join(map(str, arguments))})"
    raise OSError(-result, f"{call}: {errno.errorcode[-result]} ({os.strerror(-result)})")


def _pass(argument: Argument) -> object:
    # ctypes would pass a plain int as a C int and lose its upper half.
    if isinstance(argument, int):
        return ctypes.c_long(argument)
    return ctypes.byref(argument) if isinstance(argument, ctypes.Structure) else argument
