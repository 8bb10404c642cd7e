# SPDX-License-Identifier: GPL-2.0-or-later
"""Allure: gathers what allure-pytest wrote in the guests, and writes what the lost guests could not.

A test on two kernels is two results: the kernel is a parameter, which Allure 2 makes part of the history id,
and a label `env`, from which Allure 3 makes environments.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from string import Template
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from allure_commons.model2 import (
    ATTACHMENT_PATTERN,
    Attachment,
    Label,
    Link,
    Parameter,
    StatusDetails,
    TestResult,
)
from allure_commons.types import AttachmentType, LabelType
from allure_commons.utils import md5, platform_label, represent
from attr import asdict

from helpers.contract import behaviours
from helpers.contract.behaviours import Behaviour
from helpers.contract.results import Result, kernels
from helpers.contract.status import VM_GONE
from reports.run import kernel_directory, replace_file
from reports.sources import references
from reports.text import last_lines, one_line, printable, shortened

DIRECTORY = "allure-results"
"""Its name in the run's directory, and in each kernel's."""

_WRITTEN_BY_GUESTS = ("*-result.json", "*-container.json", "*-globals.json", "*-attachment*")

_LOST = "|".join(VM_GONE)
CATEGORIES = (
    ("The kernel breaks the documented behaviour", "failed", None),
    ("Kernel panic", "broken", r"panic: [\s\S]*"),
    ("The VM stood still", "broken", r"hang: [\s\S]*"),
    ("The VM was lost", "broken", r"lost: [\s\S]*"),
    ("The test itself broke", "broken", rf"(?!({_LOST}): )[\s\S]*"),
    ("Known issue", "skipped", r"XFAIL[\s\S]*"),
    ("The kernel lacks the feature", "skipped", r"(?!XFAIL)[\s\S]*"),
)
"""Name, status and regular expression for the message; the pattern must suit both Java and JavaScript."""

CONFIGURATION = "allurerc.mjs"
REPORT = "allure-report"
_NPX = ("npx", "--yes", "allure@3", "generate", "--config", CONFIGURATION, DIRECTORY)

Catalogue = Mapping[str, Behaviour]

EXECUTORS = (
    {
        "type": "github",
        "name": "GitHub Actions",
        "buildName": "$GITHUB_WORKFLOW #$GITHUB_RUN_NUMBER",
        "buildOrder": "$GITHUB_RUN_NUMBER",
        "buildUrl": "$GITHUB_SERVER_URL/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID",
    },
    {
        "type": "gitlab",
        "name": "GitLab CI",
        "buildName": "$CI_JOB_NAME #$CI_PIPELINE_IID",
        "buildOrder": "$CI_PIPELINE_IID",
        "buildUrl": "$CI_JOB_URL",
    },
    {
        "type": "jenkins",
        "name": "Jenkins",
        "buildName": "$JOB_NAME #$BUILD_NUMBER",
        "buildOrder": "$BUILD_NUMBER",
        "buildUrl": "$BUILD_URL",
    },
)
"""What Allure wants to know about a CI system, in terms of the environment variables that the system sets."""


class MixedUpError(Exception):
    """Two different files of the guests have the same name; the text names them."""


def export(results: Sequence[Result], run: Path) -> list[Path]:
    """Make `<run>/allure-results` anew, and write `<run>/allurerc.mjs`.

    Raises OSError, MixedUpError, BehaviourError.
    """
    known = behaviours.load()
    by_kernel = kernels(results)
    making = run / f".{DIRECTORY}.{os.getpid()}"
    making.mkdir()
    try:
        mixed_up = _fill(
            making, results, [kernel_directory(run, kernel) / DIRECTORY for kernel in by_kernel], known
        )
        shutil.rmtree(run / DIRECTORY, ignore_errors=True)
        making.rename(run / DIRECTORY)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    if mixed_up:
        names = ", ".join(map(str, mixed_up[:3])) + (" ..." if len(mixed_up) > 3 else "")
        raise MixedUpError(f"{len(mixed_up)} files that another kernel has under the same name: {names}")
    return [run / DIRECTORY, replace_file(run / CONFIGURATION, configuration(run.name, by_kernel).encode())]


def _fill(target: Path, results: Sequence[Result], sources: Sequence[Path], known: Catalogue) -> list[Path]:
    """Write all that Allure reads; return the guests' files whose place was taken."""
    _write(target / "categories.json", [_category(*row) for row in CATEGORIES])
    replace_file(target / "environment.properties", environment(results).encode())
    if executor := executor_of(os.environ):
        _write(target / "executor.json", executor)
    for result in results:
        if result.status in VM_GONE:
            _write_lost(result, target, known)
    return [file for file in _files(sources) if not _take(file, target / file.name, known)]


