# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's audit log, for as long as a test needs it: netlink(7), linux/audit.h."""

import contextlib
import itertools
import os
import select
import socket
import struct
from collections.abc import Iterator

from helpers.errors import errno_name
from helpers.waiting import scaled

FANOTIFY_RECORD = 1331
"""AUDIT_FANOTIFY."""

_NETLINK_AUDIT = 9
_AUDIT_USER = 1005
_AUDIT_GET, _AUDIT_SET, _AUDIT_ADD_RULE, _AUDIT_DEL_RULE = 1000, 1001, 1011, 1012
_NLM_F_REQUEST, _NLM_F_ACK, _NLMSG_ERROR = 1, 4, 2
_READLOG_GROUP = 1
_HEADER = struct.Struct("=IHHII")
_MESSAGE_SIZE = 1 << 16
_DEADLINE = 5

# struct audit_status: which fields are set, whether auditing is on, and fields of no interest.
_STATUS = struct.Struct("=II32x")
_STATUS_ENABLED = 1

# struct audit_rule_data without fields: audit the exit (4) of one system call always (2). The call is one that
# nobody makes, but with any rule at all the kernel keeps a context for each system call of a new process. Up to
# "audit: record fanotify event regardless of presence of rules" (6.18) only those with a context were recorded.
_UNUSED_CALL = 163
_CALLS = [1 << _UNUSED_CALL % 32 if word == _UNUSED_CALL // 32 else 0 for word in range(64)]
_RULE = struct.pack("=3I64I64I64I64II", 4, 2, 0, *_CALLS, *(0,) * 192, 0)


class AuditLog:
    """What the kernel records from now on."""

    def __init__(self, listener: socket.socket, control: socket.socket) -> None:
        self._listener, self._control = listener, control

    def next(self, kind: int) -> str:
        """Wait for a record of this type and return its text."""
        return next(text for found, text in self._read(kind) if found == kind)

    def so_far(self, kind: int) -> list[str]:
        """Return the texts of all records of this type up to now."""
        # Records come in their order, so that one of our own tells that there is none before it any more.
        _request(self._control, _AUDIT_USER, b"so far\0")
        records = itertools.takewhile(lambda record: record[0] != _AUDIT_USER, self._read(_AUDIT_USER))
        return [text for found, text in records if found == kind]

    def _read(self, wanted: int) -> Iterator[tuple[int, str]]:
        while select.select([self._listener], [], [], scaled(_DEADLINE))[0]:
            message = self._listener.recv(_MESSAGE_SIZE)
            _, found, *_ = _HEADER.unpack_from(message)
            yield found, message[_HEADER.size :].rstrip(b"\0\n").decode()
        raise AssertionError(f"no audit record of type {wanted} in {scaled(_DEADLINE):g} s")


@contextlib.contextmanager
def audit_log(*, rule: bool = True) -> Iterator[AuditLog]:
    """Switch auditing on, with a rule or without any; processes made within are audited."""
    with _netlink() as control, _netlink(1 << _READLOG_GROUP - 1) as listener, contextlib.ExitStack() as undo:
        _, before = _STATUS.unpack_from(_request(control, _AUDIT_GET))
        _request(control, _AUDIT_SET, _STATUS.pack(_STATUS_ENABLED, 1))
        undo.callback(_request, control, _AUDIT_SET, _STATUS.pack(_STATUS_ENABLED, before))
        if rule:
            _request(control, _AUDIT_ADD_RULE, _RULE)
            undo.callback(_request, control, _AUDIT_DEL_RULE, _RULE)
        yield AuditLog(listener, control)


def _netlink(groups: int = 0) -> socket.socket:
    channel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_AUDIT)
    channel.bind((0, groups))
    return channel


def _request(channel: socket.socket, kind: int, payload: bytes = b"") -> bytes:
    """Make a request and return what the kernel answers to it; raise OSError if it refuses."""
    header = _HEADER.pack(_HEADER.size + len(payload), kind, _NLM_F_REQUEST | _NLM_F_ACK, 0, 0)
    channel.send(header + payload)
    answer = acknowledged = None
    while acknowledged is None or (kind == _AUDIT_GET and answer is None):
        message = channel.recv(_MESSAGE_SIZE)
        _, found, *_ = _HEADER.unpack_from(message)
        if found == kind:
            answer = message[_HEADER.size :]
        elif found == _NLMSG_ERROR:
            (acknowledged,) = struct.unpack_from("=i", message, _HEADER.size)
            if acknowledged:
                raise OSError(
                    -acknowledged,
                    f"audit request {kind}: {errno_name(-acknowledged)} ({os.strerror(-acknowledged)})",
                )
    return answer or b""
