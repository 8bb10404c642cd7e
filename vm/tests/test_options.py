# SPDX-License-Identifier: GPL-2.0-or-later
"""Every option of pytest and its plugins works with --kernel, or is rejected in one line before anything starts."""

import json
import re
import subprocess
import sys

import pytest
from _pytest.config import builtin_plugins, essential_plugins

from vm import options
from vm.command import pytest_command
from vm.image import PROJECT
from vm.tests import sessions

SMALL = f"{sessions.FAULTS}/complaint.py"

pytestmark = pytest.mark.timeout(900)

REFUSED = {
    "pytest's cache is switched off here": [
        "--ff", "--nf", "--sw", "--sw-skip", "--sw-reset", "--cache-show", "--cache-clear", "--lfnf=none",
    ],
    "nothing here logs": [
        "--log-level=INFO", "--log-format=x", "--log-date-format=x", "--log-cli-level=INFO", "--log-cli-format=x",
        "--log-cli-date-format=x", "--log-file=x", "--log-file-mode=w", "--log-file-level=INFO",
        "--log-file-format=x", "--log-file-date-format=x", "--log-auto-indent=on", "--log-disable=x",
    ],
    "each VM is a worker of pytest-xdist": [
        "-n 2", "-n auto", "--maxprocesses=2", "--maxschedchunk=2", "-d", "--dist=each", "--tx=popen", "--px=popen",
    ],
    "a VM is given the whole project": ["--rsyncdir=suites", "--rsyncignore=x"],
    "a run ends by itself": ["-f"],
    "--vm-losses N": ["--max-worker-restart=2"],
    "tests are named by their paths": ["--pyargs"],
    "a test has one result on each kernel": ["--keep-duplicates"],
    "the suites can be imported in one way only": ["--import-mode=prepend"],
    "the suites lie where they lie": ["--rootdir=suites"],
    "a run needs the plugins pytest-xdist and pytest-timeout": ["--disable-plugin-autoload"],
    "a test that does not run says nothing about a kernel": ["--setup-only", "--setup-plan"],
    "every run writes Allure's files already": ["--alluredir=x", "--clean-alluredir"],
    "a run knows no test plan": ["--inversion=x"],
    "a run sends nothing anywhere": ["--pastebin=all"],
    "can not reach into a VM; try: python -m vm shell": ["--pdb", "--pdbcls=pdb:Pdb", "--trace"],
    "a test in a VM has no terminal": ["-s", "--capture=no", "--capture=tee-sys"],
    "a worker can not show what it sets up": ["--setup-show"],
    "asks pytest, not a kernel": ["--fixtures", "--fixtures-per-test", "--markers"],
    "pytest's own trace": ["--debug=/dev/null"],
    "a test in a VM has directories of that VM": ["--basetemp=x"],
    "a VM has the conftest.py of this project alone": ["--confcutdir=suites"],
    "a run needs this plugin": [
        f"-p no:{name}" for name in sorted(options.NEEDED - set(essential_plugins) - {"vm.plugin"})
    ],
    "the plugins of this project and of the packages that it needs": ["-p mypy.types"],
    "at least one VM must run": ["--vm-jobs=0"],
    "exclude each other": ["--on-this-machine"],
    "-k '(': column 2: expected": ["-k (", "-k ( --collect-only"],
    "-m 'a~b': column 3: expected": ["-m a~b"],
    "give [user@]machine[:places]": ["--host=", "--host=m1:0", "--host=-oProxyCommand=x", "--host=m1:2:3"],
    "m1 is named twice": ["--host=m1 --host=m1:2"],
    "a debugger reaches VMs of this machine only": ["--host=m1 --gdb", "--host=m1 --gdb-port=1234"],
}  # fmt: skip
"""Part of the message -> the options that are rejected with it."""

