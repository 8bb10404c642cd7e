# SPDX-License-Identifier: GPL-2.0-or-later
"""Options of pytest and its plugins that cannot work here, and what to use instead."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from enum import IntEnum
from importlib.metadata import packages_distributions
from typing import NamedTuple

import pytest
from _pytest.mark.expression import Expression

from vm import image
from vm.command import CONFIGURATION
from vm.errors import NO_ASSERTS, VmError


class Where(IntEnum):
    """The runs in which an option cannot work; each value includes the ones after it."""

    ANY = 0
    """In every run."""
    RUN = 1
    """In a run of kernel tests, in a VM or on this machine."""
    VM = 2
    """In a run of kernel tests in VMs."""


class Refusal(NamedTuple):
    """Why an option is refused, and in which runs."""

    option: str
    where: Where
    reason: str
    harmless: tuple[object, ...] = ()
    """Values that have no effect, in addition to those that are false."""


_CACHE = "pytest's cache is switched off here; --lf runs again what failed in the last run"
_LOGGING = "nothing here logs, and pytest's logging is switched off"
_WORKERS = (
    "each VM is a worker of pytest-xdist; how many run at once is said with --vm-jobs N, "
    "on which other machines with --host [user@]machine"
)
_DEBUGGER = "can not reach into a VM; try: python -m vm shell KERNEL"
_FIXTURES = "a worker can not show what it sets up; use it without --kernel, with --collect-only"
_NO_KERNEL = "asks pytest, not a kernel; leave out --kernel"
_OUTPUT = "a test in a VM has no terminal; what it writes is shown if it fails"
_ALLURE = "every run writes Allure's files already, into allure-results/ in the directory of its results"

REFUSED = {
    "failedfirst": Refusal("--ff", Where.ANY, _CACHE),
    "newfirst": Refusal("--nf", Where.ANY, _CACHE),
    "stepwise": Refusal("--sw", Where.ANY, _CACHE),
    "stepwise_skip": Refusal("--sw-skip", Where.ANY, _CACHE),
    "stepwise_reset": Refusal("--sw-reset", Where.ANY, _CACHE),
    "cacheshow": Refusal("--cache-show", Where.ANY, _CACHE),
    "cacheclear": Refusal("--cache-clear", Where.ANY, _CACHE),
    "last_failed_no_failures": Refusal("--lfnf", Where.ANY, _CACHE, ("all",)),
    "log_level": Refusal("--log-level", Where.ANY, _LOGGING),
    "log_format": Refusal("--log-format", Where.ANY, _LOGGING),
    "log_date_format": Refusal("--log-date-format", Where.ANY, _LOGGING),
    "log_cli_level": Refusal("--log-cli-level", Where.ANY, _LOGGING),
    "log_cli_format": Refusal("--log-cli-format", Where.ANY, _LOGGING),
    "log_cli_date_format": Refusal("--log-cli-date-format", Where.ANY, _LOGGING),
    "log_file": Refusal("--log-file", Where.ANY, _LOGGING),
    "log_file_mode": Refusal("--log-file-mode", Where.ANY, _LOGGING),
    "log_file_level": Refusal("--log-file-level", Where.ANY, _LOGGING),
    "log_file_format": Refusal("--log-file-format", Where.ANY, _LOGGING),
    "log_file_date_format": Refusal("--log-file-date-format", Where.ANY, _LOGGING),
    "log_auto_indent": Refusal("--log-auto-indent", Where.ANY, _LOGGING),
    "logger_disable": Refusal("--log-disable", Where.ANY, _LOGGING),
    "numprocesses": Refusal("-n", Where.RUN, _WORKERS),
    "maxprocesses": Refusal("--maxprocesses", Where.RUN, _WORKERS),
    "maxschedchunk": Refusal("--maxschedchunk", Where.RUN, _WORKERS),
    "distload": Refusal("-d", Where.RUN, _WORKERS),
    "dist": Refusal("--dist", Where.RUN, _WORKERS, ("no",)),
    "tx": Refusal("--tx", Where.RUN, _WORKERS),
    "px": Refusal("--px", Where.RUN, _WORKERS),
    "rsyncdir": Refusal("--rsyncdir", Where.RUN, "a VM is given the whole project"),
    "rsyncignore": Refusal("--rsyncignore", Where.RUN, "a VM is given the whole project"),
    "looponfail": Refusal(
        "-f", Where.RUN, "a run ends by itself; --lf runs again what failed in the last one"
    ),
    "maxworkerrestart": Refusal(
        "--max-worker-restart", Where.RUN, "how many VMs a kernel may lose is said with --vm-losses N"
    ),
    "pyargs": Refusal("--pyargs", Where.RUN, "tests are named by their paths"),
    "keepduplicates": Refusal("--keep-duplicates", Where.RUN, "a test has one result on each kernel"),
    "importmode": Refusal(
        "--import-mode", Where.RUN, "the suites can be imported in one way only", ("importlib",)
    ),
    "rootdir": Refusal("--rootdir", Where.RUN, "the suites lie where they lie"),
    "disable_plugin_autoload": Refusal(
        "--disable-plugin-autoload", Where.RUN, "a run needs the plugins pytest-xdist and pytest-timeout"
    ),
    "setuponly": Refusal("--setup-only", Where.RUN, "a test that does not run says nothing about a kernel"),
    "setupplan": Refusal("--setup-plan", Where.RUN, "a test that does not run says nothing about a kernel"),
    "allure_report_dir": Refusal("--alluredir", Where.RUN, _ALLURE),
    "clean_alluredir": Refusal("--clean-alluredir", Where.RUN, _ALLURE),
    "inversion": Refusal("--inversion", Where.RUN, "a run knows no test plan of Allure's; use --deselect"),
    "pastebin": Refusal("--pastebin", Where.RUN, "a run sends nothing anywhere; share its directory"),
    "usepdb": Refusal("--pdb", Where.VM, _DEBUGGER),
    "usepdb_cls": Refusal("--pdbcls", Where.VM, _DEBUGGER),
    "trace": Refusal("--trace", Where.VM, _DEBUGGER),
    "capture": Refusal("-s, --capture", Where.VM, _OUTPUT, ("fd", "sys")),
    "setupshow": Refusal("--setup-show", Where.VM, _FIXTURES),
    "showfixtures": Refusal("--fixtures", Where.VM, _NO_KERNEL),
    "show_fixtures_per_test": Refusal("--fixtures-per-test", Where.VM, _NO_KERNEL),
    "markers": Refusal("--markers", Where.VM, _NO_KERNEL),
    "debug": Refusal(
        "--debug", Where.VM, "pytest's own trace tells nothing of a VM; use it without --kernel"
    ),
    "basetemp": Refusal("--basetemp", Where.VM, "a test in a VM has directories of that VM"),
    "confcutdir": Refusal("--confcutdir", Where.VM, "a VM has the conftest.py of this project alone"),
}
"""Refused options, by the name of their value in pytest's configuration."""

