# SPDX-License-Identifier: GPL-2.0-or-later
"""Serves the host on the virtio port "gateway": runs pytest as a worker of the host, or a module for its output.

The imports that every worker needs are done before the VM reports that it is ready: VMs do them concurrently, and one
that is restored from a saved state does not need them. What differs between runs comes from the host through the port:
first a line of JSON (time, entropy, environment variables, size of the project's archive), then the archive.
"""

import fcntl
import importlib
import json
import os
import runpy
import select
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PORTS = Path("/sys/class/virtio-ports")
WARM = (
    "pytest",
    "_pytest.assertion.rewrite",
    "xdist.remote",
    "xdist.plugin",
    "allure_pytest.plugin",
    "pytest_timeout",
    "ptrace.debugger",
    "ctypes",
    "tomllib",
)
RNDADDENTROPY, RNDRESEEDCRNG = 0x40085203, 0x5207  # linux/random.h


def port(name: str) -> str:
    """Return the device of the virtio port called `name`."""
    for entry in PORTS.glob("*") if PORTS.is_dir() else ():
        if (entry / "name").read_text().strip() == name:
            return f"/dev/{entry.name}"
    sys.exit("fapitest: no virtio port for the gateway; this kernel lacks virtio_pci or virtio_console")


def connected(path: str) -> int:
    """Open the port and return its descriptor once the host has connected; until then reads return end of file."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while any(event & select.POLLHUP for _, event in poll.poll()):
        time.sleep(0.01)  # poll(2) reports POLLHUP until the host connects, so it cannot wait for that
    return descriptor


def read_exactly(descriptor: int, size: int) -> bytes:
    """Return `size` bytes from the port."""
    data = bytearray()
    while len(data) < size:
        data += os.read(descriptor, min(size - len(data), 1 << 16))
    return bytes(data)


def begin(descriptor: int) -> dict[str, Any]:
    """Receive what differs between runs from the host and apply it; return the order."""
    line = bytearray()
    while not line.endswith(b"\n"):
        line += os.read(descriptor, 1)
    order: dict[str, Any] = json.loads(line)
    time.clock_settime(time.CLOCK_REALTIME, order["time"])
    # Otherwise two VMs restored from one state would generate the same random numbers.
    entropy = bytes.fromhex(order["entropy"])
    with Path("/dev/urandom").open("wb") as random:
        fcntl.ioctl(random, RNDADDENTROPY, struct.pack("ii", 8 * len(entropy), len(entropy)) + entropy)
        fcntl.ioctl(random, RNDRESEEDCRNG)
    os.environ.update(order["environment"])
    archive = read_exactly(descriptor, order["size"])
    subprocess.run(["cpio", "-idmu"], input=archive, cwd="/", check=True, stderr=subprocess.DEVNULL)
    Path("/proc/sys/kernel/hostname").write_text(os.environ["FAPITEST_KERNEL"])
    os.chdir(os.environ["FAPITEST_PROJECT"])
    sys.path.insert(0, os.environ["FAPITEST_PROJECT"])
    return order


def main() -> None:
    """Report that the VM is ready, wait for the host, and carry out its order."""
    path = port("gateway")
    sys.path[:] = [*sys.path[1:], "/usr/lib/fapitest/packages"]
    for module in WARM:
        importlib.import_module(module)
    print("fapitest: ready", flush=True)
    descriptor = connected(path)
    order = begin(descriptor)
    if name := order.get("module"):
        os.dup2(descriptor, 1)
        sys.argv[:] = [name, *order["arguments"]]
        runpy.run_module(name, run_name="__main__", alter_sys=True)
        sys.stdout.flush()
    else:
        importlib.import_module("vm.interactor").serve(descriptor, order)


main()
