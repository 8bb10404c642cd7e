# SPDX-License-Identifier: GPL-2.0-or-later
"""The page as its readers have it: in Chromium, by mouse and by keyboard."""

import json
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.color import Color
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from helpers.contract.behaviours import Behaviour
from helpers.contract.manifest import Account, Balance, End
from helpers.contract.results import Reason, Result
from helpers.contract.status import Status
from reports import page
from reports.browser import chromium
from reports.diff import compare
from reports.matrix import build
from reports.run import PAGE
from reports.stored import Stored
from reports.tests.conftest import plan_of
from reports.tests.test_formats import CATALOGUE, COMMIT, ODD, RESULTS, odd_results
from reports.text import printable

RUN = "20260102T030405Z"
EARLIER = "20260101T000000Z"


def opened(browser: Chrome, file: Path, text: str) -> Chrome:
    file.write_text(text)
    browser.get_log("browser")  # what another page had to say
    browser.get(file.as_uri())
    return browser


@pytest.fixture
def shown(browser: Chrome, tmp_path: Path) -> Iterator[Chrome]:
    """A page of all statuses, with what changed since a run in which everything passed."""
    before = [Result(one.kernel, "", "", one.test, [], Status.PASS) for one in RESULTS]
    matrix = build(RESULTS, CATALOGUE, RUN, compare(Stored(EARLIER, before), Stored(RUN, RESULTS)))
    yield opened(browser, tmp_path / PAGE, page.html(matrix))
    assert [entry["message"] for entry in browser.get_log("browser")] == []


def cell(shown: Chrome, behaviour: str, kernel: str) -> WebElement:
    heads = [
        str(head.get_property("textContent")).strip()
        for head in shown.find_elements(By.CSS_SELECTOR, "#matrix thead th")
    ]
    row = shown.find_element(By.ID, behaviour).find_element(By.XPATH, "..")
    return row.find_elements(By.TAG_NAME, "td")[heads.index(kernel) - 1]


def rows(shown: Chrome) -> list[str]:
    """Return the ids of the rows that the filter has left."""
    names = shown.find_elements(By.CSS_SELECTOR, "#matrix section:not([hidden]) tbody tr:not([hidden]) th b")
    return [str(name.get_property("textContent")) for name in names]


def focused(shown: Chrome) -> WebElement:
    return shown.switch_to.active_element


def press(shown: Chrome, *keys: str) -> None:
    ActionChains(shown).send_keys(*keys).perform()


def details(shown: Chrome) -> str:
    return shown.find_element(By.ID, "details").text


# ---- what it says ----


def test_the_first_line_says_what_came_out(shown: Chrome) -> None:
    heading = shown.find_element(By.TAG_NAME, "h1").text
    assert heading == "2 of 2 kernels break 3 of 8 behaviours; 3 more could not be judged."


def test_what_is_broken_stands_above_the_fold_with_its_message(shown: Chrome) -> None:
    broken = shown.find_element(By.ID, "broken")
    assert broken.location["y"] < 450
    first = broken.find_element(By.CSS_SELECTOR, "tbody tr")
    assert first.text.splitlines()[0].startswith("POPEN-4")
    assert "Kernel panic - not syncing: Fatal exception" in first.text


def test_totals(shown: Chrome) -> None:
    lines = [
        [cell.text for cell in row.find_elements(By.CSS_SELECTOR, "td")]
        for row in shown.find_elements(By.CSS_SELECTOR, "#totals tbody tr")
    ]
    assert lines == [
        ["", "1"],
        ["", "1"],
        ["", "1"],
        ["2", ""],
        ["1", ""],
        ["1", ""],
        ["", "1"],
        ["1", ""],
        ["1", ""],
        ["1", "3"],
        ["5 of 6", "6"],
    ]


def test_what_changed_stands_above_the_matrix(shown: Chrome) -> None:
    changed = shown.find_element(By.ID, "changed")
    assert EARLIER in changed.find_element(By.TAG_NAME, "thead").text
    kinds = [one.text for one in changed.find_elements(By.CSS_SELECTOR, "td[data-kind]")]
    assert kinds.count("regression") == 7
    assert kinds.count("gone") == 1  # it was planned, and did not run
    assert kinds.count("lost feature") == 1
    assert changed.location["y"] < shown.find_element(By.ID, "filter").location["y"]