WORKS = [
    "-k test_", "-m not~behaviour", "--maxfail=3", "--strict-config", "--strict-markers", "--strict", "-W default",
    "--max-warnings=100", "--ignore=vm/tests/nothing", "--ignore-glob=*/nothing*", f"--deselect={SMALL}::test_after",
    "--noconftest", "--collect-in-virtualenv", "--continue-on-collection-errors", "--durations=3",
    "--durations-min=1", "--trace-config", "-o console_output_style=count", "-v", "--no-header", "--no-summary",
    "--no-fold-skipped", "--force-short-summary", "-q", "--verbosity=1", "-r A", "--disable-warnings", "-l",
    "--no-showlocals", "--tb=short", "--xfail-tb", "--show-capture=all", "--full-trace", "--color=no",
    "--code-highlight=no", "--capture=sys", "--runxfail", "--assert=plain", "--junit-prefix=prefix",
    "--doctest-modules", "--doctest-report=udiff", "--doctest-glob=*.nothing", "--doctest-ignore-import-errors",
    "--doctest-continue-on-failure", "--testrunuid=abc", "--loadscope-reorder", "--no-loadscope-reorder",
    "--allure-no-capture", "--allure-link-pattern=issue:file:{}", "--timeout=50", "--timeout-method=signal",
    "--timeout_method=signal", "--timeout-disable-debugger-detection", "--session-timeout=600",
    "--filesystem=tmpfs", "--accel=tcg", "--vm-silence=100", "--vm-losses=3", "--vm-jobs=1", "-p reports.plugin",
    "--bisect",
]  # fmt: skip
"""Options that work in VMs, all tested in one run; ~ stands for a space in a value."""

WITHOUT_A_VM = ["--collect-only", "--list", "--list --json", "--help", "--version"]
"""Options that need no VM."""

ELSEWHERE = [
    "--json", "--host", "--cpus", "--memory", "--append", "--gdb", "--gdb-port", "--baseline", "--known-issues",
    "-x", "--lf", "--results", "--kernel", "--modules", "--matrix", "--interface", "--junit-xml", "-c",
    "--allure-severities", "--allure-epics", "--allure-features", "--allure-stories", "--allure-ids", "--allure-label",
]  # fmt: skip
"""Options that other tests cover."""


def spelled(words: str) -> str:
    """Return the option in a row of the tables."""
    return re.split("[ =]", words)[0]


def test_the_tables_know_every_option():
    """A new release of pytest or of a plugin may add one: try it with --kernel, and add it above."""
    command = pytest_command("--help")
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    known = {spelled(words) for row in REFUSED.values() for words in row}
    known |= {spelled(words) for words in (*WORKS, *WITHOUT_A_VM, *ELSEWHERE)}
    options = [
        re.findall(r"--?[a-zA-Z][\w-]*", line[:79]) for line in re.findall(r"^  (-.*)", listed, re.MULTILINE)
    ]
    assert len(options) > 100
    assert [names for names in options if not known & set(names)] == []


def test_the_tables_know_every_plugin_of_pytest():
    known = options.NEEDED | set(UNNEEDED) | set(essential_plugins) | {"pytester", "pytester_assertions"}
    assert builtin_plugins - known == set()


