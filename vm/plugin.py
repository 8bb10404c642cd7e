# SPDX-License-Identifier: GPL-2.0-or-later
"""pytest plugin: ``--kernel NAME`` runs the tests inside VMs of that kernel."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import math
import os
import re
import signal
import sys
from collections.abc import Generator, Iterable, Iterator
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from vm import exit_codes, hooks, interrupts
from vm.errors import UnfitKernelError
from vm.exit_codes import NothingSelectedError
from vm.worker import Worker

if TYPE_CHECKING:
    from vm.archive import Progress
    from vm.bootimage import Kernel
    from vm.hardware import Hardware
    from vm.remote.hosts import Host
    from vm.session import Plan

# Modules that only the controller needs are imported where they are used: imports are slow in a guest.

SUITES = "suites"
SILENCE = 120.0
"""Timeout in seconds after which a VM counts as hung: twice the timeout of a test."""

_NOT_PLAIN = re.compile(r"[^A-Za-z0-9._+-]")
_LONGEST_NAME = 99
"""Maximum characters of a kernel's name, without the dash."""

LOSSES = 10
"""How many VMs of one kernel a run may lose before the remaining tests are given up."""


class _Modules(argparse.Action):
    """Stores with each --modules the number of --kernel options before it."""

    def __call__(
        self,
        _parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        value: object,
        _option: str | None = None,
    ) -> None:
        """Append to a copy of the list, because pytest parses its arguments more than once."""
        namespace.modules = [*namespace.modules, (len(namespace.kernel), value)]


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the hooks that report the progress of this package."""
    pluginmanager.add_hookspecs(hooks)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options. Those that need a kernel have no default, so that `options` sees which were given."""
    # pytest adds the path of its configuration to the error for an unknown option, which does not help.
    parser.extra_info.clear()
    group = parser.getgroup("vm", "virtual machines")
    group.addoption(
        "--kernel",
        action="append",
        default=[],
        metavar="SERIES|[NAME=]PATH",
        help="run the tests in a VM of this kernel; a series (6.12), or the path of a bzImage, a .deb or .rpm package, "
        "or a built kernel tree (with O=DIR: DIR); NAME is what the results call it; may be repeated",
    )
    group.addoption(
        "--matrix",
        action="store_true",
        help="every series that python -m vm list shows, unless --kernel names some",
    )
    group.addoption(
        "--modules",
        action=_Modules,
        default=[],
        metavar="DIR|FILE",
        help="modules for the --kernel PATH that stands before it, or for the only one: a directory, which is "
        "/lib/modules/RELEASE or a build tree, or another .deb or .rpm package of the same kernel; may be repeated",
    )
    group.addoption("--cpus", metavar="N", help="how many processors a VM has (default: 1)")
    group.addoption("--memory", metavar="MIB", help="how much memory a VM has (default: 512)")
    group.addoption(
        "--append",
        action="append",
        default=[],
        metavar="WORDS",
        help='add to the kernel\'s command line: --append "lockdep slub_debug=FZ"; may be repeated',
    )
    group.addoption(
        "--gdb",
        action="store_true",
        help="let each VM, one at a time, stand still until a debugger attaches to port 1234 of localhost, "
        "with no time limits",
    )
    group.addoption("--gdb-port", metavar="PORT", help="the same at another port")
    group.addoption(
        "--vm-jobs",
        type=int,
        metavar="N",
        help="how many VMs run at once (default: one per core, as memory allows); 0 with --host: none on this machine",
    )
    group.addoption(
        "--host",
        action="append",
        default=[],
        metavar="[USER@]MACHINE[:PLACES]",
        help="let VMs run on another machine too, reached through ssh as ~/.ssh/config has it, so many at once "
        "(default: one per core, as memory allows); it needs python3 and QEMU; may be repeated",
    )
    group.addoption(
        "--accel",
        choices=["auto", "kvm", "tcg"],
        help="how VMs are run (default: KVM if it works)",
    )
    group.addoption(
        "--vm-silence",
        type=float,
        metavar="SECONDS",
        help=f"end a VM that gives no sign of life for so long (default: {SILENCE:.0f})",
    )
    group.addoption(
        "--vm-losses",
        type=int,
        metavar="N",
        help=f"give up a kernel's tests once N of its VMs were lost (default: {LOSSES})",
    )
    group.addoption(
        "--on-this-machine",
        action="store_true",
        help="run the tests here, as root, on the running kernel, which they may crash: for machines to throw away",
    )
    group.addoption(
        "--bisect",
        action="store_true",
        help="exit as git bisect run wants it: 0 for a good kernel, 1 for a bad one, 125 for one that can not be "
        "judged, 128 and above for whatever stands in the way of judging any",
    )


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None, None, None]:
    """With ``--bisect`` check for unknown options now: pytest would exit with 4, which blames a commit."""
    yield
    known = early_config.known_args_namespace
    if getattr(known, "bisect", False) and not known.help:
        try:
            parser.parse(args, namespace=copy(early_config.option))
        except pytest.UsageError as error:
            print(f"ERROR: {error}", file=sys.stderr)
            raise SystemExit(exit_codes.for_bisect(pytest.ExitCode.USAGE_ERROR)) from None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, int, int]:
    """Set the exit code in cases that pytest does not have: an empty selection, and ``git bisect run``."""
    interrupts.heed()
    bisect = (
        config.getoption("bisect") and not hasattr(config, "workerinput") and not config.option.collectonly
    )
    try:
        code = yield
    except NothingSelectedError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        code = pytest.ExitCode.NO_TESTS_COLLECTED
    except KeyboardInterrupt:
        print(interrupts.LINE, file=sys.stderr)
        code = pytest.ExitCode.INTERRUPTED
    except pytest.UsageError as error:
        if not bisect:
            raise
        print(f"ERROR: {error}", file=sys.stderr)
        unfit = isinstance(error.__cause__, UnfitKernelError)
        code = exit_codes.CAN_NOT_BE_JUDGED if unfit else pytest.ExitCode.USAGE_ERROR
    return exit_codes.for_bisect(code) if bisect else code


