# SPDX-License-Identifier: GPL-2.0-or-later
"""The command that execnet starts for a VM: joins its own stdin and stdout with the gateway port of the VM.

``gateway.py SOCKET ORDER`` first sends the guest the file ORDER, which is what it needs for this run; further
arguments, which execnet gives to what it takes for a Python, are ignored.
"""

from __future__ import annotations

import os
import select
import socket
import sys
from pathlib import Path

CHUNK = 1 << 16


def relay(port: socket.socket, source: int, sink: int) -> None:
    """Copy bytes both ways between the VM's port and two descriptors until either side ends."""
    poll = select.poll()
    poll.register(port, select.POLLIN)
    poll.register(source, select.POLLIN)
    while True:
        for descriptor, _ in poll.poll():
            inward = descriptor == source
            data = os.read(source, CHUNK) if inward else port.recv(CHUNK)
            if not data:
                return
            if inward:
                port.sendall(data)
                continue
            while data:
                data = data[os.write(sink, data) :]


def main() -> None:
    """Connect to the VM's port and serve until the VM or the controller ends."""
    if len(sys.argv) < 3:
        sys.exit("usage: gateway.py SOCKET ORDER   (started by pytest-xdist, not by hand)")
    port = socket.socket(socket.AF_UNIX)
    try:
        port.connect(sys.argv[1])
        port.sendall(Path(sys.argv[2]).read_bytes())
        relay(port, sys.stdin.fileno(), sys.stdout.fileno())
    except (ConnectionError, FileNotFoundError, BrokenPipeError, KeyboardInterrupt):
        sys.exit(1)


if __name__ == "__main__":
    main()
