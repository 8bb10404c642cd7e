# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's userland: archives that the kernel unpacks one after the other.

The base archive (interpreter, standard library, pytest and its dependencies, busybox, mkfs tools) and the modules of a
kernel are cached by content; the project itself is packed for each run.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import importlib.metadata
import io
import json
import os
import py_compile
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from packaging.requirements import Requirement

from vm import cache, tools
from vm.command import CONFIGURATION, pytest_command
from vm.cpio import Archive
from vm.errors import VmError

PROJECT = CONFIGURATION.parent
GUEST = Path(__file__).parent / "guest"
PACKAGES = PurePosixPath("/usr/lib/fapitest/packages")
DISTRIBUTIONS = ("pytest", "pytest-xdist", "pytest-timeout", "python-ptrace", "allure-pytest")
"""The packages that the guest's Python imports; their dependencies are added automatically."""

KEEP = 3
"""Number of base archives, the most recently used ones, that stay in the cache beside the current one."""

LEAST_ROOM = 1 << 20
"""Bytes that must still be free after writing the byte code; otherwise it may be truncated."""

PROJECT_FILES = ("conftest.py", "pyproject.toml", "suites", "helpers", "vm", "reports")
_OMITTED = re.compile(
    r"(^|/)(__pycache__|site-packages|dist-packages|test|tests|idlelib|tkinter|turtledemo|ensurepip|lib2to3|pydoc_data"
    r"|config-[^/]*|_tkinter[^/]*|_test[^/]*)(/|$)|\.(a|exe)$"
)
_ENVIRONMENT = {
    "FAPITEST_VM": "1",
    "LC_ALL": "C.UTF-8",
    "HOME": "/root",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
}
_ETC = {
    "passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n",
    "group": "root:x:0:\nnogroup:x:65534:\n",
    "hosts": "127.0.0.1 localhost\n",
}


def libraries(programs: Iterable[Path]) -> list[Path]:
    """Return the shared libraries that programs or libraries need, including the loader, as ``ldd`` prints them."""
    listed = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False).stdout
    return [Path(path) for path in re.findall(r"(?:=>|^)\s*(/\S+) \(", listed, re.MULTILINE)]


def distributions(names: Iterable[str] = DISTRIBUTIONS) -> dict[str, importlib.metadata.Distribution]:
    """Return the named distributions of this environment with their dependencies, by name.

    Raises:
        VmError: one of them is not installed.
    """
    found: dict[str, importlib.metadata.Distribution] = {}
    wanted = list(names)
    while wanted:
        name = wanted.pop().lower().replace("_", "-")
        if name in found:
            continue
        try:
            found[name] = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            raise VmError(
                f"the Python package {name} is missing; run through tox, or pip install {name}"
            ) from None
        requirements = map(Requirement, found[name].requires or ())
        wanted += [r.name for r in requirements if not r.marker or r.marker.evaluate({"extra": ""})]
    return found


def _standard_library() -> Iterator[tuple[PurePosixPath, Path]]:
    for root in {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}:
        for directory, names, files in os.walk(os.path.realpath(root)):
            inside = os.path.relpath(directory, root)
            names[:] = [name for name in names if not _OMITTED.search(os.path.normpath(f"{inside}/{name}"))]
            for name in files:
                if not _OMITTED.search(name):
                    yield PurePosixPath(directory, name), Path(directory, name)


def _packages() -> Iterator[tuple[PurePosixPath, Path]]:
    for distribution in distributions().values():
        for path in distribution.files or ():
            if (
                ".." not in path.parts
                and "__pycache__" not in path.parts
                and (source := Path(str(path.locate()))).is_file()
            ):
                yield PACKAGES / path, source