@pytest.hookimpl(wrapper=True, specname="pytest_cmdline_main")
def pytest_check_arguments(config: pytest.Config) -> Generator[None, int, int]:
    """Expand ``--matrix`` to all kernels, and find mistakes before other plugins act on the options."""
    in_guest = hasattr(config, "workerinput") or "FAPITEST_VM" in os.environ
    if not (in_guest or config.getoption("help") or config.getoption("version")):
        from vm import options, selection  # noqa: PLC0415

        if config.getoption("matrix") and not config.getoption("kernel"):
            from vm.catalogue import SERIES  # noqa: PLC0415

            config.option.kernel = list(SERIES)
        options.check(config)
        if (place := options.place(config)) is not options.Where.ANY:
            selection.check(config, in_vm=place is options.Where.VM)
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the controller of VMs, the worker inside one, or neither."""
    if hasattr(config, "workerinput"):
        if "kernel" in config.workerinput:
            if config.getoption("gdb") or config.getoption("gdb_port"):
                config.option.timeout = 0
            config.args = config.workerinput["tests"]
            config.option.ignore, config.option.ignore_glob = config.workerinput["ignored"]
            _become_worker(config, config.workerinput["kernel"], config.workerinput["accel"])
    elif config.getoption("kernel"):
        if not config.getoption("collectonly"):
            _end_on_signals(config)
    elif config.getoption("on_this_machine"):
        if os.geteuid() != 0:
            raise pytest.UsageError(
                "--on-this-machine needs root: the suites ask the kernel for what only root gets"
            )
        # In a VM's shell the kernel has its name; on a machine it is named after the machine.
        _become_worker(
            config,
            os.environ.get("FAPITEST_KERNEL") or _this_machine(),
            os.environ.get("FAPITEST_ACCEL", "none"),
        )


def _this_machine() -> str:
    """Return the name of the running kernel: host name and release, so that runs of two machines stay apart."""
    uname = os.uname()
    release = _NOT_PLAIN.sub("_", uname.release)[-_LONGEST_NAME:]
    machine = _NOT_PLAIN.sub("_", uname.nodename.partition(".")[0]).strip("_+-")
    return f"{(machine or 'machine')[: _LONGEST_NAME - len(release)]}-{release}"


def _become_worker(config: pytest.Config, kernel: str, accel: str) -> None:
    worker = Worker(kernel, accel)
    config.pluginmanager.register(worker, "vm-worker")


def _end_on_signals(config: pytest.Config) -> None:
    """Make these signals act like Ctrl-C: end the VMs, keep the results, print one line, exit with 2."""

    def interrupt(number: int, _frame: object) -> None:
        # For a plain KeyboardInterrupt pytest would print the line that was interrupted, which is useless.
        raise pytest.Session.Interrupted(f"by {signal.Signals(number).name}")

    def give_back() -> None:
        for number, handler in before.items():
            if signal.getsignal(number) is interrupt:  # unless something else has restored it
                signal.signal(number, handler)

    handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    before = {number: handler for number, handler in handlers.items() if handler is not signal.SIG_IGN}
    config.add_cleanup(give_back)
    for number in before:
        signal.signal(number, interrupt)


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Find the kernels and register the session, before the VMs are started."""
    config = session.config
    if hasattr(config, "workerinput") or not config.getoption("kernel") or config.getoption("collectonly"):
        return
    from vm import selection  # noqa: PLC0415
    from vm.errors import VmError  # noqa: PLC0415
    from vm.session import KernelSession  # noqa: PLC0415

    try:
        plan = _plan(config)
    except VmError as error:
        raise pytest.UsageError(str(error)) from error
    arguments = selection.for_guest(config)
    config.invocation_params = dataclasses.replace(config.invocation_params, args=arguments)
    session_of_kernels = KernelSession(config, plan)
    config.pluginmanager.register(session_of_kernels, "kernel-session")
    terminal = config.pluginmanager.getplugin("terminalreporter")
    if terminal:
        terminal.showfspath = False
        for kernel in plan.kernels:
            terminal.write_line(
                f"{kernel.name}: {kernel.packages.get('version', '')} {kernel.origin}, {plan.where}".replace(
                    ":  ", ": "
                )
            )
        if plan.hardware.advice:
            terminal.write_line(f"fapitest: {plan.hardware.advice}")
    session_of_kernels.pytest_sessionstart(session)