ONE_AFTER_THE_OTHER = """
import contextlib, io, json, pytest, sys
for line in sys.stdin:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = pytest.main(json.loads(line))
    print(json.dumps([int(code), said.getvalue()]))
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """pytest's message and exit code for each rejected option, from one process, because starting takes long."""
    results = tmp_path_factory.mktemp("results") / "out"
    every = [words for row in REFUSED.values() for words in row]
    always = [*pytest_command()[3:], SMALL, "--kernel", "6.12", "--results", str(results)]
    lines = "\n".join(
        json.dumps([*always, *(word.replace("~", " ") for word in words.split())]) for words in every
    )
    python = [sys.executable, "-c", ONE_AFTER_THE_OTHER]
    done = subprocess.run(python, cwd=PROJECT, input=lines, stdout=subprocess.PIPE, text=True, check=True)
    assert not results.exists()
    return dict(zip(every, map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.parametrize(
    ("words", "reason"), [(words, reason) for reason, row in REFUSED.items() for words in row], ids=str
)
def test_what_can_not_work_is_refused_in_one_line(said, words, reason):
    code, output = said[words]
    lines = [line for line in output.splitlines() if line and "pytest debug information" not in line]
    assert (code, len(lines)) == (4, 1), output
    assert lines[0].startswith("ERROR: ")
    assert reason.replace("~", " ") in lines[0]


WITHOUT_KERNEL = [
    "--cpus=2", "--memory=640", "--append=x", "--gdb", "--gdb-port=1", "--modules=x", "--vm-jobs=0", "--accel=auto",
    "--vm-silence=120", "--vm-losses=10",
]  # fmt: skip


@pytest.mark.parametrize("here", [[], ["--on-this-machine"]], ids=["no-kernel", "this-machine"])
@pytest.mark.parametrize("word", WITHOUT_KERNEL)
def test_what_is_about_vms_needs_a_kernel(word, here):
    done = subprocess.run(pytest_command(word, *here, SMALL), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.split() == f"ERROR: {word.partition('=')[0]}: needs --kernel NAME|PATH".split()


def test_python_without_asserts_is_refused(tmp_path):
    session = sessions.run("vm/tests", results=tmp_path / "out", environment={"PYTHONOPTIMIZE": "1"})
    (line,) = session.output.strip().splitlines()
    assert (session.code, "leaves out the asserts" in line) == (4, True)


def test_plugins_that_are_not_loaded_are_missed(tmp_path):
    environment = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    session = sessions.run("--kernel", "6.12", SMALL, results=tmp_path / "out", environment=environment)
    (line,) = session.output.strip().splitlines()
    assert (session.code, "needs the plugin pytest-xdist" in line) == (4, True)


@pytest.mark.parametrize("option", WITHOUT_A_VM)
def test_what_needs_no_vm_boots_none(tmp_path, option):
    session = sessions.run("--kernel", "/nowhere", *option.split(), SMALL, results=tmp_path / "out")
    assert (session.code, session.results.exists()) == (0, False), session.output


def test_options_that_work(tmp_path):
    """The values of -k, -m and --deselect select three of four tests."""
    words = [word.replace("~", " ") for row in WORKS for word in row.split()]
    junit = f"--junit-xml={tmp_path / 'junit.xml'}"
    session = sessions.run("--kernel", "6.12", *words, junit, SMALL, results=tmp_path / "out")
    assert session.code == 1, session.output
    assert list(session.statuses("6.12").values()) == ["pass", "fail", "pass"]
    assert 'classname="prefix.vm.tests.faults.complaint"' in (tmp_path / "junit.xml").read_text()


UNNEEDED = [
    "cacheprovider", "doctest", "faulthandler", "junitxml", "legacypath", "logging", "pastebin", "setuponly",
    "setupplan", "stepwise", "terminalprogress", "threadexception", "unittest", "unraisableexception",
]  # fmt: skip
"""Plugins of pytest that a run does not need."""


def test_plugins_that_a_run_can_do_without(tmp_path):
    without = [f"-pno:{name}" for name in UNNEEDED]
    session = sessions.run("--kernel", "6.12", *without, "-x", SMALL, results=tmp_path / "out")
    assert (session.code, list(session.statuses("6.12").values())[:2]) == (1, ["pass", "fail"]), (
        session.output
    )


def test_allures_labels_select(tmp_path):
    labels = ["--allure-features=fanotify_init", "--allure-epics=fanotify", "--allure-stories=INIT-TID"]
    words = ["suites/fanotify_init", "-k", "test_limits or test_flags"]
    session = sessions.run("--kernel", "6.12", *labels, *words, results=tmp_path / "out")
    assert session.code == 0, session.output
    assert {behaviour for record in session.records() for behaviour in record["behaviours"]} >= {"INIT-TID"}
