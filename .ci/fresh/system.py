# SPDX-License-Identifier: GPL-2.0-or-later
"""A Debian that nobody has touched, in a directory, and people who type commands in it.

It has what debootstrap's minimal system has, and Python, git and ca-certificates. How this machine reaches its
package archives is the one thing that it is told: apt's and pip's settings, proxies, certificates.

It lives in memory where there is enough, and in namespaces of its own for mounts and processes, which are held by one
process: when that ends, in whatever way, the kernel undoes all of it. So nothing is ever left mounted or running.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from platformdirs import user_cache_path

PROJECT = Path(__file__).resolve().parents[2]
RELEASES = {"bookworm": "Debian 12", "trixie": "Debian 13"}
PACKAGES = "python3,git,ca-certificates"
PERSONS = ("root", "user")
DEADLINE = 45 * 60
"""Seconds after which a command is taken for hanging; emulated, with a whole suite to run, it may take half of it."""

ROOM = 6 * 1024
"""MiB that a system may fill, where it lives in memory."""

USER, USER_ID = "newcomer", 1000
HOMES = {"root": Path("/root"), "user": Path("/home") / USER}
CHECKOUT = "fapitest"
"""Where the newcomer has the project, below the home directory."""

_REACHING = re.compile(
    r"PIP_\w+|UV_\w+|(https?|ftp|all|no)_proxy"
    r"|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|GIT_SSL_CAINFO",
    re.IGNORECASE,
)
"""Variables that say how package archives are reached."""

_APT_REACHING = re.compile(r"Acquire::(https?|ftp|Check-|Retries|ForceIP)\S* \".+\";", re.IGNORECASE)
_PROGRAMS = ("mmdebstrap", "unshare", "nsenter", "chroot", "setpriv", "git")
_PIP_SETTINGS = ("/etc/pip.conf", "/etc/xdg/pip/pip.conf", "~/.config/pip/pip.conf", "~/.pip/pip.conf")
_CERTIFICATES = Path("/usr/local/share/ca-certificates")


class CannotBuildError(Exception):
    """This machine can not make such a system; the text says why, in one line."""


@dataclass(frozen=True, repr=False)
class Answer:
    """What came of a command: its exit code, and all that it printed."""

    command: str
    code: int
    output: str

    def __str__(self) -> str:
        """Return the command, its exit code and the last lines of what it printed."""
        last = "\n".join(self.output.splitlines()[-40:])
        return f"$ {self.command}\n{last}\n(exit code {self.code})"


@dataclass(frozen=True)
class Place:
    """A minimal system, and who uses it: `root` or `user`.

    Attributes:
        release: Debian's name of the release.
        person: the newcomer.
        directory: where the system is, in its own mounts.
        holder: the process that holds its namespaces.
    """

    release: str
    person: str
    directory: Path
    holder: subprocess.Popen[bytes]

    def path(self, inside: Path) -> Path:
        """Return how a path of the system is reached from this machine: through the mounts of its holder."""
        return Path(f"/proc/{self.holder.pid}/root{self.directory}") / inside.relative_to("/")

    @property
    def entering(self) -> list[str]:
        """The beginning of a command line that goes into the namespaces."""
        namespaces = f"/proc/{self.holder.pid}/ns"
        return ["nsenter", f"--mount={namespaces}/mnt", f"--pid={namespaces}/pid_for_children"]

    @property
    def checkout(self) -> Path:
        """The newcomer's checkout, as this machine sees it."""
        return self.path(HOMES[self.person] / CHECKOUT)

    def type(self, command: str, *, person: str = "", keyboard: str = "") -> Answer:
        """Run a shell command as the newcomer, or as another person, in the checkout; show what it prints as it comes.

        `keyboard` is what is typed while it runs.
        """
        person = person or self.person
        shown = f"{self.release} {person}"
        print(f"\n{shown} $ {command}", flush=True)
        output = []
        late = threading.Timer(DEADLINE, self.holder.kill)
        with subprocess.Popen(
            self._entering(person, command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process:
            late.start()
            try:
                assert process.stdin
                assert process.stdout
                process.stdin.write(keyboard.encode())
                process.stdin.close()
                for line in process.stdout:
                    output.append(line.decode(errors="replace").rstrip().rpartition("\r")[2])
                    print(f"{shown} | {output[-1]}", flush=True)
            except BaseException:
                self.holder.kill()
                raise
            finally:
                late.cancel()
        return Answer(command, process.returncode, "\n".join(output))

    def do(self, command: str, *, keyboard: str = "") -> None:
        """Run a shell command as root, which must work."""
        answer = self.type(command, person="root", keyboard=keyboard)
        assert answer.code == 0, str(answer)

    def _entering(self, person: str, command: str) -> list[str]:
        home = HOMES[person]
        identity = [f"--reuid={USER_ID}", f"--regid={USER_ID}", "--init-groups"] if person == "user" else []
        system = "/usr/sbin:/sbin:" if person == "root" else ""
        settings = {name: value for name, value in os.environ.items() if _REACHING.fullmatch(name)}
        settings |= {"HOME": str(home), "USER": home.name, "LANG": "C.UTF-8", "TERM": "dumb"}
        settings["PATH"] = f"/usr/local/bin:{system}/usr/bin:/bin"
        return [
            *self.entering,
            *("chroot", str(self.directory), "setpriv", *identity, "env", "-i"),
            *(f"{name}={value}" for name, value in settings.items()),
            *("bash", "-c", f"cd {HOMES[self.person] / CHECKOUT}\n{command}"),
        ]


# It holds until its input ends, as it does when we end. bash, because that is a parent to orphans while it reads.
_HOLDING = """
root=$1 system=$2 memory=$3; shift 3
if [ "$memory" -gt 0 ]; then mount -t tmpfs -o "mode=755,size=${memory}m" system "$root"; fi
tar -C "$root" -xf "$system"
mkdir -p "$root/proc" "$root/sys" "$root/dev" "$root/tmp"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
for shared; do
    mkdir -p "$root$shared"
    mount --bind "$shared" "$root$shared"
    mount -o remount,bind,ro "$root$shared"
done
echo ready
read -r end || exit 0
"""


@contextmanager
def _held(directory: Path, system: Path) -> Iterator[subprocess.Popen[bytes]]:
    free = int(re.findall(r"MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text())[0]) >> 10
    shared = map(str, sorted(shared_directories()))
    command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-euc", _HOLDING, "bash"]
    command += [str(directory), str(system), str(ROOM if free > 2 * ROOM else 0), *shared]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout
            if holder.stdout.readline() != b"ready\n":
                raise CannotBuildError(
                    f"could not unpack and enter the system {directory}: the reason stands above"
                )
            yield holder
        finally:
            holder.kill()  # and with it, by --kill-child, all that runs in there


def shared_directories() -> set[Path]:
    """Return the directories of this machine that pip's settings name: indexes and wheels that lie on its disk."""
    return {
        path.parent if path.name == "simple" else path  # an index may lead to files beside it
        for path in _named_by_pip()
        if path.is_dir()
    }


def _named_by_pip() -> Iterator[Path]:
    words = [value for name, value in os.environ.items() if name.startswith("PIP_")]
    words += [path.read_text() for path in _pip_settings()]
    for word in re.split(r"[\s=,]+", "\n".join(words)):
        if (path := Path(word.removeprefix("file://"))).is_absolute() and path.exists():
            yield path


def _pip_settings() -> list[Path]:
    return [path for name in _PIP_SETTINGS if (path := Path(name).expanduser()).is_file()]


def why_not() -> str:
    """Say in one line why this machine can not make such systems; an empty string means that it can."""
    if os.geteuid() != 0:
        return "it makes whole systems and goes in: run it as root"
    if missing := [name for name in _PROGRAMS if not shutil.which(name)]:
        return f"{', '.join(missing)} missing: apt install mmdebstrap util-linux coreutils git"
    if not (PROJECT / ".git").exists():
        return "newcomers clone the project: run it in a git checkout"
    trial = ["unshare", "--mount", "--pid", "--fork", "sh", "-c", "mount -t proc proc /proc && chroot / true"]
    if subprocess.run(trial, capture_output=True, check=False).returncode:
        return "root may not mount or chroot here: run it outside of the container, or in a privileged one"
    return ""


def archive(suite: str) -> str:
    """Return the address of Debian's archive that this machine's apt knows and that has a suite.

    apt is asked, so that it may be written down in any form, and no list need have been fetched. Which of apt's
    archives is Debian's is said by their Release files, not by their names.

    Raises:
        CannotBuildError: there is none.
    """
    asked = subprocess.run(["apt-get", "--print-uris", "update"], capture_output=True, text=True, check=False)
    known = re.findall(r"^'(?:mirror\+)?(\S+?)/dists/", asked.stdout, re.MULTILINE)
    for address in map(str, dict.fromkeys(known)):
        if _origin(address, suite) == "Debian":
            return address
    raise CannotBuildError(f"no archive of this machine's apt sources is Debian's and has {suite}")


def _origin(address: str, suite: str) -> str:
    """Return what the Release file of an archive's suite gives as its origin; nothing if there is no such suite."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "InRelease"
        uri = f"{address}/dists/{suite}/InRelease"
        command = ["/usr/lib/apt/apt-helper", "download-file", uri, str(file)]  # it knows apt's proxies
        subprocess.run(command, capture_output=True, check=False)
        text = file.read_text() if file.exists() else ""
    return "".join(re.findall(r"^Origin: (.*)$", text, re.MULTILINE))


@contextmanager
def place(release: str, person: str) -> Iterator[Place]:
    """Give a system of a Debian release, with a clone of the project in the newcomer's home, and remove it in the end.

    Raises:
        CannotBuildError: the system can not be built; the text says why.
    """
    root = user_cache_path("fapitest-fresh")
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(root / "lock"):
        sweep(root)
        directory = Path(tempfile.mkdtemp(dir=root, prefix=f"{release}-{person}-"))
        in_use = os.open(directory, os.O_RDONLY)
        fcntl.flock(in_use, fcntl.LOCK_EX)
    try:
        with _held(directory, _minimal_system(release, root)) as holder:
            here = Place(release, person, directory, holder)
            _settle(here)
            yield here
    finally:
        _remove(directory)
        os.close(in_use)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def sweep(root: Path) -> None:
    """Remove the directories of runs that were killed: nobody holds their locks."""
    for directory in root.glob("*-*/"):
        descriptor = os.open(directory, os.O_RDONLY)
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(directory)
        os.close(descriptor)


def _remove(directory: Path) -> None:
    """Remove a system, and nothing of another file system, should one be mounted there."""
    subprocess.run(["rm", "-rf", "--one-file-system", directory], check=True)


def _minimal_system(release: str, root: Path) -> Path:
    """Return the archive of a minimal system, made once a day."""
    today = root / f"{release}-{datetime.now(UTC).date()}.tar"
    with _locked(root / f"{release}.lock"):
        if not today.exists():
            for old in root.glob(f"{release}-*.tar*"):
                old.unlink()
            _bootstrap(release, today)
    return today


def _bootstrap(release: str, target: Path) -> None:
    print(f"\nbuilding a minimal {RELEASES[release]} ({release})", flush=True)
    dumped = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    reaching = [f"--aptopt={line}" for line in dumped.splitlines() if _APT_REACHING.match(line)]
    kind = ["--quiet", "--mode=root", "--variant=minbase", f"--include={PACKAGES}"]
    form = ["--format=tar", "--skip=output/dev"]
    making = target.with_suffix(".tar.part")
    _run(
        f"build a minimal {release}", "mmdebstrap", *kind, *form, *reaching, release, making, archive(release)
    )
    making.rename(target)


def _settle(here: Place) -> None:
    """Clone the project into the newcomer's home, and tell the system how this machine reaches package archives."""
    clone = here.directory / HOMES[here.person].relative_to("/") / CHECKOUT
    _run("clone the project", *here.entering, "git", "clone", "--quiet", "--no-hardlinks", PROJECT, clone)
    for path in _CERTIFICATES.glob("*.crt"):
        _copy(here, path)
    here.do("update-ca-certificates >/dev/null")
    named = [Path(value) for name, value in os.environ.items() if _REACHING.fullmatch(name)]
    for path in [Path("/etc/resolv.conf"), Path("/etc/hosts"), *named, *_named_by_pip()]:
        _copy(here, path)
    for path in _pip_settings():
        at_home = path.is_relative_to(Path.home())
        _copy(here, path, HOMES[here.person] / ".config/pip/pip.conf" if at_home else path)
    user = f"--uid {USER_ID} --create-home --shell /bin/bash {USER}"
    here.do(f"useradd {user} && chown -R {USER} {HOMES['user']}")


def _copy(here: Place, source: Path, target: Path | None = None) -> None:
    """Copy a file, if there is one, to the same place in a system or to another."""
    if source.is_absolute() and source.is_file():
        inside = here.path(target or source)
        inside.parent.mkdir(parents=True, exist_ok=True)
        inside.unlink(missing_ok=True)
        shutil.copy(source, inside)


def _run(what: str, *command: str | Path) -> None:
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        said = " ".join(done.stderr.split()[-40:]) or "no reason given"
        raise CannotBuildError(f"could not {what}: {said}")
