# SPDX-License-Identifier: GPL-2.0-or-later
import json
import re
import shutil
import threading
from collections import Counter
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from allure_commons import model2
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from helpers.contract import behaviours
from helpers.contract.behaviours import Behaviour
from helpers.contract.results import Result, read
from helpers.contract.status import Status
from reports.allure import (
    CATEGORIES,
    configuration,
    environment,
    executor_of,
    export,
    render,
)
from reports.allure_result import made
from reports.tests.conftest import Finished, Project, on
from reports.tests.test_formats import COMMIT, LINE

GOLDEN = Path(__file__).parent / "golden"
RESULTS = read(GOLDEN / "results.jsonl").results

TESTS = """
import os, signal
import allure, pytest

@pytest.mark.slow
@allure.title("a title: {flags}")
@allure.description("says more")
@allure.tag("ours")
@allure.link("https://example.org/1", name="one")
@pytest.mark.parametrize("flags", ["a", b"b"])
def test_decorated(flags) -> None: pass

@allure.step("within {number}")
def within(number):
    allure.attach("text of a step", "inner", allure.attachment_type.TEXT)

@pytest.mark.behaviour("MARK-2")
def test_marked(tmp_path) -> None:
    allure.dynamic.title("another title")
    allure.dynamic.link("https://example.org/2", name="two")
    allure.dynamic.severity(allure.severity_level.TRIVIAL)
    allure.dynamic.parameter("seen", 7)
    with allure.step("first"):
        within(3)
    allure.attach(b"\\xff bytes", "outer", allure.attachment_type.PNG)
    (tmp_path / "file").write_text("of a file")
    allure.attach.file(tmp_path / "file", extension="log")
    with allure.step("second"):
        if os.environ.get("PANIC"):
            os.kill(os.getpid(), signal.SIGKILL)
        assert 1 == 2, "no"

def test_large() -> None:
    allure.attach("x" * 1_000_000, "large")

class TestPlain:
    @pytest.mark.parametrize("number", [1])
    def test_nothing_marked(self, number) -> None: pass
"""


def allure_results(run: Finished) -> dict[str, dict[str, Any]]:
    """Return Allure's results by the name of the function."""
    files = (run.directory / "allure-results").glob("*-result.json")
    results = [json.loads(file.read_text()) for file in files]
    return {result["fullName"].rpartition("#")[2] + _case(result): result for result in results}


def _case(result: dict[str, Any]) -> str:
    return "".join(f"[{one['value']}]" for one in result["parameters"] if one["name"] == "case")


def values(entries: list[dict[str, str]], name: str) -> list[str]:
    return [one["value"] for one in entries if one["name"] == name]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("project"))
    project.write("test_marks.py", "import pytest\npytestmark = pytest.mark.wide\n" + TESTS)
    project.write("pytest.ini", "[pytest]\nmarkers =\n    slow\n    wide\n")
    return project


@pytest.fixture(scope="module", params=["here", "worker"])
def whole(project: Project, request: pytest.FixtureRequest) -> Finished:
    """A run in this process, and one in a worker of pytest-xdist, which is what a guest is."""
    if request.param == "here":
        return project.run_here(results="whole", kernel="6.12")
    return project.run(*on(["6.12"]), results="worker")


def test_what_decorators_say_arrives(whole: Finished) -> None:
    result = allure_results(whole)["test_decorated[a]"]
    assert (result["name"], result["description"]) == ("a title: a", "says more")
    assert {"slow", "wide", "ours"} == set(values(result["labels"], "tag"))
    assert {"type": "link", "url": "https://example.org/1", "name": "one"} in result["links"]


def test_what_a_test_says_arrives(whole: Finished) -> None:
    result = allure_results(whole)["test_marked"]
    assert result["name"] == "another title"
    assert [link["name"] for link in result["links"]] == ["two"]
    assert values(result["parameters"], "seen") == ["7"]
    assert values(result["labels"], "severity") == ["trivial"]
    first, second = result["steps"]
    assert (first["name"], first["status"], first["steps"][0]["name"]) == ("first", "passed", "within 3")
    assert (second["status"], second["statusDetails"]["message"]) == (
        "failed",
        "AssertionError: no\nassert 1 == 2",
    )