def _programs() -> Iterator[tuple[PurePosixPath, Path]]:
    interpreter = Path(sys.executable).resolve()
    yield PurePosixPath(interpreter), interpreter
    yield PurePosixPath("/bin/busybox"), tools.path("busybox")
    for name in tools.GUEST_PROGRAMS:
        yield PurePosixPath("/usr/sbin", name), tools.path(name)
    yield PurePosixPath("/init"), GUEST / "init"
    yield PurePosixPath("/usr/lib/fapitest/agent.py"), GUEST / "agent.py"
    if (settings := Path("/etc/mke2fs.conf")).exists():
        yield PurePosixPath(settings), settings


def _contents() -> dict[PurePosixPath, Path]:
    files = dict([*_standard_library(), *_packages(), *_programs()])
    programs = (source for source in files.values() if source.suffix == ".so" or os.access(source, os.X_OK))
    dynamic = [
        program for program in programs if program.name not in {"busybox", "init"} and _is_elf(program)
    ]
    return files | {PurePosixPath(library): library for library in libraries(dynamic)}


def _is_elf(path: Path) -> bool:
    with path.open("rb") as content:
        return content.read(4) == b"\x7fELF"


def _fingerprint(files: Mapping[PurePosixPath, Path]) -> str:
    """Return a key of the base archive's content, from the path, source, size and time of each file."""
    described = [
        (str(path), str(source), (status := source.stat()).st_size, status.st_mtime_ns, status.st_mode)
        for path, source in sorted(files.items())
    ]
    recipe = [Path(__file__).read_text(), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    return hashlib.sha256(json.dumps([sys.version, recipe, described]).encode()).hexdigest()[:16]


def _compiled(path: PurePosixPath, source: Path, scratch: Path) -> bytes | None:
    """Return byte code of a Python file that the guest uses without comparing it with the source."""
    target = scratch / "code.pyc"
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    try:
        py_compile.compile(str(source), str(target), dfile=str(path), doraise=True, invalidation_mode=mode)
    except py_compile.PyCompileError:
        return None  # the standard library has a few files with intentional syntax errors
    return target.read_bytes()


def _write_base(archive: Archive, files: Mapping[PurePosixPath, Path]) -> None:
    for directory in ("/dev", "/proc", "/sys", "/tmp", "/run", "/root", "/mnt"):  # noqa: S108  the guest's own
        archive.directory(directory)
    archive.character_device("/dev/console", 5, 1)
    with tempfile.TemporaryDirectory() as scratch:
        for path, source in files.items():
            archive.file(path, source)
            if path.suffix == ".py" and (code := _compiled(path, source, Path(scratch))):
                archive.data(
                    path.parent / "__pycache__" / f"{path.stem}.{sys.implementation.cache_tag}.pyc", code
                )
    applets = subprocess.run(
        [tools.path("busybox"), "--list"], capture_output=True, text=True, check=True
    ).stdout.split()
    for applet in applets:
        if f"/usr/sbin/{applet}" not in archive:
            archive.symlink(f"/bin/{applet}", "busybox")
    archive.symlink("/sbin/modprobe", "/bin/busybox")
    for name, content in _ETC.items():
        archive.data(f"/etc/{name}", content.encode())
    archive.data(
        "/etc/fapitest.env",
        _exports({"FAPITEST_PYTHON": str(Path(sys.executable).resolve()), **_ENVIRONMENT}),
    )
    # A popen worker of pytest-xdist gets the controller's sys.path.
    for site_packages in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        archive.symlink(site_packages, str(PACKAGES))


@functools.cache
def base() -> Path:
    """Return the base archive of this environment; make it if it is not in the cache.

    Raises:
        VmError: a program or package for the guest is missing, or the cache cannot be written.
    """
    files = _contents()
    directory = cache.root() / "base" / _fingerprint(files)
    with cache.lock("base"):
        if cache.stored(directory) is None:
            with (
                cache.storing(directory, {"files": len(files)}) as making,
                (making / "base.cpio").open("wb") as out,
                Archive(out) as archive,
            ):
                _write_base(archive, files)
            # Otherwise the cache would grow with every change of the environment.
            cache.prune((other for other in directory.parent.glob("[!.]*") if other != directory), KEEP)
        os.utime(directory)
        cache.hold(directory)
    return directory / "base.cpio"


def _exports(variables: Mapping[str, str]) -> bytes:
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()).encode()


