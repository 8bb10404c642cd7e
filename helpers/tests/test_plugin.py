# SPDX-License-Identifier: GPL-2.0-or-later
"""The plugin: tests of the suites name the behaviours that they verify, and skip only for typed reasons."""

import os
from typing import Any

import pytest

from helpers.contract.releases import Release

pytest_plugins = ["pytester"]


def run(suite: pytest.Pytester, test: str, *options: str) -> pytest.RunResult:
    text = f"import pytest\nfrom helpers import skips\nbehaviour = pytest.mark.behaviour\n{test}"
    (suite.path / "suites" / "fanotify_init" / "test_it.py").write_text(text)
    return suite.runpytest_inprocess("-rA", "suites", *options)


def properties(suite: pytest.Pytester, test: str) -> list[tuple[str, object]]:
    reports: list[pytest.TestReport] = []

    class Recorder:
        def pytest_runtest_logreport(self, report: Any) -> None:
            reports.append(report)

    text = f"import pytest\nfrom helpers import skips\nbehaviour = pytest.mark.behaviour\n{test}"
    (suite.path / "suites" / "fanotify_init" / "test_it.py").write_text(text)
    suite.inline_run("suites", plugins=[Recorder()])
    pairs = [pair for report in reports if report.when == "call" for pair in report.user_properties]
    return [pair for pair in pairs if pair[0] != "baseline"]


def test_behaviours_are_properties(suite: pytest.Pytester) -> None:
    test = """
pytestmark = behaviour("INIT-OTHER")
class TestClass:
    @pytest.mark.parametrize("x", [pytest.param(1, marks=behaviour("INIT-OTHER"))])
    @behaviour("INIT-BASIC")
    def test_it(self, x): pass
"""
    assert sorted(properties(suite, test)) == [("behaviour", "INIT-BASIC"), ("behaviour", "INIT-OTHER")]


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ("def test_it(): pass", "suites/fanotify_init/test_it.py::test_it names no behaviour*"),
        (
            "@behaviour('INIT-X')\ndef test_it(): pass",
            "suites/fanotify_init/test_it.py::test_it names an unknown behaviour: INIT-X",
        ),
    ],
    ids=["none", "unknown"],
)
def test_a_test_must_name_a_known_behaviour(suite: pytest.Pytester, test: str, message: str) -> None:
    result = run(suite, test)
    result.stdout.fnmatch_lines([message])
    result.assert_outcomes(errors=1)


def test_errnos_and_signals_are_in_ids_by_name(suite: pytest.Pytester) -> None:
    test = """
from signal import SIGKILL
@pytest.mark.parametrize(("signal", "answer"), [(SIGKILL, 1)])
@behaviour('INIT-BASIC')
def test_it(signal, answer): pass
"""
    run(suite, test).stdout.fnmatch_lines(
        ["PASSED suites/fanotify_init/test_it.py::test_it[[]SIGKILL-EPERM]"]
    )


def test_a_wrong_behaviours_file_is_named(suite: pytest.Pytester) -> None:
    (suite.path / "suites" / "fanotify_init" / "behaviours.toml").write_text("[INIT-BASIC]")
    result = run(suite, "@behaviour('INIT-BASIC')\ndef test_it(): pass")
    result.stdout.fnmatch_lines(["*behaviours.toml: INIT-BASIC: 'since' is missing"])


def test_other_rooms_name_nothing(suite: pytest.Pytester) -> None:
    suite.makepyfile("import pytest\ndef test_it(): pytest.skip('why not')")
    suite.runpytest_inprocess().assert_outcomes(skipped=1)


def test_a_wrong_answer_of_some_rules_breaks_no_other_behaviour(suite: pytest.Pytester) -> None:
    test = """
from helpers.errors import Deviation, hold_to_rules
@behaviour("INIT-BASIC", "INIT-OTHER")
def test_it(): hold_to_rules([Deviation("INIT-OTHER", "init(): expected ok, answered EPERM")] * 9)
"""
    assert properties(suite, test) == [("behaviour", "INIT-OTHER")]
    run(suite, test).stdout.fnmatch_lines(
        ["*UnexpectedAnswer: INIT-OTHER: init(): expected ok, answered EPERM (wrong answers: 9)"]
    )