def _write(path: Path, content: object) -> None:
    replace_file(path, json.dumps(content, indent=2).encode())


def _category(name: str, status: str, pattern: str | None) -> dict[str, object]:
    category: dict[str, object] = {"name": name, "matchedStatuses": [status]}
    return category | ({"messageRegex": pattern} if pattern else {})


def environment(results: Sequence[Result]) -> str:
    """Return environment.properties: the release and the accelerator of each kernel, in Java's syntax."""
    return "".join(
        f"{_escaped('kernel ' + kernel)} = {_escaped(_machine(tests))}\n"
        for kernel, tests in kernels(results).items()
    )


def _machine(results: Sequence[Result]) -> str:
    release = next((result.release for result in results if result.release), "unknown")
    accel = next((result.accel for result in results if result.accel), "unknown")
    return f"{one_line(release)} (accelerator: {one_line(accel)})"


def _escaped(text: str) -> str:
    return re.sub(r"([\\ :=#!])", r"\\\1", printable(text)).replace("\n", "\\n")


def executor_of(variables: Mapping[str, str]) -> dict[str, object] | None:
    """Return the content of executor.json if the variables are those of a CI system, else None."""
    for executor in EXECUTORS:
        with suppress(KeyError, ValueError):
            filled: dict[str, object] = {
                name: Template(text).substitute(variables) for name, text in executor.items()
            }
            return filled | {"buildOrder": int(str(filled["buildOrder"]))}
    return None


# ---- the report as HTML ----


class NoNodeError(Exception):
    """Allure 3 cannot be run; the text says what it takes."""


def configuration(name: str, by_kernel: Mapping[str, Sequence[Result]]) -> str:
    """Return allurerc.mjs: for Allure 3 each kernel is an environment, so that no kernel hides another's results."""
    kernels_ = {
        identity: {"label": kernel, "name": one_line(kernel)[:64].replace("/", "_").replace("\\", "_")}
        for identity, kernel in _identities(by_kernel).items()
    }
    rules = [_category(*row) for row in CATEGORIES]
    return _CONFIGURATION.substitute(
        name=json.dumps(one_line(f"fapitest {name}")),
        kernels=json.dumps(kernels_, indent=2),
        rules=json.dumps(rules, indent=2),
    )


_CONFIGURATION = Template("""\
const kernels = $kernels;

const environment = ({ label, name }) => ({
  name,
  matcher: ({ labels }) => labels.some((one) => one.name === "env" && one.value === label),
});

export default {
  name: $name,
  output: "./allure-report",
  environments: Object.fromEntries(Object.entries(kernels).map(([id, kernel]) => [id, environment(kernel)])),
  categories: { rules: $rules },
  plugins: { awesome: { options: { groupBy: ["epic", "feature", "story"] } } },
};
""")


def _identities(names: Iterable[str]) -> dict[str, str]:
    """Return the kernels by a name in the alphabet of Allure's ids."""
    found: dict[str, str] = {}
    for name in names:
        word = re.sub("[^A-Za-z0-9_-]+", "_", name)[:50]
        found[word if word not in found else f"{word}-{len(found)}"] = name
    return found


def render(run: Path) -> Path:
    """Have Allure 3 make HTML of `<run>/allure-results`. Raises NoNodeError, OSError."""
    if not shutil.which("npx"):
        raise NoNodeError("npx is missing: install Node.js 20 or newer with npm")
    shutil.rmtree(run / REPORT, ignore_errors=True)
    done = subprocess.run(_NPX, cwd=run, capture_output=True, text=True, check=False)
    if done.returncode != 0 or not (run / REPORT / "index.html").exists():
        raise NoNodeError(f"{' '.join(_NPX)} failed:\n{shortened(done.stderr or done.stdout)}")
    return run / REPORT


# ---- what the guests wrote ----


def _files(sources: Sequence[Path]) -> Iterator[Path]:
    for source in sources:
        yield from sorted(chain.from_iterable(source.glob(pattern) for pattern in _WRITTEN_BY_GUESTS))


def _take(file: Path, target: Path, known: Catalogue) -> bool:
    """Link, copy or complete a file; return False if something else has its place."""
    content = _completed(file, known) if file.name.endswith("-result.json") else None
    try:
        if content is None:
            target.hardlink_to(file)
        else:
            with target.open("xb") as made:
                made.write(content)
    except FileExistsError:
        return target.samefile(file) or target.read_bytes() == (content or file.read_bytes())
    except OSError:  # a file system without hard links
        if content is not None:
            raise
        shutil.copyfile(file, target)
    return True


def _completed(file: Path, known: Catalogue) -> bytes | None:
    """Return a result with what the guest could not know, or None for what is none."""
    with suppress(*_ODD):
        result = json.loads(file.read_bytes())
        if isinstance(result, dict):
            return json.dumps(complete(result, known)).encode()
    return None


