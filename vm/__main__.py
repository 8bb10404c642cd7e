# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m vm``: commands for kernels, VMs and the cache."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from vm import interrupts

if __name__ == "__main__":
    interrupts.end_at_once()  # the imports below take a second

from rich.console import Console
from rich.table import Table

from vm import (
    accel,
    archive,
    bench,
    build,
    cache,
    claims,
    clean,
    faults,
    hardware,
    image,
    kernels,
    repeat,
    scratch,
    tools,
)
from vm.bootimage import Kernel
from vm.catalogue import FLAVOUR, REFERENCE, SERIES
from vm.errors import NO_ASSERTS, VmError
from vm.hardware import GDB_PORT, MEMORY, Hardware
from vm.link import Link
from vm.machine import OVERHEAD, Machine, default_jobs, memory_available
from vm.progress import Downloads, waiting
from vm.words import count

EPILOG = """\
Tests run in VMs through pytest: tox -e vm-6.12, or python -m pytest -c pyproject.toml --kernel 6.12.
The cache lies under $FAPITEST_CACHE, else under your cache directory.
"""


PATIENCE = 300.0
"""Timeout in seconds for a guest to report its features."""

REFERENCES = """\
ref-* are reference kernels: the source of Debian's kernel with the patches of vm/reference, which implement two
proposed interfaces as their authors describe them, built on this machine (python -m vm build). They show that the tests
of these interfaces can pass; their results say nothing about Linux. The -debug ones have the kernel's own checks."""


def _at_least(least: int) -> Callable[[str], int]:
    """Return a parser for a number on the command line that must be at least `least`."""

    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text}: give a number from {least}")
        return int(text)

    return number


def _parser() -> argparse.ArgumentParser:
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "python -m vm",
        description="Look after kernels, VMs and the cache.",
        epilog=EPILOG,
        formatter_class=style,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: object, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        added.set_defaults(run=run)
        return added

    command("list", list_kernels, "show the kernels, where they come from, and what is cached")
    fetch = command(
        "fetch", fetch_kernels, "fetch the newest package of the named kernels, or of all, into the cache"
    )
    fetch.add_argument("kernel", nargs="*", help="a series, such as 6.12; none means all")
    building = command(
        "build", build_kernels, "build reference kernels from Debian's source and the patches of vm/reference"
    )
    building.add_argument("kernel", nargs="+", help=f"one of {', '.join(kernels.references())}")
    building.add_argument(
        "--debug",
        action="store_true",
        help="with KASAN, lockdep and the kernel's other checks: ref-6.12-debug",
    )
    building.add_argument(
        "--fresh",
        action="store_true",
        help="ask Debian's archive for the newest source, not for that in the cache",
    )
    faulty = command(
        "faults", test_faults, "build reference kernels with one fault each, and show which tests notice"
    )
    faulty.add_argument("kernel", nargs="?", default="ref-6.12", help="default: ref-6.12")
    faulty.add_argument(
        "fault", nargs="*", help="such as queue_fd/tail, or queue_fd for all of those; none means all"
    )
    for name, run, text in (
        (
            "shell",
            open_shell,
            "boot a kernel with a shell on its serial console, or run pytest there: shell 6.12 -- suites/pidfd_wait -x",
        ),
        ("bench", run_bench, "measure a run on a kernel, phase by phase, and name the slowest tests"),
    ):
        added = command(name, run, text)
        added.add_argument("kernel", help="a series, such as 6.12, or the path of a kernel of yours")
        added.add_argument(
            "--modules",
            type=Path,
            action="append",
            default=[],
            metavar="DIR|FILE",
            help="modules that belong to it, as in pytest --help; may be repeated",
        )
        added.add_argument("--cpus", metavar="N", help="how many processors the VM has (default: 1)")
        added.add_argument("--memory", metavar="MIB", help=f"how much memory the VM has (default: {MEMORY})")
        added.add_argument(
            "--append", action="append", default=[], metavar="WORDS", help="add to the kernel's command line"
        )
        added.add_argument(
            "--gdb",
            action="store_true",
            help=f"let the VM stand still until a debugger attaches to port {GDB_PORT} of localhost",
        )
        added.add_argument("--gdb-port", metavar="PORT", help="the same at another port")
        added.add_argument(
            "--accel",
            choices=["auto", "kvm", "tcg"],
            default="auto",
            help="how the VM is run (default: KVM if it works)",
        )
    repeated = command(
        "repeat", repeat_runs, "run the suites again and again on a busy machine, and compare the verdicts"
    )
    repeated.add_argument(
        "kernel", nargs="+", help="a series, such as 6.12, or the path of a kernel of yours"
    )
    repeated.add_argument(
        "--runs", type=_at_least(1), default=10, metavar="N", help="how often, on each kernel (default: 10)"
    )
    repeated.add_argument(
        "--busy",
        type=_at_least(0),
        default=os.cpu_count(),
        metavar="N",
        help="how many other processes compute meanwhile (default: one per core)",
    )
    repeated.add_argument(
        "--select",
        action="append",
        default=[],
        metavar="PATH",
        help="only this suite or test, as pytest takes it; may be repeated",
    )
    baseline = command(
        "baseline", propose_baseline, "print the features of a kernel, to review as its baseline"
    )
    baseline.add_argument("kernel", nargs="+", help="a series, such as 6.12")
    baseline.add_argument("--write", action="store_true", help="write helpers/baselines/KERNEL.toml instead")
    command(
        "doctor", examine, "say what this machine can do: QEMU, KVM that really works, tools, memory, cache"
    )
    setup = command("setup", set_up, "install what a run needs and this machine lacks (as root, through apt)")
    setup.add_argument(
        "package", nargs="*", help="a Debian package that is needed beside the programs of a run"
    )
    setup.add_argument("--build", action="store_true", help="also what building reference kernels needs")
    clean = command("clean", clean_up, "remove what is cached")
    clean.add_argument(
        "--runs", action="store_true", help="remove the stored results of old runs too, all but the latest"
    )
    return parser