NEED_KERNEL = {
    "host": "--host",
    "modules": "--modules",
    "cpus": "--cpus",
    "memory": "--memory",
    "append": "--append",
    "gdb": "--gdb",
    "gdb_port": "--gdb-port",
    "vm_jobs": "--vm-jobs",
    "accel": "--accel",
    "vm_silence": "--vm-silence",
    "vm_losses": "--vm-losses",
    "bisect": "--bisect",
}
"""Options for VMs, by the name of their value in pytest's configuration."""

EXPRESSIONS = {"keyword": "-k", "markexpr": "-m"}
"""Options whose value is an expression that selects tests, by the name of that value in pytest's configuration."""

NEEDED = frozenset(
    {
        "allure_pytest", "assertion", "capture", "debugging", "fixtures", "helpers.plugin", "main", "mark",
        "monkeypatch", "pytest_timeout", "python", "recwarn", "reports", "reports.plugin", "runner", "skipping",
        "subtests", "terminal", "timeout", "tmpdir", "vm.plugin", "warnings", "xdist",
    }
)  # fmt: skip
"""Plugins that a run of the suites needs."""


def check(config: pytest.Config) -> None:
    """Check that all options can work. Raises pytest.UsageError for the first one that cannot."""
    for complaint in _complaints(config):
        raise pytest.UsageError(complaint)