def test_baseline_is_told(suite: pytest.Pytester) -> None:
    test = """
from helpers import baseline
@behaviour("INIT-BASIC")
def test_it(request):
    assert request.node.user_properties[-1] == ("baseline", baseline.current().name)
    assert baseline.current().name.startswith("Linux ")
"""
    run(suite, test).assert_outcomes(passed=1)


CALL = "import os\n@behaviour('INIT-BASIC')\n"
REFUSED = "os.open('/nowhere', 0): ENOENT (No such file or directory: '/nowhere')"


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ("def test_it(): os.open('/nowhere', 0)", f"*UnexpectedAnswer: def test_it(): {REFUSED}"),
        (
            "def test_it(refused): pass\n@pytest.fixture\ndef refused():\n    os.open('/nowhere', 0)",
            f"*UnexpectedAnswer: {REFUSED}",
        ),
        (
            "def test_it(refused): pass\n@pytest.fixture\ndef refused():\n    yield\n    os.open('/nowhere', 0)",
            f"*UnexpectedAnswer: {REFUSED}",
        ),
        ("def test_it(): {}['x']", "*KeyError: 'x'"),
    ],
    ids=["call", "setup", "teardown", "of-the-suite"],
)
def test_a_call_that_the_kernel_refuses_is_a_wrong_answer(
    suite: pytest.Pytester, test: str, said: str
) -> None:
    run(suite, f"{CALL}{test}").stdout.fnmatch_lines([said])


ISSUE = """
[[issue]]
tests = ["suites/fanotify_init/test_it.py::test_it"]
match = "24 bytes"
reason = "it counts wrong"
link = "commit 0123456789ab"
fixed = []
seen = ["{seen}"]
expires = 2027-06-01
"""
SEEN = str(Release.parse(os.uname().release).number)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("body", "seen", "outcome"),
    [
        ("assert 0, '24 bytes'", SEEN, {"xfailed": 1}),
        ("assert 0, '25 bytes'", SEEN, {"failed": 1}),
        ("{}['24 bytes']", SEEN, {"failed": 1}),
        ("raise OSError(22, 'read(24 bytes): EINVAL')", SEEN, {"xfailed": 1}),
        ("raise KernelFault('BUG: 24 bytes')", SEEN, {"failed": 1}),
        ("pass", SEEN, {"failed": 1}),
        ("pass", "2.6.37", {"xpassed": 1}),
    ],
    ids=["known", "another", "of-the-suite", "refused", "splat", "passes", "passes-elsewhere"],
)
def test_known_issues(suite: pytest.Pytester, body: str, seen: str, outcome: dict[str, int]) -> None:
    (suite.path / "suites" / "known_issues.toml").write_text(ISSUE.format(seen=seen))
    test = f"from helpers.contract.known_issues import KernelFault\n@behaviour('INIT-BASIC')\ndef test_it(): {body}"
    run(suite, test).assert_outcomes(**outcome)


def test_a_splat_while_a_known_issue_is_torn_down_is_a_failure(suite: pytest.Pytester) -> None:
    (suite.path / "suites" / "known_issues.toml").write_text(ISSUE.format(seen=SEEN))
    test = """
from helpers.contract.known_issues import KernelFault
@pytest.fixture
def splat():
    yield
    raise KernelFault("BUG: 24 bytes")
@behaviour("INIT-BASIC")
def test_it(splat): assert 0, "24 bytes"
"""
    run(suite, test).assert_outcomes(xfailed=1, errors=1)


@pytest.mark.parametrize(("feature", "outcome"), [("FANOTIFY", "xfailed"), ("FASTPATH", "failed")])
def test_known_issues_of_a_feature(suite: pytest.Pytester, feature: str, outcome: str) -> None:
    (suite.path / "suites" / "known_issues.toml").write_text(
        f'{ISSUE.format(seen=SEEN)}feature = "{feature}"'
    )
    test = "@behaviour('INIT-BASIC')\ndef test_it(): assert 0, '24 bytes'"
    run(suite, test).assert_outcomes(**{outcome: 1})


def test_known_issues_of_a_feature_that_there_is_not(suite: pytest.Pytester) -> None:
    (suite.path / "suites" / "known_issues.toml").write_text(f'{ISSUE.format(seen=SEEN)}feature = "FANTIFY"')
    result = run(suite, "@behaviour('INIT-BASIC')\ndef test_it(): pass")
    result.stderr.fnmatch_lines(["*known issues: unknown feature FANTIFY"])