def list_kernels(_: argparse.Namespace) -> int:
    """Show the catalogue."""
    table = Table(box=None, pad_edge=False)
    for column in ("kernel", "from Debian's", "cached"):
        table.add_column(column)
    for series, suites in SERIES.items():
        here = kernels.cached(series)
        table.add_row(series, ", ".join(suites), here.packages["version"] if here else "-")
    for series, suites in REFERENCE.items():
        for reference in (build.Reference(series), build.Reference(series, debug=True)):
            here = kernels.cached(reference.name)
            table.add_row(reference.name, ", ".join(suites), here.packages["version"] if here else "-")
    Console().print(table)
    print(f"\n{REFERENCES}\n\nflavour: {FLAVOUR}; cache: {cache.root()}")
    return 0


def _reference(name: str) -> build.Reference:
    reference = build.named(name.removeprefix("vm-"))
    if reference is None:
        raise kernels.unknown(name, kernels.references())
    return reference


def test_faults(arguments: argparse.Namespace) -> int:
    """Check that the tests can fail; exit with 1 if they miss a fault."""
    chosen = faults.chosen(arguments.fault)
    with Downloads() as downloads:
        return 1 if faults.run(_reference(arguments.kernel), chosen, downloads.show) else 0


def build_kernels(arguments: argparse.Namespace) -> int:
    """Build reference kernels."""
    with Downloads() as downloads:
        for name in arguments.kernel:
            reference = _reference(name)
            debug = arguments.debug or reference.debug
            kernel = kernels.make(
                build.Reference(reference.series, debug=debug), downloads.show, fresh=arguments.fresh
            )
            print(f"{kernel.name}: {kernel.packages['version']}, {kernel.origin}")
    return 0


def fetch_kernels(arguments: argparse.Namespace) -> int:
    """Update the archive's lists and fetch kernels."""
    failed = 0
    chosen = [kernels.series_of(name) for name in arguments.kernel or SERIES]
    with Downloads() as downloads:
        for name in chosen:
            try:
                kernel = kernels.refresh(name, downloads.show)
                print(f"{kernel.name}: {kernel.packages['version']} from {kernel.origin}")
            except VmError as error:
                failed += 1
                print(f"{name}: {error}", file=sys.stderr)
    return 2 if failed else 0


