# SPDX-License-Identifier: GPL-2.0-or-later
"""Serves one execnet gateway on the virtio port "gateway": what ``python -c`` does for a popen gateway, in a VM.

The imports that every worker needs are paid before the VM reports that it is ready, so that VMs pay them side by side.
"""

import importlib
import os
import select
import sys
from pathlib import Path

PORTS = Path("/sys/class/virtio-ports")
WARM = (
    "pytest",
    "_pytest.assertion.rewrite",
    "xdist.remote",
    "allure_pytest.plugin",
    "pytest_timeout",
    "ctypes",
    "tomllib",
)


def port(name: str) -> str:
    """Return the device of the virtio port called `name`."""
    for entry in PORTS.glob("*") if PORTS.is_dir() else ():
        if (entry / "name").read_text().strip() == name:
            return f"/dev/{entry.name}"
    sys.exit("fapitest: no virtio port for the gateway; this kernel lacks virtio_pci or virtio_console")


def connected(path: str) -> int:
    """Open the port and return its descriptor once the host has connected; until then it would read as end of file."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while not any(event & select.POLLIN and not event & select.POLLHUP for _, event in poll.poll(1000)):
        pass
    return descriptor


def main() -> None:
    """Say that the VM is ready, wait for the host, and become its gateway."""
    path = port("gateway")
    sys.path[:] = [os.environ["FAPITEST_PROJECT"], *sys.path[1:], "/usr/lib/fapitest/packages"]
    os.chdir(os.environ["FAPITEST_PROJECT"])
    for module in WARM:
        importlib.import_module(module)
    print("fapitest: ready", flush=True)
    descriptor = connected(path)
    os.dup2(descriptor, 0)
    os.dup2(descriptor, 1)
    os.close(descriptor)
    exec(eval(sys.stdin.readline()), {"__name__": "__main__"})  # noqa: S307, S102  execnet's bootstrap


main()
