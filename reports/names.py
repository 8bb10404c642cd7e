# SPDX-License-Identifier: GPL-2.0-or-later
"""What a test is called outside pytest, and the command that runs it again."""

import re
import shlex
from collections import Counter
from collections.abc import Iterable
from hashlib import sha256

from helpers.contract.results import NO_TEST, Result

SERIES = re.compile(r"(ref-)?\d+\.\d+(-debug)?")
"""The name of a kernel for which there is an environment of tox."""

_SUITES = "suites."


def split(test: str) -> tuple[str, str]:
    """Split a node id as pytest's own JUnit files do: `dir/a.py::Test::x[y]` is `dir.a.Test`, `x[y]`."""
    path, separator, rest = test.partition("::")
    if not separator:  # a file that could not be collected
        path, _, rest = test.rpartition("/")
    names, bracket, parameters = rest.partition("[")
    *classes, name = names.split("::")
    return ".".join([path.removesuffix(".py").replace("/", "."), *classes]), name + bracket + parameters


def is_test(name: str) -> bool:
    """Whether this is a test's node id: the name of a result may be that of a file, or of a VM that did not boot."""
    return "::" in name and not name.startswith(NO_TEST)


def short(test: str) -> str:
    """Return a node id without the directories of its file: for people, where room is scarce."""
    path, separator, rest = test.partition("::")
    return path.rpartition("/")[2] + separator + rest


def paths(tests: Iterable[str]) -> dict[str, str]:
    """Return the names of tests for formats that compare by name over years, in the alphabet of KCIDB's paths.

    `suites/fanotify_init/test_flags.py::test_flags[A|B-EINVAL]` is `fanotify_init.test_flags.test_flags.A_B-EINVAL`.
    Where two tests would be called the same, both get a digest of their node ids.
    """
    simple = {test: _path(test) for test in tests}
    taken = Counter(simple.values())
    return {
        test: f"{path}-{sha256(test.encode(errors='replace')).hexdigest()[:8]}" if taken[path] > 1 else path
        for test, path in simple.items()
    }


def _path(test: str) -> str:
    where, name = split(test)
    function, _, parameters = name.removesuffix("]").partition("[")
    words = [*where.removeprefix(_SUITES).split("."), function, *([parameters] if parameters else [])]
    return ".".join(re.sub("[^A-Za-z0-9_-]+", "_", word) or "_" for word in words if word) or "_"


def command(kernel: str, accel: str) -> str:
    """Return the command that runs tests on this kernel; the tests may follow."""
    if SERIES.fullmatch(kernel):
        return f"tox -e vm-{kernel} --"
    return "tox -e host -- --on-this-machine" if accel == "none" else "tox -e vm-custom -- --kernel PATH"


def rerun(result: Result) -> str:
    """Return the command that runs this test again on this kernel."""
    test = "" if result.test.startswith(NO_TEST) else shlex.quote(result.test)
    return f"{command(result.kernel, result.accel)} {test}".strip().removesuffix(" --")