def _chosen(arguments: argparse.Namespace) -> tuple[Kernel, str, Hardware]:
    asked = hardware.chosen(**{name: getattr(arguments, name) for name in hardware.CHOICES})
    with Downloads() as downloads:
        kernel = kernels.kernel(arguments.kernel, modules=arguments.modules, progress=downloads.show)
    return kernel, accel.choose(arguments.accel, kernel), asked


def _check_selection(arguments: Sequence[str]) -> int:
    """Return 0 if the arguments are valid for a pytest in a VM; else print why not, and return its exit code."""
    if not arguments:
        return 0
    from vm import selection  # noqa: PLC0415  it imports pytest, which is slow, and other commands do not need it

    return selection.check_alone(arguments)


def open_shell(arguments: argparse.Namespace) -> int:
    """Boot a kernel with a shell on this terminal, or with pytest; exit with its exit code."""
    if code := _check_selection(arguments.pytest):
        return code
    kernel, chosen, asked = _chosen(arguments)
    run = ["python", "-m", "pytest", "--on-this-machine", *arguments.pytest] if arguments.pytest else []
    if asked.advice:
        print(f"fapitest: {asked.advice}", file=sys.stderr, flush=True)
    with scratch.directory() as directory:
        return Machine(kernel, accel=chosen, directory=directory, hardware=asked).interact(run)


def run_bench(arguments: argparse.Namespace) -> int:
    """Measure a run."""
    kernel, chosen, asked = _chosen(arguments)
    return bench.run(arguments.kernel, kernel, chosen, modules=arguments.modules, hardware=asked)


def propose_baseline(arguments: argparse.Namespace) -> int:
    """Print baselines: the features that kernels have."""
    for name in arguments.kernel:
        with Downloads() as downloads:
            kernel = kernels.kernel(name, progress=downloads.show)
        with scratch.directory() as directory:
            machine = Machine(kernel, accel=accel.choose("auto", kernel), directory=directory)
            with waiting(f"{kernel.name}: booting, to ask it what it can do"):
                proposal = _answer(machine)
        if arguments.write:
            baselines = image.PROJECT / "helpers" / "baselines"
            baselines.mkdir(exist_ok=True)
            (baselines / f"{kernel.name}.toml").write_text(proposal)
        else:
            print(proposal, end="")
    return 0


def _answer(machine: Machine) -> str:
    """Return the baseline that a kernel reports."""
    try:
        machine.start()
        machine.wait_ready()
        with Link(machine.socket) as link:
            link.begin(machine.order(module="helpers.features", arguments=[]), PATIENCE)
            return link.rest(PATIENCE).decode("utf-8", "replace")
    finally:
        machine.kill()


def examine(_: argparse.Namespace) -> int:
    """Report what this machine can do; exit with 2 if it cannot run VMs."""
    wrong = 0

    def say(what: str, answer: str, *, good: bool = True) -> None:
        nonlocal wrong
        wrong += not good
        print(f"{'ok  ' if good else 'BAD '} {what + ':':10} {answer}")

    absent = tools.missing()
    say(
        "tools",
        "all there" if not absent else f"missing; as root: apt update && apt install {' '.join(absent)}",
        good=not absent,
    )
    asked = "QEMU"
    try:
        version = accel.qemu_version()
        say("QEMU", ".".join(map(str, version)))
        asked = "KVM"
        with Downloads() as downloads:
            cached = next(filter(None, map(kernels.cached, SERIES)), None)
            kernel = cached or kernels.kernel("6.12", progress=downloads.show)
        works, reason = accel.kvm(version, kernel, again=True)
        say("KVM", "works" if works else f"not used, VMs are emulated: {reason}")
    except VmError as error:
        say(asked, str(error), good=False)
    free = memory_available()
    say("memory", f"{free} MiB available, {MEMORY + OVERHEAD} MiB a VM", good=free > MEMORY + OVERHEAD)
    say("VMs", f"{default_jobs()} at once on {count(os.cpu_count() or 1, 'core')}")
    try:
        room = shutil.disk_usage(cache.root()).free >> 20
        say("cache", f"{cache.root()}, {room} MiB free", good=room > 1024)
    except VmError as error:
        say("cache", str(error), good=False)
    try:
        say("apt", archive.described())
    except VmError as error:
        say("apt", f"{error}; only kernels of yours can be had, --kernel PATH")
    return 2 if wrong else 0