def test_a_behaviour_has_its_statement_and_a_link_to_its_source(shown: Chrome) -> None:
    head = shown.find_element(By.ID, "MARK-1")
    assert head.find_element(By.TAG_NAME, "p").get_property("textContent") == "A mark is ignored."
    link = head.find_element(By.TAG_NAME, "a")
    assert link.get_property("textContent") == "fanotify_mark(2), ERRORS, EINVAL"
    address = "https://man7.org/linux/man-pages/man2/fanotify_mark.2.html#ERRORS:~:text=EINVAL"
    assert link.get_attribute("href") == address


def test_it_loads_nothing(shown: Chrome) -> None:
    assert shown.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_it_says_the_same_without_scripts(tmp_path: Path) -> None:
    with chromium(1300, 900, "--blink-settings=scriptEnabled=false") as browser:
        opened(browser, tmp_path / PAGE, page.html(build(RESULTS, CATALOGUE, RUN)))
        assert browser.find_element(By.TAG_NAME, "h1").text.startswith("2 of 2 kernels")
        assert cell(browser, "MARK-2", "6.12").text == "fail"
        assert not browser.find_element(By.ID, "filter").is_displayed()


# ---- the details of a cell ----


def test_a_click_shows_the_tests_behind_a_cell(shown: Chrome) -> None:
    cell(shown, "MARK-2", "6.12").click()
    text = details(shown)
    assert "MARK-2 on 6.12: fail" in text
    assert "suites/fanotify/test_mark.py::test_einval[FAN_MARK_ADD|FAN_MARK_REMOVE-EINVAL]" in text
    assert f"fail, was pass in {EARLIER}" in text
    assert "expected EINVAL, got 0\n  where flags = FAN_MARK_ADD|FAN_MARK_REMOVE" in text
    rerun = "suites/fanotify/test_mark.py::test_einval[FAN_MARK_ADD|FAN_MARK_REMOVE-EINVAL]"
    assert f"tox -e vm-6.12 -- '{rerun}'" in text
    assert "ADD and REMOVE exclude each other." in text


def test_a_panic_shows_the_console(shown: Chrome) -> None:
    cell(shown, "POPEN-4", "7.2").click()
    assert "The console's last lines:" in details(shown)


def test_a_cell_that_is_grey_says_why(shown: Chrome) -> None:
    cell(shown, "MARK-4", "6.12").click()
    assert "Not tested: It takes years." in details(shown)
    press(shown, Keys.ESCAPE)
    cell(shown, "MARK-9", "7.2").click()
    assert "No test of this behaviour was run on this kernel." in details(shown)
    press(shown, Keys.ESCAPE)
    cell(shown, "POPEN-4", "6.12").click()
    assert "not run: the run was interrupted" in details(shown)
    press(shown, Keys.ESCAPE)
    cell(shown, "MARK-9", "6.12").click()
    assert "not-implemented: FAN_MARK_EVICTABLE" in details(shown)


def test_a_command_is_quoted_by_the_page_as_it_is_by_us(shown: Chrome) -> None:
    for text in ("a.py::x[a b]", "a.py::x['\"$(id)`]", "a.py::x"):
        quoted = shown.execute_script("return quoted(arguments[0])", text)
        assert json.dumps(quoted) == json.dumps(shlex.quote(text))


def test_an_address_leads_to_a_cell(shown: Chrome) -> None:
    cell(shown, "MARK-2", "7.2").click()
    address = shown.current_url
    assert address.endswith("#MARK-2@7.2")
    shown.get("about:blank")
    shown.get(address)
    assert "MARK-2 on 7.2: pass" in details(shown)


# ---- the filter ----


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("mark-1", ["MARK-1"]),
        ("EXCLUDE", ["MARK-2"]),
        ("pidfd_open", ["POPEN-4"]),
        ("got 0", ["MARK-2", "MARK-3", "POPEN-4"]),
        ("qemu ended", ["vm::boot"]),
        ("test_gone", ["POPEN-4"]),
        ("nothing says this", []),
    ],
)
def test_filter_by_text(shown: Chrome, text: str, left: list[str]) -> None:
    shown.find_element(By.ID, "text").send_keys(text)
    assert rows(shown) == left
    assert shown.find_element(By.ID, "shown").text == f"{len(left)} of 10 behaviours"


def expect(shown: Chrome, left: list[str]) -> None:
    """Wait for these rows: a choice from a list is told to the page a moment after it was made."""
    WebDriverWait(shown, 10).until(lambda _: rows(shown) == left, f"{left} expected")