def test_typed_skip_is_told(suite: pytest.Pytester) -> None:
    test = "@behaviour('INIT-BASIC')\ndef test_it(): skips.kconfig('CONFIG_X is not set')"
    assert properties(suite, test)[1:] == [("skip-kind", "kconfig"), ("skip-text", "CONFIG_X is not set")]
    run(suite, test).stdout.fnmatch_lines(
        ["SKIPPED*fanotify_init/test_it.py:*: kconfig: CONFIG_X is not set"]
    )


@pytest.mark.parametrize(
    ("test", "outcome"),
    [
        ("def test_it(): pytest.skip('lazy')", "failed"),
        ("@pytest.mark.skip(reason='lazy')\ndef test_it(): pass", "errors"),
        ("@pytest.mark.skipif('True', reason='lazy')\ndef test_it(): pass", "errors"),
        ("@pytest.fixture\ndef no(): pytest.skip('lazy')\ndef test_it(no): pass", "errors"),
    ],
    ids=["call", "mark", "condition", "fixture"],
)
def test_untyped_skip_is_a_mistake(suite: pytest.Pytester, test: str, outcome: str) -> None:
    result = run(suite, f"pytestmark = behaviour('INIT-BASIC')\n{test}")
    result.stdout.fnmatch_lines(["*UntypedSkip: skipped without a typed reason (helpers.skips): lazy"])
    result.assert_outcomes(**{outcome: 1})


def test_suites_are_for_root(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    result = run(suite, "@behaviour('INIT-BASIC')\ndef test_it(): pass")
    result.stdout.fnmatch_lines(["*NotRootError: the suites need root*"])
    result.assert_outcomes(errors=1)


def test_allure_hears_of_behaviours(suite: pytest.Pytester) -> None:
    run(suite, "@behaviour('INIT-BASIC')\ndef test_it(): pass", "--alluredir", "allure")
    (result,) = suite.path.glob("allure/*-result.json")
    text = result.read_text()
    for label in (
        '"epic", "value": "fanotify"',
        '"feature", "value": "fanotify_init"',
        '"story", "value": "INIT-BASIC"',
    ):
        assert label in text
    assert "INIT-BASIC: works\\n\\nSource: fanotify_init(2)" in text


def test_filesystems_can_be_chosen(suite: pytest.Pytester) -> None:
    test = """
@behaviour("INIT-BASIC")
def test_each(filesystem): pass
@behaviour("INIT-BASIC")
def test_other(): pass
"""
    run(suite, test, "--filesystem", "ext4", "--filesystem", "xfs").assert_outcomes(passed=3, deselected=4)


OPTIONS = {
    "--interface": (
        "[queue_fd]\ninit_flag = 0x10000\n",
        "from helpers import proposals; assert proposals.queue_fd().init_flag == 0x10000",
        "[queue_fd]\nflag = 1\n",
        "queue_fd: unknown key 'flag'",
    ),
    "--baseline": (
        'features = ["RENAME"]',
        "from helpers import baseline; assert baseline.current().name == 'file'",
        'features = ["RENAMED"]',
        "unknown feature RENAMED",
    ),
    "--known-issues": (
        ISSUE.format(seen="6.1"),
        "assert 0, '24 bytes'",
        "[[issue]]",
        "issue 1: 'expires' is missing",
    ),
}
"""For each option with a file: a valid file, what a test sees of it, an invalid file, and the message for that."""


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("workers", [[], ["-n", "1"]], ids=["here", "in-a-worker"])
def test_files_that_options_name_reach_workers(
    suite: pytest.Pytester, option: str, workers: list[str]
) -> None:
    content, body, _, _ = OPTIONS[option]
    (suite.path / "file.toml").write_text(content)
    result = run(suite, f"@behaviour('INIT-BASIC')\ndef test_it(): {body}", option, "file.toml", *workers)
    assert result.ret == 0, result.stdout.str()


@pytest.mark.parametrize("option", OPTIONS)
def test_files_that_options_name_are_looked_at_first(suite: pytest.Pytester, option: str) -> None:
    _, _, wrong, said = OPTIONS[option]
    (suite.path / "file.toml").write_text(wrong)
    result = run(suite, "@behaviour('INIT-BASIC')\ndef test_it(): pass", option, "file.toml")
    result.stderr.fnmatch_lines([f"*{option} file.toml: {said}*"])
