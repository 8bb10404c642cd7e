# SPDX-License-Identifier: GPL-2.0-or-later
"""Other machines for the tests: network namespaces with sshd, each with its own home, cache and temporary directory.

Their processes are found by their namespace, and killed at the end of a test.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

HOME = pwd.getpwuid(os.getuid()).pw_dir
"""The directory in which ssh and sshd look for a user's files, whatever HOME is."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SSHD = """\
HostKey {own}/host_key
AuthorizedKeysFile {keys}
StrictModes no
UsePAM no
PermitRootLogin yes
PidFile none
SetEnv FAPITEST_CACHE={own}/cache TMPDIR={own}/tmp PATH={path}
"""


class Machine:
    """A machine that ssh can connect to by name."""

    def __init__(self, directory: Path, number: int, path: str = PATH, prepare: str = "true") -> None:
        """Start it; `prepare` is a shell command that runs there first, in its mount namespace."""
        self.name = f"m{number}"
        self.space = f"fapitest-{os.getpid()}-{number}"
        self.link = f"fa{os.getpid() % 100000}-{number}"
        # A separate subnet for each machine of each test process, because several may run at once.
        subnet = f"10.{200 + os.getpid() // 256 % 50}.{os.getpid() % 256}"
        here, self.address = f"{subnet}.{4 * number + 1}", f"{subnet}.{4 * number + 2}"
        self.own = directory / self.name
        for name in ("cache", "tmp", "home"):
            (self.own / name).mkdir(parents=True)
        self.own.chmod(0o755)
        (self.own / "tmp").chmod(0o1777)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.own / "host_key")
        settings = SSHD.format(own=self.own, keys=directory / "key.pub", path=path)
        (self.own / "sshd_config").write_text(settings)
        run("ip", "netns", "add", self.space)
        run("ip", "link", "add", self.link, "type", "veth", "peer", "name", "eth0", "netns", self.space)
        run("ip", "address", "add", f"{here}/30", "dev", self.link)
        run("ip", "link", "set", self.link, "up")
        run("ip", "-n", self.space, "address", "add", f"{self.address}/30", "dev", "eth0")
        run("ip", "-n", self.space, "link", "set", "eth0", "up")
        script = f'mount --bind {self.own}/home {HOME} && mkdir -p /run/sshd && {prepare} && exec "$0" "$@"'
        words = ["/usr/sbin/sshd", "-D", "-e", "-f", str(self.own / "sshd_config")]
        with (self.own / "sshd.log").open("wb") as log:
            command = ["ip", "netns", "exec", self.space, "sh", "-c", script, *words]
            self.sshd = subprocess.Popen(command, stderr=log)

    def host_key(self) -> str:
        """Its line in known_hosts."""
        return f"{self.address} {(self.own / 'host_key.pub').read_text()}"

    def processes(self) -> dict[int, str]:
        """Its processes other than sshd, with their command lines."""
        found = {}
        for pid in run("ip", "netns", "pids", self.space).split():
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                if words and "sshd" not in words.partition(" ")[0]:
                    found[int(pid)] = words
        return found

    def virtual_machines(self) -> list[int]:
        return [pid for pid, words in self.processes().items() if "qemu" in words and "-kernel" in words]

    def files(self) -> list[Path]:
        """Leftover files of VMs, and unfinished cache entries."""
        return [*(self.own / "tmp").iterdir(), *(self.own / "cache").glob("*/.fapitest-*")]

    def unplug(self) -> None:
        """Cut it off silently."""
        run("ip", "-n", self.space, "link", "set", "eth0", "down")

    def plug(self) -> None:
        """Connect it again."""
        run("ip", "-n", self.space, "link", "set", "eth0", "up")

    def hang_up(self) -> None:
        """Close the connections to it, as a restart of sshd would."""
        for pid in run("ip", "netns", "pids", self.space).split():
            with contextlib.suppress(OSError):
                if b"sshd: " in Path(f"/proc/{pid}/cmdline").read_bytes() and int(pid) != self.sshd.pid:
                    os.kill(int(pid), signal.SIGKILL)

    def end(self) -> None:
        for pid in run("ip", "netns", "pids", self.space, check=False).split():
            with contextlib.suppress(OSError):
                os.kill(int(pid), signal.SIGKILL)
        self.sshd.wait()
        run("ip", "netns", "delete", self.space, check=False)
        run("ip", "link", "delete", self.link, check=False)


def run(*words: str | Path, check: bool = True) -> str:
    return subprocess.run(list(map(str, words)), capture_output=True, text=True, check=check).stdout


class Net:
    """Some machines, and an ssh configuration for them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.machines: list[Machine] = []
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / "key")

    def add(self, *, known: bool = True, **settings: str) -> Machine:
        """Add a machine; `known`: its key is in known_hosts."""
        machine = Machine(self.directory, len(self.machines) + 1, **settings)
        self.machines.append(machine)
        if known:
            with (self.directory / "known_hosts").open("a") as file:
                file.write(machine.host_key())
        with (self.directory / "config").open("a") as file:
            file.write(f"Host {machine.name}\n    Hostname {machine.address}\n")
            file.write(f"    IdentityFile {self.directory}/key\n")
            file.write(f"    UserKnownHostsFile {self.directory}/known_hosts\n")
        deadline = time.monotonic() + 10
        while "Server listening" not in (machine.own / "sshd.log").read_text():
            assert machine.sshd.poll() is None, (machine.own / "sshd.log").read_text()
            assert time.monotonic() < deadline, "sshd does not listen"
            time.sleep(0.05)
        return machine

    def prefix(self, prepare: str = "true") -> tuple[str, ...]:
        """Return a command prefix that mounts this ~/.ssh/config, since ssh finds it by the user, not by HOME.

        `prepare` is a shell command that runs first, in the same mount namespace.
        """
        ours = f"mkdir -p -m 700 {HOME}/.ssh && mount --bind {self.directory} {HOME}/.ssh"
        return ("unshare", "--mount", "sh", "-c", f'{ours} && {prepare} && exec "$0" "$@"')


@contextlib.contextmanager
def net() -> Iterator[Net]:
    """Yield a net; its paths are short enough for VMs' sockets."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="net") as name:
        directory = Path(name)
        directory.chmod(0o755)
        made = Net(directory)
        try:
            yield made
        finally:
            for machine in made.machines:
                machine.end()