def repeat_runs(arguments: argparse.Namespace) -> int:
    """Find tests whose verdict changes."""
    if code := _check_selection(arguments.select):
        return code
    options = {"runs": arguments.runs, "busy": arguments.busy, "selection": arguments.select}
    with Downloads() as downloads:  # find errors now, not in the first of many runs
        for name in arguments.kernel:
            kernels.kernel(name, progress=downloads.show)
    return max([repeat.run(kernel, **options) for kernel in arguments.kernel])


def set_up(arguments: argparse.Namespace) -> int:
    """Install missing packages."""
    for_builds = tools.missing_for_builds() if arguments.build else []
    if absent := [*tools.missing(), *for_builds, *tools.not_installed(arguments.package)]:
        with Downloads() as downloads:
            tools.install(absent, downloads.show)
    return 0


def clean_up(arguments: argparse.Namespace) -> int:
    """Empty the cache and, if requested, remove old runs; report what was removed, and what was kept and why."""
    removals = list(clean.clean())
    if arguments.runs:
        removals += _forget_runs()
    for removal in removals:
        what = f"kept ({removal.reason})" if removal.size is None else f"{removal.size / 2**20:.1f} MiB"
        print(f"{removal.path}: {what}")
    removed = [removal.size for removal in removals if removal.size is not None]
    print(f"removed {count(len(removed), 'entry', 'entries')}, {sum(removed) / 2**20:.1f} MiB")
    return 0


def _forget_runs() -> list[clean.Removal]:
    """Remove the results of all runs but the latest from reports/out."""
    out = image.PROJECT / "reports" / "out"
    latest = (out / "latest").resolve()
    old = [run for run in out.glob("*") if (run / "results.jsonl").is_file() and run.resolve() != latest]
    removals = [clean.Removal(run, claims.disk_usage(run)) for run in old if not run.is_symlink()]
    for removal in removals:
        shutil.rmtree(removal.path)
    return removals


def _unrecognized(arguments: argparse.Namespace, unknown: Sequence[str]) -> str:
    text = f"unrecognized arguments: {shlex.join(unknown)}"
    if arguments.run is not open_shell:
        return text
    meant = shlex.join(["shell", arguments.kernel, "--", *unknown, *arguments.pytest])
    return f"{text}; what is for pytest stands behind --: python -m vm {meant}"


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; an error that the user can fix gives one line and exit code 2."""
    words = list(sys.argv[1:] if words is None else words)
    # Arguments after -- are for pytest; argparse alone would mix them with the options before.
    end = words.index("--") if words[:1] == ["shell"] and "--" in words else len(words)
    parser = _parser()
    arguments, unknown = parser.parse_known_args(words[:end], argparse.Namespace(pytest=words[end + 1 :]))
    if unknown:
        parser.error(_unrecognized(arguments, unknown))
    if sys.flags.optimize:
        print(f"fapitest: {NO_ASSERTS}", file=sys.stderr)
        return 2
    interrupts.heed()
    try:
        scratch.sweep()
        code = int(arguments.run(arguments))
        print(end="", flush=True)  # unlike sys.stdout.flush() works with a closed standard output
    except BrokenPipeError:  # the reader of the output has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except VmError as error:
        print(f"fapitest: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        where = [str(error.filename)] if error.filename else []
        print(f"fapitest: {': '.join([*where, error.strerror or str(error)])}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(interrupts.LINE, file=sys.stderr)
        return interrupts.INTERRUPTED
    return code


if __name__ == "__main__":
    sys.exit(main())
