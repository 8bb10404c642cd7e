# SPDX-License-Identifier: GPL-2.0-or-later
import json
import platform
import re
import shutil
import threading
from collections import Counter
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from helpers.contract.behaviours import Behaviour
from helpers.contract.results import Result, read
from helpers.contract.status import Status
from reports.allure import (
    CATEGORIES,
    MixedUpError,
    complete,
    configuration,
    environment,
    executor_of,
    export,
    lost,
    render,
)
from reports.tests.conftest import Finished, Project, on

GOLDEN = Path(__file__).parent / "golden"
RESULTS = read(GOLDEN / "results.jsonl").results

TESTS = '''
import os, signal
import allure, pytest

@pytest.fixture(params=["tmpfs", ("ext4", 7)], ids=["plain", "rich"])
def filesystem(request):
    return request.param

@pytest.fixture
def panics():
    if os.environ.get("PANIC"):
        os.kill(os.getpid(), signal.SIGKILL)

@pytest.mark.slow
@pytest.mark.allure_label("fanotify", label_type="epic")
@pytest.mark.allure_description("MARK-1: it does what it says")
@pytest.mark.allure_link("somewhere", link_type="link", name="man page")
@pytest.mark.behaviour("MARK-1")
class TestMark:
    @pytest.mark.parametrize("flags", [0, 1])
    def test_in_the_call(self, filesystem, flags):
        """Says more."""
        if os.environ.get("PANIC") == f"{filesystem}{flags}":
            os.kill(os.getpid(), signal.SIGKILL)

@allure.title("a title: {flags}")
@pytest.mark.parametrize("flags", ["a", b"b"])
def test_title(flags) -> None:
    if os.environ.get("PANIC") == f"title {flags}":
        os.kill(os.getpid(), signal.SIGKILL)

@pytest.mark.behaviour("MARK-2")
def test_in_the_setup(panics) -> None:
    pass
'''


def allure_results(run: Finished) -> dict[str, dict[str, Any]]:
    """Return what lies in the merged directory, by the test's name."""
    files = (run.directory / "allure-results").glob("*-result.json")
    return {result["name"]: result for result in (json.loads(file.read_text()) for file in files)}


def identity(result: dict[str, Any]) -> dict[str, Any]:
    """Return what must not depend on whether the VM was lost; the process is another one each time."""
    labels = sorted(
        (label["name"], label["value"]) for label in result["labels"] if label["name"] != "thread"
    )
    fixed = ("name", "fullName", "titlePath", "testCaseId", "historyId", "description", "parameters", "links")
    return {"labels": labels, **{name: result.get(name) for name in fixed}}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("project"))
    project.environment["ALLURE"] = "1"
    project.write("test_marks.py", "import pytest\npytestmark = pytest.mark.wide\n" + TESTS)
    project.write("pytest.ini", "[pytest]\nmarkers =\n    slow\n    wide\n")
    return project


@pytest.fixture(scope="module")
def whole(project: Project) -> Finished:
    """A run of which allure-pytest wrote everything."""
    return project.run_here(results="whole", kernel="6.12")


@pytest.mark.parametrize(
    ("panic", "name"),
    [
        ("tmpfs1", "test_in_the_call[plain-1]"),
        ("('ext4', 7)0", "test_in_the_call[rich-0]"),
        ("title b'b'", "a title: b'b'"),
    ],
)
def test_a_lost_test_is_the_test_that_allure_pytest_knows(
    project: Project, whole: Finished, monkeypatch: pytest.MonkeyPatch, panic: str, name: str
) -> None:
    monkeypatch.setenv("PANIC", panic)
    run = project.run(*on(["6.12"]), "-k", "not setup", results=panic)
    found = allure_results(run)[name]
    assert identity(found) == identity(allure_results(whole)[name])
    assert found["status"] == "broken"
    assert found["statusDetails"]["message"] == "panic: Kernel panic - not syncing: Fatal exception"
    (console,) = found["attachments"]
    assert "BUG: unable" in (run.directory / "allure-results" / console["source"]).read_text()


