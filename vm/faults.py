# SPDX-License-Identifier: GPL-2.0-or-later
"""Can the tests fail? Builds reference kernels with one fault each, and reports which tests catch it.

A fault is a patch in ``vm/reference/faults/<suite>``, applied after the reference kernel's own patches. Its header has
one sentence that describes the fault, and the test that must fail: ``Caught-by: suites/...::test``.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from vm import archive, build
from vm.build import PLACE, Reference
from vm.command import pytest_command
from vm.errors import VmError
from vm.image import PROJECT
from vm.progress import waiting
from vm.words import count

FAULTS = PLACE / "faults"

RED = {"fail", "error", "xpass", "panic", "hang", "lost"}
"""The statuses of a stored result that count as a failure."""

_CAUGHT_BY = re.compile(r"^Caught-by: (\S+)$", re.MULTILINE)
_FIRST_HUNK = re.compile(r"^--- ", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        patch: its file.
        statement: what a kernel with the fault does.
        caught_by: node id of the test that must fail; without parameters, any of its variants.
    """

    patch: Path
    statement: str
    caught_by: str

    @property
    def name(self) -> str:
        """Its name: ``queue_fd/tail``."""
        return f"{self.patch.parent.name}/{self.patch.stem}"

    @property
    def suite(self) -> str:
        """The suite whose tests are run against it."""
        return f"suites/{self.patch.parent.name}"


@dataclasses.dataclass(frozen=True)
class Faulty(Reference):
    """A reference kernel with a fault; it is built in the tree of the reference kernel."""

    fault: Path = Path()

    @property
    def patches(self) -> list[Path]:
        """The patches, the fault last."""
        return [*super().patches, self.fault]


def read(patch: Path) -> Fault:
    """Return the fault of a patch file.

    Raises:
        VmError: it does not describe the fault, or does not name the test.
    """
    head = _FIRST_HUNK.split(patch.read_text(), maxsplit=1)[0]
    caught_by = _CAUGHT_BY.search(head)
    text = " ".join(
        line for line in _CAUGHT_BY.sub("", head).splitlines() if line and not line.startswith("#")
    )
    if not caught_by or not text:
        raise VmError(f"{patch}: above the first hunk stand a sentence and Caught-by: TEST")
    return Fault(patch, text, caught_by[1])


def chosen(names: Sequence[str]) -> list[Fault]:
    """Return the faults with these names, or of these suites; without names, all of them.

    Raises:
        VmError: a name is unknown.
    """
    faults = [read(patch) for patch in sorted(FAULTS.glob("*/*.patch"))]
    known = {name for fault in faults for name in (fault.name, fault.patch.parent.name)}
    if unknown := [name for name in names if name not in known]:
        raise VmError(f"unknown fault {unknown[0]!r}; known are {', '.join(fault.name for fault in faults)}")
    return [fault for fault in faults if not names or {fault.name, fault.patch.parent.name} & set(names)]


def run(reference: Reference, faults: Sequence[Fault], progress: archive.Progress) -> int:
    """Build and test each fault in turn, print which tests catch it, and return how many no test catches.

    Raises:
        VmError: a fault cannot be built, or a test fails without any fault, so that it would catch them all.
    """
    build.build(reference, progress)
    if anyway := red(reference, sorted({fault.caught_by for fault in faults})):
        raise VmError(f"{reference.name}: red without a fault: {', '.join(anyway)}")
    missed = 0
    try:
        for number, fault in enumerate(faults, 1):
            print(f"{number}/{len(faults)} {fault.name}: {fault.statement}", flush=True)
            build.build(Faulty(reference.series, reference.debug, fault=fault.patch), progress)
            missed += not _is_caught(reference, fault)
    finally:
        # Restore the tree for the reference kernel.
        build.build(reference, progress)
    print(f"{count(len(faults), 'fault')}, {len(faults) - missed} caught")
    return missed


def _is_caught(reference: Reference, fault: Fault) -> bool:
    expected = red(reference, [fault.caught_by])
    for test in expected:
        print(f"    caught by {test}", flush=True)
    if not expected:
        others = red(reference, [fault.suite])
        print(
            f"    NOT CAUGHT by {fault.caught_by}",
            *(f"    but by {test}" for test in others),
            sep="\n",
            flush=True,
        )
    return bool(expected)


def red(reference: Reference, tests: Sequence[str]) -> list[str]:
    """Run tests on the kernel in the tree of a reference kernel, and return the node ids of those that fail.

    Raises:
        VmError: no test was run.
    """
    with tempfile.TemporaryDirectory() as scratch:
        # The name of a kernel is that of its directory.
        kernel = Path(scratch) / reference.name
        _copy(reference.tree, kernel)
        out = Path(scratch) / "out"
        command = pytest_command("-q", "--kernel", str(kernel), "--results", str(out), *tests)
        with waiting(f"{reference.name}: running {tests[0]}{' and others' if tests[1:] else ''}"):
            done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
        results = list(_results(out / "results.jsonl"))
    if not results:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise VmError(f"{' '.join(tests)}: no result ({said[-1] if said else 'pytest said nothing'})")
    return [test for test, status in results if status in RED]


def _results(file: Path) -> Iterator[tuple[str, str]]:
    for line in file.read_text().splitlines() if file.exists() else ():
        result = json.loads(line)
        yield result["test"], result["status"]


def _copy(tree: Path, target: Path) -> None:
    """Copy the boot image and the modules of a build tree."""
    files = [tree / "arch/x86/boot/bzImage", tree / ".config", *tree.rglob("*.ko")]
    for file in files:
        place = target / file.relative_to(tree)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)