def test_filter_by_status_interface_and_kernel(shown: Chrome) -> None:
    boxes = {box.get_attribute("value"): box for box in shown.find_elements(By.NAME, "status")}
    boxes["fail"].click()
    expect(shown, ["MARK-2", "MARK-3"])
    boxes["panic"].click()
    expect(shown, ["MARK-2", "MARK-3", "POPEN-4"])
    kernel = Select(shown.find_element(By.ID, "kernel"))
    kernel.select_by_visible_text("7.2")
    expect(shown, ["POPEN-4"])
    boxes["panic"].click()
    boxes["fail"].click()
    Select(shown.find_element(By.ID, "interface")).select_by_visible_text("fanotify")
    expect(shown, ["MARK-1", "MARK-2", "MARK-3", "MARK-4"])
    differs = Select(shown.find_element(By.ID, "differs"))
    differs.select_by_visible_text(f"differs from {EARLIER}")
    expect(shown, [])
    kernel.select_by_visible_text("any kernel")
    expect(shown, ["MARK-2", "MARK-3"])


# ---- the comparison ----

BOTH = [
    Result(kernel, "", "", f"a.py::{name}", [name], Status.PASS)
    for kernel in ("6.12", "mine")
    for name in ("A", "B", "C")
]
"""Two kernels that do the same."""
OTHERWISE = [
    replace(one, status=Status.FAIL) if (one.kernel, one.behaviours) == ("mine", ["B"]) else one
    for one in BOTH
    if (one.kernel, one.behaviours) != ("mine", ["C"])
]
"""One of the two fails B, and lost C."""


@pytest.fixture
def compared(browser: Chrome, tmp_path: Path) -> Chrome:
    """A page of two kernels, with what changed since a run of three."""
    before = [*BOTH, Result("7.2", "", "", "a.py::A", ["A"], Status.PASS)]
    comparison = compare(Stored(EARLIER, before), Stored(RUN, OTHERWISE, plan_of(OTHERWISE)))
    return opened(browser, tmp_path / PAGE, page.html(build(OTHERWISE, {}, RUN, comparison)))


@pytest.mark.parametrize(
    ("kernel", "differs", "left"),
    [
        ("any kernel", "same or not", ["A", "B", "C"]),
        ("any kernel", "differs from 6.12", ["B", "C"]),
        ("any kernel", "differs from mine", ["B", "C"]),
        ("mine", "differs from 6.12", ["B", "C"]),
        ("6.12", "differs from 6.12", []),
        ("any kernel", f"differs from {EARLIER}", ["B"]),
        ("6.12", f"differs from {EARLIER}", []),
    ],
)
def test_filter_by_what_differs(compared: Chrome, kernel: str, differs: str, left: list[str]) -> None:
    Select(compared.find_element(By.ID, "kernel")).select_by_visible_text(kernel)
    Select(compared.find_element(By.ID, "differs")).select_by_visible_text(differs)
    expect(compared, left)


def test_the_filter_knows_the_kinds(shown: Chrome) -> None:
    Select(shown.find_element(By.ID, "kind")).select_by_visible_text("decided")
    expect(shown, ["MARK-3"])
    cell(shown, "MARK-3", "6.12").click()
    assert f"commit {COMMIT}; decided; " in details(shown)


def test_a_test_that_differs_is_shown_beside_the_other_kernels(compared: Chrome) -> None:
    Select(compared.find_element(By.ID, "differs")).select_by_visible_text("differs from 6.12")
    expect(compared, ["B", "C"])
    cell(compared, "B", "mine").click()
    assert f"fail, was pass in {EARLIER}, pass on 6.12, 0 s" in details(compared)


def test_what_was_lost_stands_there_and_what_was_compared(compared: Chrome) -> None:
    lines = compared.find_element(By.ID, "comparison").text.splitlines()
    assert lines[:4] == [
        f"Lost since {EARLIER}",
        "missing kernel 7.2, the new run has no such kernel",
        "gone mine, pass → gone, a.py::C",
        "compared: 6.12, mine",
    ]


def test_the_summary_for_ci_says_the_same() -> None:
    before = Stored(EARLIER, BOTH)
    text = page.summary(build(OTHERWISE, {}, RUN, compare(before, Stored(RUN, OTHERWISE))))
    assert "\n- regression on mine: a.py::B, pass → fail\n" in text
    assert "\n- gone on mine: a.py::C, pass → gone\n" in text
    assert "\ncompared: 6.12, mine.\n" in text