def attached(run: Finished, entry: dict[str, Any]) -> dict[str, bytes]:
    files = run.directory / "allure-results"
    return {one["name"]: (files / one["source"]).read_bytes() for one in entry.get("attachments", [])}


def test_attachments_arrive(whole: Finished) -> None:
    result = allure_results(whole)["test_marked"]
    outer = attached(whole, result)
    assert outer["outer"] == b"\xff bytes"
    assert outer["file"] == b"of a file"
    assert b"assert 1 == 2" in outer["traceback"]
    assert attached(whole, result["steps"][0]["steps"][0]) == {"inner": b"text of a step"}


def test_a_large_attachment_is_left_out_and_said(whole: Finished) -> None:
    (content,) = attached(whole, allure_results(whole)["test_large"]).values()
    assert content == b"left out: 1000000 bytes, and a test may attach about 150000"


def test_a_test_that_marks_nothing_sends_nothing(whole: Finished) -> None:
    (plain,) = [result for result in whole.results.values() if "nothing" in result.test]
    assert plain.allure == {"labels": [{"name": "tag", "value": "wide"}]}


def test_what_decorators_say_of_a_lost_test_is_known(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PANIC", "1")
    run = project.run(*on(["6.12"]), "-k", "marked", results="lost")
    result = allure_results(run)["test_marked"]
    assert values(result["labels"], "tag") == ["wide"]
    assert result["statusDetails"]["message"] == "panic: Kernel panic - not syncing: Fatal exception"
    assert b"BUG: unable" in attached(run, result)["console"]


IDS = ("fullName", "testCaseId", "historyId")


def ids(result: Result) -> dict[str, Any]:
    test, _ = made(result, {})
    return {name: getattr(test, name) for name in IDS}


NODE = "suites/a/test_a.py::TestA::test_x[p-q]"


@pytest.mark.parametrize("status", Status)
def test_what_became_of_a_test_does_not_change_its_ids(status: Status) -> None:
    one = Result("6.12", "6.12.1", "kvm", NODE, ["A-B"], status, started="2026-01-02T03:04:05+00:00")
    assert ids(one) == {
        "fullName": "suites.a.test_a.TestA#test_x",
        "testCaseId": "09d9dc8db4489173281e3bc21757ce59",
        "historyId": "ae6145c7d8002090f3604c5e876419fc",
    }


def test_kernels_and_parameters_tell_histories_apart() -> None:
    same = [Result("6.1", "", "", f"a.py::x[{parameter}]", [], Status.PANIC) for parameter in "ab"]
    other = [Result("6.2", "", "", "a.py::x[a]", [], Status.PANIC)]
    found = [ids(result) for result in same + other]
    assert len({one["historyId"] for one in found}) == 3
    assert len({one["testCaseId"] for one in found}) == 1


ODD_MARKS = [
    {"labels": 1},
    {"labels": [1]},
    {"links": {}},
    {"links": [{"type": 1}]},
    {"steps": [{"name": "no start"}]},
    {"attachments": [{"name": "a", "type": "", "extension": "../x", "base64": "%"}]},
    {"attachments": [{"name": "a", "type": "", "extension": "../../x", "text": "y"}]},
    {"name": "\x1b[31m"},
]


@pytest.mark.parametrize("marks", ODD_MARKS, ids=str)
def test_what_a_guest_says_costs_at_most_its_marks(tmp_path: Path, marks: dict[str, Any]) -> None:
    result = Result("6.12", "", "", "a.py::x", [], Status.PASS, allure=marks)
    export([result], tmp_path)
    files = list((tmp_path / "allure-results").iterdir())
    assert sum(file.name.endswith("-result.json") for file in files) == 1
    assert b"\x1b" not in b"".join(file.read_bytes() for file in files)
    assert all(file.resolve().parent == tmp_path / "allure-results" for file in files)


# ---- where it is filed ----


def test_every_behaviour_is_filed_under_the_interface_of_its_suite() -> None:
    known = behaviours.load()
    suites = {one.suite: one.epic for one in known.values()}
    assert suites == dict.fromkeys(suites, "fanotify") | {
        suite: "pidfd" for suite in suites if suite.startswith(("pidfd_", "clone_pidfd"))
    }
    for name, one in known.items():
        test, _ = made(Result("6.1", "", "", "a.py::x", [name], Status.PASS), known)
        labels = {label.name: label.value for label in test.labels}
        assert (labels["epic"], labels["feature"], labels["story"]) == (one.epic, one.suite, name)


# ---- what the host adds ----

CATALOGUE = {
    one.id: one
    for one in (
        Behaviour("A-MAN", "a", source=f"fanotify(7), ERRORS; commit {COMMIT}"),
        Behaviour("A-COMMIT", "a", source=f"fs/pidfs.c; commit {COMMIT}"),
        Behaviour("A-CODE", "a", source="fs/pidfs.c, pidfd_info()"),
        Behaviour("A-DISPUTED", "a", source="fanotify(7)", documented="no", actual="yes"),
    )
}


def verifying(*ids: str) -> model2.TestResult:
    return made(Result("6.1", "", "", "a.py::x", [*ids], Status.PASS), CATALOGUE)[0]


@pytest.mark.parametrize(
    ("ids", "severity"),
    [
        (["A-MAN"], "critical"),
        (["A-COMMIT"], "normal"),
        (["A-CODE"], "minor"),
        (["A-DISPUTED"], "minor"),
        (["A-DISPUTED", "A-COMMIT"], "normal"),
        (["A-UNKNOWN"], None),
        ([], None),
    ],
)
def test_severity(ids: list[str], severity: str | None) -> None:
    labels = {label.name: label.value for label in verifying(*ids).labels}
    assert labels.get("severity") == severity


def test_links_lead_to_the_sources_of_all_behaviours_once_each() -> None:
    links = verifying("A-MAN", "A-COMMIT", "A-DISPUTED").links
    assert [link.name for link in links] == [
        "fanotify(7), ERRORS",
        "commit 09e7827e7857",
        "fs/pidfs.c",
        "fanotify(7)",
    ]
    assert links[0].url == "https://man7.org/linux/man-pages/man7/fanotify.7.html#ERRORS"


# ---- the report as HTML ----


def test_kernels_with_odd_names_are_environments_of_their_own() -> None:
    names = ["6.1", "6_1", "a/b", "\x1b[31m", "x" * 500, "é"]
    text = configuration("run", {name: [] for name in names})
    (found,) = re.findall(r"const kernels = (\{.*?^\});", text, re.DOTALL | re.MULTILINE)
    environments = json.loads(found)
    assert [one["label"] for one in environments.values()] == names
    assert all(re.fullmatch("[A-Za-z0-9_-]{1,64}", identity) for identity in environments)
    assert all(re.fullmatch(r"[^/\\\x00-\x1f]{1,64}", one["name"]) for one in environments.values())


@pytest.fixture(scope="module")
def rendered(project: Project) -> Finished:
    """A run on two kernels, of which one died, as Allure 3 shows it."""
    if not shutil.which("npx"):
        pytest.skip("Allure 3 needs Node.js: npx is missing")
    dying = ["--kernel", "7.2", "--tx", "popen//env:KERNEL=7.2//env:PANIC=1"]
    run = project.run(*on(["6.12"]), *dying, results="rendered")
    render(run.directory)
    return run


@pytest.mark.timeout(300)  # the first time npm fetches allure
def test_no_result_is_taken_for_a_retry(rendered: Finished) -> None:
    widgets = rendered.directory / "allure-report" / "widgets"
    kernels = Counter(kernel for kernel, _ in rendered.results)
    everything = json.loads((widgets / "statistic.json").read_text())
    assert everything == {"total": kernels.total(), "passed": kernels.total() - 2, "broken": 1, "failed": 1}
    for identity, kernel, bad in (("6_12", "6.12", "failed"), ("7_2", "7.2", "broken")):
        own = {"total": kernels[kernel], "passed": kernels[kernel] - 1, bad: 1}
        assert json.loads((widgets / identity / "statistic.json").read_text()) == own


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_the_report_opens_in_chromium(rendered: Finished, browser: Chrome) -> None:
    handler = partial(_Quiet, directory=str(rendered.directory / "allure-report"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser.get(f"http://127.0.0.1:{server.server_port}/")
        shown = lambda _: "broken" in browser.find_element(By.TAG_NAME, "body").text.lower()  # noqa: E731
        WebDriverWait(browser, 20).until(shown)
        text = browser.find_element(By.TAG_NAME, "body").text
        server.shutdown()
    assert "fapitest rendered" in text
    assert f"Results\n{len(rendered.results)}" in text


# ---- what lies beside the results ----


def content(run: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (run / "allure-results").iterdir()}


def test_every_result_is_there_with_its_evidence(tmp_path: Path) -> None:
    export(RESULTS, tmp_path)
    names = content(tmp_path)
    assert {"categories.json", "environment.properties"} <= names.keys()
    assert sum(name.endswith("-result.json") for name in names) == len(RESULTS)
    assert [name.rpartition("attachment")[0][37:] for name in names if "attachment" in name].count(
        "kernel-log-"
    ) == 1


def test_export_twice_is_export_once(tmp_path: Path) -> None:
    export(RESULTS, tmp_path)
    before = content(tmp_path)
    export(RESULTS, tmp_path)
    assert content(tmp_path) == before


def test_environment() -> None:
    assert environment(RESULTS, LINE) == (GOLDEN / "environment.properties").read_text()


def category(status: str, message: str) -> list[str]:
    """Return the categories that a result falls into: the pattern has to match all of the message."""
    return [
        name
        for name, of, pattern in CATEGORIES
        if of == status and (pattern is None or re.fullmatch(pattern, message))
    ]


@pytest.mark.parametrize(
    ("status", "message", "name"),
    [
        ("failed", "expected EINVAL", "The kernel breaks the documented behaviour"),
        ("failed", "decided: expected EINVAL", "The kernel does not do what a commit or a mail decided"),
        ("failed", "observed: kernel code only: expected EINVAL", "Observed: kernel code only"),
        ("broken", "panic: Oops\nand more", "Kernel panic"),
        ("broken", "hang: no sign of life", "The VM stood still"),
        ("broken", "lost: QEMU ended", "The VM was lost"),
        ("broken", "FileNotFoundError: panic: x", "The test itself broke"),
        ("skipped", "Skipped: not-implemented", "The kernel lacks the feature"),
        ("skipped", "XFAIL bug 7\n\nassert 0", "Known issue"),
        ("unknown", "not run: the run was killed", "Planned, and not run"),
    ],
)
def test_each_result_is_in_one_category(status: str, message: str, name: str) -> None:
    assert category(status, message) == [name]


@pytest.mark.parametrize(
    ("variables", "executor"),
    [
        ({}, None),
        ({"BUILD_URL": "u", "JOB_NAME": "j"}, None),
        (
            {"BUILD_URL": "u", "JOB_NAME": "j", "BUILD_NUMBER": "7"},
            {"type": "jenkins", "name": "Jenkins", "buildName": "j #7", "buildOrder": 7, "buildUrl": "u"},
        ),
        (
            {"CI_JOB_URL": "u", "CI_JOB_NAME": "vm-6.12", "CI_PIPELINE_IID": "7"},
            {
                "type": "gitlab",
                "name": "GitLab CI",
                "buildName": "vm-6.12 #7",
                "buildOrder": 7,
                "buildUrl": "u",
            },
        ),
    ],
    ids=["none", "not enough", "jenkins", "gitlab"],
)
def test_executor(variables: dict[str, str], executor: dict[str, object] | None) -> None:
    assert executor_of(variables) == executor