def _write_project(archive: Archive) -> None:
    """Write the project under its path on the host, so that a test has the same path in the guest."""
    compiled = byte_code()
    for name in PROJECT_FILES:
        for path in _project_files(PROJECT / name):
            archive.file(path, path)
            for code in Path(f"{compiled}{path.parent}").glob(f"{path.stem}.*.pyc"):
                archive.file(path.parent / "__pycache__" / code.name, code)


def byte_code() -> Path:
    """Return the directory with the byte code of the project's modules, with pytest's assertion rewriting in tests.

    The host compiles it in a second; with emulation every guest would need ten. It is in the cache, laid out as under
    `sys.pycache_prefix`, and updated when a source has changed.
    """
    directory = (
        cache.root() / "bytecode" / hashlib.sha256(f"{sys.version}{PROJECT}".encode()).hexdigest()[:16]
    )
    stamp = directory / "stamp"
    sources = [
        path for name in PROJECT_FILES for path in _project_files(PROJECT / name) if path.suffix == ".py"
    ]
    with cache.lock("bytecode"), cache.writing():
        if not stamp.exists() or max(path.stat().st_mtime for path in sources) > stamp.stat().st_mtime:
            directory.mkdir(parents=True, exist_ok=True)
            begun = time.time()
            environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
            # A guest imports vm.interactor in addition to the plugins.
            command = pytest_command(
                *("-p", "vm.interactor", "--collect-only", "-q", "suites"),
                python=("-X", f"pycache_prefix={directory}"),
            )
            subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, check=False)
            _check_room(directory)
            stamp.touch()
            os.utime(stamp, (begun, begun))
    return directory


def _check_room(directory: Path) -> None:
    """Remove the byte code and raise OSError if the disk is so full that Python may have truncated it silently."""
    free = os.statvfs(directory)
    if free.f_bavail * free.f_frsize < LEAST_ROOM:
        shutil.rmtree(directory, ignore_errors=True)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def order(environment: Mapping[str, str], files: Iterable[tuple[str, Path]] = (), **wanted: Any) -> bytes:
    """Return the order for a guest that is ready, with the fields `wanted`: see vm/guest/agent.py.

    `files` are those of its kernel: path in the guest, and file.
    """
    packed = io.BytesIO()
    with Archive(packed) as archive:
        _write_project(archive)
        for path, file in files:
            archive.file(path, file)
    head = {
        "time": time.time(),
        "entropy": secrets.token_hex(32),
        "environment": {"FAPITEST_PROJECT": str(PROJECT), **environment},
        "size": len(packed.getvalue()),
        **wanted,
    }
    return json.dumps(head).encode() + b"\n" + packed.getvalue()


def _project_files(start: Path) -> Iterator[Path]:
    if start.is_file():
        yield start
    for directory, names, files in os.walk(start):
        names[:] = sorted(set(names) - {"__pycache__", "out"})
        yield from (Path(directory, name) for name in sorted(files))


def initramfs(
    target: Path,
    userland: Path,
    modules: Path,
    *,
    shell: Mapping[str, str] | None = None,
    files: Iterable[tuple[str, Path]] = (),
) -> None:
    """Write the initramfs of one VM to `target`: the base archive `userland` and the kernel's modules.

    With `shell`, which are environment variables, it also has the project, and `files` as in `order`, and init starts a
    shell instead of the agent.
    """
    with target.open("wb") as out:
        for part in (userland, modules):
            with part.open("rb") as content:
                shutil.copyfileobj(content, out, 1 << 20)
        if shell is not None:
            with Archive(out) as archive:
                archive.data("/etc/fapitest.shell", _exports({"FAPITEST_PROJECT": str(PROJECT), **shell}))
                _write_project(archive)
                for path, file in files:
                    archive.file(path, file)