# ---- the keyboard ----


def test_by_keyboard_alone(shown: Chrome) -> None:
    press(shown, "/")
    assert focused(shown).get_attribute("id") == "text"
    press(shown, "mark-", Keys.TAB)
    shown.execute_script("focusOn(arguments[0])", cell(shown, "MARK-1", "6.12"))
    press(shown, Keys.ARROW_RIGHT, Keys.ARROW_DOWN, Keys.ARROW_LEFT)
    assert focused(shown) == cell(shown, "MARK-2", "6.12")
    press(shown, Keys.ENTER)
    assert "MARK-2 on 6.12: fail" in details(shown)
    assert focused(shown).get_attribute("id") == "title"
    press(shown, Keys.ESCAPE)
    assert details(shown) == ""
    assert focused(shown) == cell(shown, "MARK-2", "6.12")
    press(shown, Keys.END)
    assert focused(shown) == cell(shown, "MARK-2", "7.2")


def test_tab_reaches_the_cells_and_the_arrow_keys_skip_hidden_rows(shown: Chrome) -> None:
    assert len(shown.find_elements(By.CSS_SELECTOR, "td[tabindex='0']")) == 1
    shown.find_element(By.ID, "text").send_keys("fail")
    first = cell(shown, "MARK-2", "6.12")
    shown.execute_script("focusOn(arguments[0])", first)
    hidden = shown.execute_script("return [...document.querySelectorAll('#matrix tr[hidden]')].length")
    press(shown, Keys.ARROW_DOWN)
    assert hidden
    assert focused(shown).is_displayed()


def test_a_screen_reader_has_heads_for_every_cell(shown: Chrome) -> None:
    for selector in ("thead th:not([scope=col])", "tbody tr > th:not([scope=row])"):
        assert shown.find_elements(By.CSS_SELECTOR, selector) == []
    assert shown.execute_script("return document.documentElement.lang") == "en"


# ---- colours ----


def luminance(colour: Color) -> float:
    """Return the relative luminance (WCAG 2.2)."""
    parts = [part / 255 for part in (colour.red, colour.green, colour.blue)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: Color, other: Color) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def colours(of: WebElement) -> tuple[Color, Color]:
    return tuple(Color.from_string(of.value_of_css_property(name)) for name in ("color", "background-color"))  # type: ignore[return-value]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_cells_can_be_read_in_either_scheme(shown: Chrome, scheme: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    shown.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    text, background = colours(shown.find_element(By.TAG_NAME, "body"))
    assert (luminance(background) < 0.1) == (scheme == "dark")
    assert contrast(text, background) > 7
    for behaviour, kernel in (("MARK-1", "6.12"), ("MARK-2", "6.12"), ("POPEN-4", "7.2")):
        assert contrast(*colours(cell(shown, behaviour, kernel))) > 4.5, behaviour


def test_no_meaning_hangs_on_a_colour_alone(shown: Chrome) -> None:
    seen = {}
    for one in shown.find_elements(By.CSS_SELECTOR, "#matrix td"):
        sign = shown.execute_script("return getComputedStyle(arguments[0], '::before').content", one)
        seen[str(one.get_property("textContent")).split(" 1/")[0].strip()] = sign
    assert seen.keys() == {*map(str, Status), "no test"}
    assert len({seen[status] for status in ("pass", "skip", "xfail", "xpass", "error", "fail")}) == 6
    good, bad = (colours(cell(shown, behaviour, "6.12"))[1] for behaviour in ("MARK-1", "MARK-2"))
    assert contrast(good, bad) > 3, "light and dark, also without any colour"


# ---- what did not run, and evidence ----

LACKING = Balance({"6.1": Account(2, 1, ("a.py::not run",))}, End.COMPLETE)