def place(config: pytest.Config) -> Where:
    """Return where the tests will run."""
    if config.getoption("kernel") or config.getoption("matrix"):
        return Where.VM
    return Where.RUN if config.getoption("on_this_machine") else Where.ANY


def _complaints(config: pytest.Config) -> Iterator[str]:
    if sys.flags.optimize:
        yield NO_ASSERTS
    here = place(config)
    for name, refusal in REFUSED.items():
        value = getattr(config.option, name, None)
        if value and value not in refusal.harmless and refusal.where <= here:
            yield f"{refusal.option}: {refusal.reason}"
    yield from _expressions(config)
    if here is not Where.VM:
        yield from _without_kernel(config)
    if here is not Where.ANY:
        yield from _in_a_run(config)


def _in_guest(config: pytest.Config, plugin: str) -> bool:
    """Return whether the guest's Python also has a plugin of the host's."""
    module = getattr(config.pluginmanager.get_plugin(plugin), "__name__", plugin).partition(".")[0]
    if module in image.PROJECT_FILES or module in sys.stdlib_module_names:
        return True
    return any(name in image.distributions() for name in packages_distributions().get(module, ()))


def _expressions(config: pytest.Config) -> Iterator[str]:
    """Yield the errors in expressions, which pytest would find only after collecting all tests."""
    for name, option in EXPRESSIONS.items():
        text = getattr(config.option, name).strip()
        try:
            Expression.compile(text)
        except SyntaxError as error:
            yield f"{option} {shlex.quote(text)}: column {error.offset}: {error.msg}"


def _without_kernel(config: pytest.Config) -> Iterator[str]:
    for name, option in NEED_KERNEL.items():
        value = config.getoption(name)
        if not (value is None or value is False or value == []):
            yield f"{option}: needs --kernel NAME|PATH"
    if getattr(config.option, "lf", False) and place(config) is Where.ANY:
        yield "--lf: only runs on a kernel are remembered; name one with --kernel 6.12"


def _in_a_run(config: pytest.Config) -> Iterator[str]:
    for plugin in map(str.strip, config.option.plugins):
        if plugin.startswith("no:") and plugin.removeprefix("no:") in NEEDED:
            yield f"-p {plugin}: a run needs this plugin"
        elif not plugin.startswith("no:") and place(config) is Where.VM and not _in_guest(config, plugin):
            yield f"-p {plugin}: a VM has the plugins of this project and of the packages that it needs, no other"
    if not config.pluginmanager.hasplugin("xdist"):
        yield "a run needs the plugin pytest-xdist; unset PYTEST_DISABLE_PLUGIN_AUTOLOAD"
    if config.rootpath.resolve() != CONFIGURATION.parent:
        yield f"pytest took {config.rootpath} for the project; call it as: python -m pytest -c {CONFIGURATION} ..."
    if config.getoption("on_this_machine") and place(config) is Where.VM:
        yield "--kernel and --on-this-machine exclude each other"
    yield from _places(config)
    if config.getoption("bisect") and len(config.getoption("kernel")) != 1:
        yield "--bisect judges one kernel; name one with --kernel PATH"


def _places(config: pytest.Config) -> Iterator[str]:
    words, jobs = config.getoption("host"), config.getoption("vm_jobs")
    if jobs is not None and jobs < (0 if words else 1):
        yield f"--vm-jobs {jobs}: at least one VM must run"
    if (config.getoption("gdb") or config.getoption("gdb_port")) and (jobs or 1) > 1:
        yield f"--gdb: a debugger has one VM at a time; leave out --vm-jobs {jobs}"
    if not words:
        return
    from vm.remote import hosts  # noqa: PLC0415  slow, and only these runs need it

    if place(config) is not Where.VM:
        yield "--host: other machines have VMs; leave out --on-this-machine, and name a kernel"
    if config.getoption("gdb") or config.getoption("gdb_port"):
        yield "--gdb: a debugger reaches VMs of this machine only; leave out --host"
    try:
        hosts.requested(words)
    except VmError as error:
        yield str(error)