def _plan(config: pytest.Config) -> Plan:
    from vm import accel, cache, scratch, tools  # noqa: PLC0415
    from vm.machine import default_jobs  # noqa: PLC0415
    from vm.progress import Preparation  # noqa: PLC0415
    from vm.session import Plan  # noqa: PLC0415

    hardware = _hardware(config)
    jobs, wanted = config.getoption("vm_jobs"), config.getoption("accel") or "auto"
    if jobs is None:
        jobs = 1 if hardware.gdb else default_jobs(hardware)
    if jobs:
        tools.path("qemu-system-x86_64")
    scratch.place()
    scratch.sweep()
    cache.sweep()
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled(), Preparation(config) as preparation:
        hosts = _hosts(config, hardware, preparation.show)
        kernels, absent = _kernels(config, preparation.show)
        hosts = _with_room(hosts, kernels)
        if not (jobs or hosts):
            raise pytest.UsageError("no machine is left that could have a VM")
        chosen = accel.choose(wanted, kernels[0]) if jobs else ""
    return Plan(
        kernels=kernels,
        absent=absent,
        jobs=jobs,
        accel=chosen,
        results=Path(config.getoption("results")),
        silence=math.inf if hardware.gdb else _given(config, "vm_silence", SILENCE),
        losses=_given(config, "vm_losses", LOSSES),
        hardware=hardware,
        hosts=hosts,
    )


def _given(config: pytest.Config, name: str, default: float) -> Any:
    value = config.getoption(name)
    return default if value is None else value