@pytest.mark.parametrize(
    ("statuses", "balance", "said"),
    [
        ([Status.PASS], Balance(how=End.COMPLETE), "Nothing is broken: 1 behaviour on 1 kernel."),
        (
            [Status.PASS, Status.NOT_RUN],
            LACKING,
            "Incomplete: 1 of 2 tests ran. Nothing that ran is broken: 1 behaviour on 1 kernel.",
        ),
        (
            [Status.FAIL, Status.NOT_RUN],
            LACKING,
            "Incomplete: 1 of 2 tests ran. 1 of 1 kernel breaks 1 of 1 behaviour.",
        ),
        (
            [Status.PASS],
            Balance(unknown="no manifest: nobody knows"),
            "No manifest: nobody knows. Nothing that ran is broken: 1 behaviour on 1 kernel.",
        ),
        (
            [Status.PASS],
            Balance(how=End.COMPLETE, doubts=("no baseline: anything may lack",)),
            "No baseline: anything may lack. Nothing is broken: 1 behaviour on 1 kernel.",
        ),
    ],
    ids=["complete", "nothing broken", "broken", "no manifest", "no baseline"],
)
def test_a_run_with_reservations_never_looks_whole(
    statuses: list[Status], balance: Balance, said: str
) -> None:
    results = [Result("6.1", "", "", f"a.py::{status}", [f"A-{status}"], status) for status in statuses]
    assert page.verdict(build(results, {}, balance=balance)) == said


def test_a_cell_shows_all_evidence(shown: Chrome) -> None:
    cell(shown, "POPEN-4", "7.2").click()
    for one in shown.find_elements(By.CSS_SELECTOR, "dialog details"):
        one.find_element(By.TAG_NAME, "summary").click()
    text = details(shown)
    assert "At suites/pidfd/test_open.py:31" in text
    for said in (
        "WARNING: fs/pidfs.c:12",
        "E       assert 0 == ESRCH",
        "Captured stdout call",
        "pidfd_open(2)",
    ):
        assert said in text
    fix = shown.find_element(By.LINK_TEXT, "commit 0123456789ab (pidfs: look twice), 7.1")
    assert fix.get_attribute("href") == "https://git.kernel.org/linus/0123456789ab"


def test_the_page_links_the_consoles(browser: Chrome, tmp_path: Path) -> None:
    for name in ("console.log", "console-10.log", "console-2.log"):
        (tmp_path / "7.2").mkdir(exist_ok=True)
        (tmp_path / "7.2" / name).write_text("Linux version")
    page.write(RESULTS, tmp_path, None)
    browser.get((tmp_path / PAGE).as_uri())
    links = browser.find_elements(By.CSS_SELECTOR, "#totals a")
    assert [link.get_attribute("title") for link in links] == [
        f"7.2/{name}.log" for name in ("console", "console-2", "console-10")
    ]
    links[0].click()
    assert "Linux version" in browser.find_element(By.TAG_NAME, "body").text


# ---- odd texts ----


def test_odd_texts_are_shown_as_they_are(browser: Chrome, tmp_path: Path) -> None:
    catalogue = {
        text[:2000]: Behaviour(text[:2000], "odd", printable(text[:2000]), f"fd(7), {ODD[0]}") for text in ODD
    }
    matrix = build(
        odd_results(),
        catalogue,
        ODD[1],
        compare(Stored(ODD[0], odd_results()), Stored(ODD[1], odd_results())),
    )
    opened(browser, tmp_path / PAGE, page.html(matrix))
    assert browser.title.startswith("fapitest")
    for one in browser.find_elements(By.CSS_SELECTOR, "#broken td.panic"):
        browser.execute_script("arguments[0].click()", one)
        assert len(details(browser)) > 100
        browser.execute_script("close()")
    assert browser.title.startswith("fapitest")
    assert [entry["message"] for entry in browser.get_log("browser")] == []


@pytest.mark.parametrize(
    ("results", "says"),
    [
        ([], "No results."),
        (
            [Result("6.1", "", "", "a.py::x", ["MARK-1"], Status.PASS)],
            "Nothing is broken: 1 behaviour on 1 kernel.",
        ),
        (
            [Result("6.1", "", "", "vm::boot", [], Status.LOST)],
            "6.1 did not boot. No test ran.",
        ),
        (
            [Result("6.1", "", "", "a.py::x", ["MARK-1"], Status.SKIP, Reason("kconfig", "no"))],
            "Nothing is broken: 1 behaviour on 1 kernel, 1 skipped on every kernel.",
        ),
        (
            [Result("6.1", "", "", "a.py::x", ["MARK-1"], Status.FAIL)],
            "1 of 1 kernel breaks 1 of 1 behaviour.",
        ),
    ],
    ids=["nothing", "good", "lost", "skipped", "broken"],
)
def test_small_runs(browser: Chrome, tmp_path: Path, results: list[Result], says: str) -> None:
    opened(browser, tmp_path / PAGE, page.html(build(results, CATALOGUE, RUN)))
    assert browser.find_element(By.TAG_NAME, "h1").text == says
    assert [entry["message"] for entry in browser.get_log("browser")] == []