def test_a_test_lost_in_its_setup_is_known_by_its_name(
    project: Project, whole: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PANIC", "setup")
    run = project.run(*on(["6.12"]), "-k", "setup", results="setup")
    assert run.results["6.12", "test_in_the_setup"].allure is None
    expected = identity(allure_results(whole)["test_in_the_setup"])
    found = identity(allure_results(run)["test_in_the_setup"])
    kept = ("name", "fullName", "titlePath", "testCaseId", "historyId", "parameters")
    assert {name: found[name] for name in kept} == {name: expected[name] for name in kept}
    assert set(found["labels"]) | {("host", platform.node())} >= set(expected["labels"]) - {("tag", "wide")}


def test_tests_lost_in_their_setup_are_told_apart() -> None:
    same = [Result("6.1", "", "", f"a.py::x[{parameter}]", [], Status.PANIC) for parameter in "ab"]
    other = [Result("6.2", "", "", "a.py::x[a]", [], Status.PANIC)]
    assert len({lost(result).historyId for result in same + other}) == 3


def test_the_same_test_on_two_kernels_is_two_results(project: Project, whole: Finished) -> None:
    other = project.run_here(results="other", kernel="7.2")
    here, there = allure_results(whole), allure_results(other)
    assert here.keys() == there.keys()
    assert len(here) == 7
    for name, result in here.items():
        assert result["testCaseId"] == there[name]["testCaseId"]
        assert result["historyId"] != there[name]["historyId"]
        assert {"name": "env", "value": "7.2"} in there[name]["labels"]


# ---- what the host adds ----

CATALOGUE = {
    one.id: one
    for one in (
        Behaviour("A-MAN", "a", source="fanotify(7), ERRORS; commit 09e7827e7857"),
        Behaviour("A-SOURCE", "a", source="fs/pidfs.c, commit 09e7827e7857"),
        Behaviour("A-DISPUTED", "a", source="fanotify(7)", documented="no", actual="yes"),
    )
}


def story(*ids: str) -> dict[str, Any]:
    return {"labels": [{"name": "story", "value": id_} for id_ in ids]}


@pytest.mark.parametrize(
    ("ids", "severity"),
    [
        (["A-MAN"], "critical"),
        (["A-SOURCE"], "normal"),
        (["A-DISPUTED"], "minor"),
        (["A-DISPUTED", "A-SOURCE"], "normal"),
        (["A-UNKNOWN"], None),
        ([], None),
    ],
)
def test_severity(ids: list[str], severity: str | None) -> None:
    labels = {label["name"]: label["value"] for label in complete(story(*ids), CATALOGUE)["labels"]}
    assert labels.get("severity") == severity


def test_links_lead_to_the_sources_of_all_behaviours_once_each() -> None:
    links = complete(story("A-MAN", "A-SOURCE", "A-DISPUTED"), CATALOGUE)["links"]
    assert [link["name"] for link in links] == [
        "fanotify(7), ERRORS",
        "commit 09e7827e7857",
        "fs/pidfs.c",
        "fanotify(7)",
    ]
    assert links[0] == {
        "type": "link",
        "url": "https://man7.org/linux/man-pages/man7/fanotify.7.html#ERRORS",
        "name": "fanotify(7), ERRORS",
    }


def test_what_a_guest_could_not_finish_writing_is_left_as_it_is(tmp_path: Path) -> None:
    guest_file(tmp_path, "6.12", "1-result.json", '{"name": "a')
    export(RESULTS, tmp_path)
    assert content(tmp_path)["1-result.json"] == b'{"name": "a'


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
    dying = ["--kernel", "7.2", "--tx", "popen//env:KERNEL=7.2//env:PANIC=tmpfs1"]
    run = project.run(*on(["6.12"]), *dying, results="rendered")
    render(run.directory)
    return run


@pytest.mark.timeout(300)  # the first time npm fetches allure
def test_no_result_is_taken_for_a_retry(rendered: Finished) -> None:
    widgets = rendered.directory / "allure-report" / "widgets"
    kernels = Counter(kernel for kernel, _ in rendered.results)
    everything = json.loads((widgets / "statistic.json").read_text())
    assert everything == {"total": kernels.total(), "passed": kernels.total() - 1, "broken": 1}
    for identity, kernel, broken in (("6_12", "6.12", {}), ("7_2", "7.2", {"broken": 1})):
        own = {"total": kernels[kernel], "passed": kernels[kernel] - len(broken), **broken}
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


# ---- the merged directory ----


def guest_file(run: Path, kernel: str, name: str, text: str = "{}") -> None:
    directory = run / kernel / "allure-results"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / name).write_text(text)


def content(run: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (run / "allure-results").iterdir()}


def test_export_gathers_what_the_guests_wrote_and_adds_what_they_could_not(tmp_path: Path) -> None:
    guest_file(tmp_path, "6.12", "1-result.json")
    guest_file(tmp_path, "7.2", "2-container.json")
    guest_file(tmp_path, "7.2", "3-attachment.txt")
    guest_file(tmp_path, "7.2", "4-result.json.tmp")
    export(RESULTS, tmp_path)
    names = sorted(content(tmp_path))
    assert {
        "1-result.json",
        "2-container.json",
        "3-attachment.txt",
        "categories.json",
        "environment.properties",
    } <= set(names)
    assert "4-result.json.tmp" not in names
    assert sum(name.endswith("-result.json") for name in names) == 4


def test_export_twice_is_export_once(tmp_path: Path) -> None:
    guest_file(tmp_path, "6.12", "1-result.json")
    export(RESULTS, tmp_path)
    before = content(tmp_path)
    export(RESULTS, tmp_path)
    assert content(tmp_path) == before


def test_files_that_would_replace_each_other_are_named(tmp_path: Path) -> None:
    guest_file(tmp_path, "6.12", "1-result.json", '{"name": "a"}')
    guest_file(tmp_path, "7.2", "1-result.json", '{"name": "b"}')
    guest_file(tmp_path, "7.2", "2-result.json")
    with pytest.raises(MixedUpError, match=r"7\.2/allure-results/1-result\.json"):
        export(RESULTS, tmp_path)
    assert "2-result.json" in content(tmp_path)


def test_environment() -> None:
    assert environment(RESULTS) == (GOLDEN / "environment.properties").read_text()


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
        ("broken", "panic: Oops\nand more", "Kernel panic"),
        ("broken", "hang: no sign of life", "The VM stood still"),
        ("broken", "lost: QEMU ended", "The VM was lost"),
        ("broken", "FileNotFoundError: panic: x", "The test itself broke"),
        ("skipped", "Skipped: not-implemented", "The kernel lacks the feature"),
        ("skipped", "XFAIL bug 7\n\nassert 0", "Known issue"),
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