def complete(result: dict[str, Any], known: Catalogue) -> dict[str, Any]:
    """Add links to the sources of the behaviours that a result's stories name, and its severity."""
    labels = result.setdefault("labels", [])
    stories = [label.get("value") for label in labels if label.get("name") == LabelType.STORY]
    verified = [known[story] for story in stories if story in known]
    links = result.setdefault("links", [])
    have = {link.get("url") for link in links}
    for reference in (one for behaviour in verified for one in references(behaviour.source)):
        if reference.url and reference.url not in have:
            have.add(reference.url)
            links.append({"type": "link", "url": reference.url, "name": reference.text})
    if verified:
        labels.append(
            {"name": LabelType.SEVERITY, "value": min(map(severity, verified), key=_SEVERITIES.index)}
        )
    return result


_SEVERITIES = ("critical", "normal", "minor")


def severity(behaviour: Behaviour) -> str:
    """Tell how firm a promise is: the manual's is critical, one that manual and kernel dispute is minor."""
    if behaviour.documented:
        return "minor"
    promised = any("/man-pages/" in reference.url for reference in references(behaviour.source))
    return "critical" if promised else "normal"


# ---- what the lost guests could not write ----


def _write_lost(result: Result, target: Path, known: Catalogue) -> None:
    made = lost(result)
    for attachment in made.attachments:
        replace_file(target / attachment.source, (result.console or "").encode(errors="replace"))
    name = TestResult.file_pattern.format(prefix=made.uuid)
    _write(target / name, complete(asdict(made, filter=lambda _, value: value or value is False), known))


_ODD = (ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What comes of reading, as Allure's, what a guest has made: it may be anything."""


def lost(result: Result) -> TestResult:
    """Return the Allure result of a test whose VM was lost, with the ids that allure-pytest gives it."""
    try:
        return _lost(result, result.allure or from_node_id(result))
    except _ODD:
        return _lost(result, from_node_id(result))


def _lost(result: Result, known: Mapping[str, Any]) -> TestResult:
    uuid = str(uuid5(NAMESPACE_URL, printable(f"{result.started}/{result.kernel}/{result.test}")))
    start = round(1000 * result.begin.timestamp()) if result.begin else 0
    return TestResult(
        uuid=uuid,
        name=known["name"],
        fullName=known["fullName"],
        titlePath=known["titlePath"],
        testCaseId=known["testCaseId"],
        historyId=known["historyId"],
        description=known.get("description"),
        descriptionHtml=known.get("descriptionHtml"),
        parameters=[Parameter(**parameter) for parameter in known["parameters"]],
        labels=[Label(**label) for label in known["labels"]],
        links=[Link(**link) for link in known.get("links", [])],
        status=result.words.allure,
        statusDetails=StatusDetails(
            message=f"{result.status}: {shortened(result.message)}", trace=last_lines(result.console or "")
        ),
        attachments=[_console(uuid)] if result.console else [],
        start=start,
        stop=start + round(1000 * result.duration),
    )


def _console(uuid: str) -> Attachment:
    kind = AttachmentType.TEXT
    return Attachment("console", ATTACHMENT_PATTERN.format(prefix=uuid, ext=kind.extension), kind.mime_type)


def from_node_id(result: Result) -> dict[str, Any]:
    """Return the description of a test whose VM was lost during the test's setup: what its name tells.

    allure-pytest's rules (2.16, utils.py) apply, except that the values of the test's parameters are not
    known: their id takes their place in the history id.
    """
    path, _, rest = printable(result.test).partition("::")
    names, bracket, parameters = rest.partition("[")
    *classes, function = names.split("::")
    package = ".".join([*path.split("/")[:-1], Path(path).stem])
    full_name = f"{'.'.join([package, *classes])}#{function}"
    kernel = represent(printable(result.kernel))
    labels = {
        "env": result.kernel,
        LabelType.PARENT_SUITE: package.rpartition(".")[0],
        LabelType.SUITE: Path(path).stem,
        LabelType.SUB_SUITE: " > ".join(classes),
        LabelType.FRAMEWORK: "pytest",
        LabelType.LANGUAGE: platform_label(),
        "package": package,
    }
    return {
        "name": function + bracket + parameters,
        "fullName": full_name,
        "titlePath": [*path.split("/"), *classes],
        "testCaseId": md5(full_name),
        "historyId": md5(full_name, kernel, bracket + parameters),
        "parameters": [{"name": "kernel", "value": kernel}],
        "labels": [
            *({"name": name, "value": value} for name, value in labels.items() if value),
            *({"name": LabelType.STORY, "value": behaviour} for behaviour in result.behaviours),
        ],
    }
