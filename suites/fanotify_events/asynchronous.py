# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading and writing a file by AIO, io_submit(2), and by io_uring(7): one request, and then its result."""

import contextlib
import ctypes
import mmap
import os
import struct
from collections.abc import Iterator

from helpers.syscalls import syscall

# linux/aio_abi.h: struct iocb, struct io_event, IOCB_CMD_PREAD and IOCB_CMD_PWRITE.
_IOCB = struct.Struct("=QIIHhIQQqQII")
_IO_EVENT = struct.Struct("=QQqq")
_PREAD, _PWRITE = 0, 1

# linux/io_uring.h: struct io_uring_params, where in it stand the offsets of the rings' fields, the head of struct
# io_uring_sqe, struct io_uring_cqe, which parts of the descriptor are mapped, IORING_OP_READ and IORING_OP_WRITE.
_PARAMS_SIZE = 120
_SQ_TAIL, _SQ_ARRAY, _CQ_CQES = 44, 64, 100
_SQE = struct.Struct("=BBHiQQIIQ")
_SQE_SIZE = 64
_CQE = struct.Struct("=QiI")
_SQ_RING, _CQ_RING, _SQES = 0, 0x8000000, 0x10000000
_READ, _WRITE = 22, 23
_GETEVENTS = 1


def aio_read(fd: int, size: int) -> int:
    """Read from the beginning of a file by io_submit(2) and return the number of bytes."""
    return _aio(_PREAD, fd, ctypes.create_string_buffer(size))


def aio_write(fd: int, content: bytes) -> int:
    """Write to the beginning of a file by io_submit(2) and return the number of bytes."""
    return _aio(_PWRITE, fd, ctypes.create_string_buffer(content, len(content)))


def uring_read(fd: int, size: int) -> int:
    """Read from the beginning of a file by io_uring and return the number of bytes."""
    return _uring(_READ, fd, ctypes.create_string_buffer(size))


def uring_write(fd: int, content: bytes) -> int:
    """Write to the beginning of a file by io_uring and return the number of bytes."""
    return _uring(_WRITE, fd, ctypes.create_string_buffer(content, len(content)))


def _aio(command: int, fd: int, buffer: ctypes.Array[ctypes.c_char]) -> int:
    context, event = ctypes.c_ulong(0), ctypes.create_string_buffer(_IO_EVENT.size)
    syscall("io_setup", 1, ctypes.addressof(context))
    request = ctypes.create_string_buffer(
        _IOCB.pack(0, 0, 0, command, 0, fd, ctypes.addressof(buffer), len(buffer), 0, 0, 0, 0)
    )
    requests = ctypes.c_void_p(ctypes.addressof(request))
    try:
        syscall("io_submit", context.value, 1, ctypes.addressof(requests))
        syscall("io_getevents", context.value, 1, 1, event, None)
    finally:
        syscall("io_destroy", context.value)
    result: int = _IO_EVENT.unpack(event.raw)[2]
    return _checked(result)


def _uring(opcode: int, fd: int, buffer: ctypes.Array[ctypes.c_char]) -> int:
    params = ctypes.create_string_buffer(_PARAMS_SIZE)
    ring = syscall("io_uring_setup", 1, params)
    try:
        with (
            _mapped(ring, _SQ_RING) as submitted,
            _mapped(ring, _CQ_RING) as done,
            _mapped(ring, _SQES) as entries,
        ):
            ctypes.memset(entries, 0, _SQE_SIZE)
            entry = _SQE.pack(opcode, 0, 0, fd, 0, ctypes.addressof(buffer), len(buffer), 0, 0)
            ctypes.memmove(entries, entry, len(entry))
            _field(submitted, params, _SQ_ARRAY).value = 0
            _field(submitted, params, _SQ_TAIL).value = 1
            syscall("io_uring_enter", ring, 1, 1, _GETEVENTS, None, 0)
            at = ctypes.addressof(_field(done, params, _CQ_CQES))
            return _checked(_CQE.unpack(ctypes.string_at(at, _CQE.size))[1])
    finally:
        os.close(ring)


@contextlib.contextmanager
def _mapped(ring: int, part: int) -> Iterator[int]:
    """Map a part of a ring, which with one entry is on one page; give its address."""
    # Python's mmap refuses what has no size, and since 6.16 such a descriptor is a regular file for it.
    address = syscall("mmap", 0, mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, ring, part)
    try:
        yield address
    finally:
        syscall("munmap", address, mmap.PAGESIZE)


def _field(ring: int, params: ctypes.Array[ctypes.c_char], where: int) -> ctypes.c_uint32:
    """Return the number in a mapped ring whose offset stands in the parameters."""
    (offset,) = struct.unpack_from("=I", params.raw, where)
    return ctypes.c_uint32.from_address(ring + offset)


def _checked(result: int) -> int:
    """Return the result of a request; raise OSError if it is a negated errno."""
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return result
