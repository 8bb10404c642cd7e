# SPDX-License-Identifier: GPL-2.0-or-later
"""Constants of calls on files: asm-generic/fcntl.h, linux/fcntl.h, asm-generic/poll.h."""

import os
import select

from helpers.uapi.names import Flags

AT_FDCWD = -100
AT_SYMLINK_FOLLOW = 0x400
AT_HANDLE_FID = 0x200
"""Return a handle that can be compared, and perhaps cannot be opened (since 6.5)."""
MAX_HANDLE_SZ = 128
"""The longest file handle in bytes, name_to_handle_at(2)."""


class Open(Flags):
    """Flags of open(2), also used in event_f_flags of fanotify_init(2) and F_GETFL of fcntl(2)."""

    O_RDONLY = os.O_RDONLY
    O_WRONLY = os.O_WRONLY
    O_RDWR = os.O_RDWR
    O_ACCMODE = os.O_ACCMODE
    O_CREAT = os.O_CREAT
    O_EXCL = os.O_EXCL
    O_NOCTTY = os.O_NOCTTY
    O_TRUNC = os.O_TRUNC
    O_APPEND = os.O_APPEND
    O_NONBLOCK = os.O_NONBLOCK
    O_DSYNC = os.O_DSYNC
    O_ASYNC = os.O_ASYNC
    O_DIRECT = os.O_DIRECT
    O_LARGEFILE = 0x8000
    O_DIRECTORY = os.O_DIRECTORY
    O_NOFOLLOW = os.O_NOFOLLOW
    O_NOATIME = os.O_NOATIME
    O_CLOEXEC = os.O_CLOEXEC
    O_SYNC = os.O_SYNC
    O_PATH = os.O_PATH
    O_TMPFILE = os.O_TMPFILE


O_RDONLY = Open.O_RDONLY
O_WRONLY = Open.O_WRONLY
O_RDWR = Open.O_RDWR
O_ACCMODE = Open.O_ACCMODE
O_CREAT = Open.O_CREAT
O_EXCL = Open.O_EXCL
O_NOCTTY = Open.O_NOCTTY
O_TRUNC = Open.O_TRUNC
O_APPEND = Open.O_APPEND
O_NONBLOCK = Open.O_NONBLOCK
O_DSYNC = Open.O_DSYNC
O_ASYNC = Open.O_ASYNC
O_DIRECT = Open.O_DIRECT
O_LARGEFILE = Open.O_LARGEFILE
"""64-bit kernels set it on every event descriptor; Python's os.O_LARGEFILE is 0 there."""
O_DIRECTORY = Open.O_DIRECTORY
O_NOFOLLOW = Open.O_NOFOLLOW
O_NOATIME = Open.O_NOATIME
O_CLOEXEC = Open.O_CLOEXEC
O_SYNC = Open.O_SYNC
O_PATH = Open.O_PATH
O_TMPFILE = Open.O_TMPFILE


class Poll(Flags):
    """Events of poll(2)."""

    POLLIN = select.POLLIN
    POLLERR = select.POLLERR
    POLLHUP = select.POLLHUP
    POLLNVAL = select.POLLNVAL


POLLIN = Poll.POLLIN
POLLERR = Poll.POLLERR
POLLHUP = Poll.POLLHUP
POLLNVAL = Poll.POLLNVAL