def _hosts(config: pytest.Config, hardware: Hardware, show: Progress) -> list[Host]:
    """Return the other machines that can run VMs, and show why the rest cannot."""
    if not config.getoption("host"):
        return []
    from vm.remote import hosts  # noqa: PLC0415

    requests = hosts.requested(config.getoption("host"))
    show(f"connecting to {', '.join(request.machine for request in requests)}", 0)
    shown = functools.partial(_shown, config)
    found, unfit = hosts.connected(requests, config.getoption("accel") or "auto", hardware, shown)
    for name, reason in unfit.items():
        _say_left_out(name, reason)
    if not found and config.getoption("vm_jobs") == 0:
        raise pytest.UsageError("no machine is left that could have a VM")
    return found


@contextlib.contextmanager
def _shown(config: pytest.Config, machine: str) -> Iterator[Progress]:
    """Show the files that are sent to a machine, in the display of the run."""
    from vm.progress import Preparation  # noqa: PLC0415

    with Preparation(config, machine) as preparation:
        yield preparation.show


def _with_room(hosts: list[Host], kernels: list[Kernel]) -> list[Host]:
    """Return the machines that have room for VMs of these kernels."""
    from vm.errors import VmError  # noqa: PLC0415

    found = []
    for host in hosts:
        try:
            host.check_room(kernels)
            found.append(host)
        except VmError as error:
            host.close()
            _say_left_out(host.name, str(error))
    return found


def _say_left_out(name: str, reason: str) -> None:
    print(f"fapitest: {name} is left out: {reason}", file=sys.stderr, flush=True)


def _hardware(config: pytest.Config) -> Hardware:
    from vm import hardware  # noqa: PLC0415

    return hardware.chosen(**{name: config.getoption(name) for name in hardware.CHOICES})


def _kernels(config: pytest.Config, show: Progress) -> tuple[list[Kernel], dict[str, str]]:
    """Return the kernels to run, and those of the catalogue that cannot be fetched, with the reasons."""
    from vm import kernels, own  # noqa: PLC0415
    from vm.errors import VmError  # noqa: PLC0415

    words, given = config.getoption("kernel"), config.getoption("modules")
    requests = [(word, own.modules_of(number, words, given)) for number, word in enumerate(words)]
    found, absent = [], {}
    for word, sources in [
        request for index, request in enumerate(requests) if request not in requests[:index]
    ]:
        try:
            made = kernels.kernel(word, modules=sources, progress=show)
            found.append(dataclasses.replace(made, given=word))
        except VmError as error:
            if not kernels.is_named(word):
                raise (UnfitKernelError(str(error)) if _unfit(word) else error) from error
            absent[word.removeprefix("vm-")] = str(error)
    if not found:
        raise pytest.UsageError(*dict.fromkeys(absent.values()))
    for name, reason in absent.items():
        _say_left_out(name, reason)
    return own.distinct(found), absent


def _unfit(word: str) -> bool:
    """Return whether a kernel's path is valid but has no built kernel; any other error is a mistyped path."""
    path = Path(word.rpartition("=")[2]).expanduser()
    return path.exists() or ("/" in word and path.absolute().parent.is_dir())


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker which tests to collect, by absolute paths, since its working directory differs."""
    if node.config.getoption("kernel"):
        node.workerinput["tests"] = node.config.args
        node.workerinput["ignored"] = (node.config.option.ignore, node.config.option.ignore_glob)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse to run the suites on the host without --on-this-machine."""
    _keep_off(config, (item.path for item in items))


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Refuse at once if the arguments name a suite, or no path and so all suites."""
    directory = session.config.invocation_params.dir
    named = (str(argument).partition("::")[0] for argument in session.config.args)
    _keep_off(session.config, ((directory / name).resolve() for name in named))


def _keep_off(config: pytest.Config, paths: Iterable[Path]) -> None:
    away = hasattr(config, "workerinput") or config.getoption("kernel")
    if away or config.getoption("on_this_machine") or config.getoption("collectonly"):
        return
    if any(path.is_relative_to(config.rootpath / SUITES) for path in paths):
        raise pytest.UsageError(
            "the suites may crash the kernel that they run on: name one to boot in a VM, with --kernel 6.12, "
            "or give this machine up to them with --on-this-machine"
        )
