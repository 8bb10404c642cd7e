# SPDX-License-Identifier: GPL-2.0-or-later
"""Allure: its results, made of the stored ones, and what its report needs beside them."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from string import Template
from typing import Any

from helpers.contract.results import Result, kernels
from helpers.contract.sources import Kind
from helpers.contract.status import VM_GONE
from reports.allure_result import made
from reports.evidence import Catalogue, catalogue
from reports.missing import headline
from reports.run import replace_file
from reports.text import one_line, printable, shortened

DIRECTORY = "allure-results"
"""Its name in the run's directory."""

_LOST = "|".join(VM_GONE)
_UNDOCUMENTED = f"{Kind.DECIDED.basis}|{Kind.OBSERVED.basis}"
CATEGORIES = (
    ("The kernel breaks the documented behaviour", "failed", rf"(?!({_UNDOCUMENTED}): )[\s\S]*"),
    ("The kernel does not do what a commit or a mail decided", "failed", rf"{Kind.DECIDED.basis}: [\s\S]*"),
    ("Observed: kernel code only", "failed", rf"{Kind.OBSERVED.basis}: [\s\S]*"),
    ("Kernel panic", "broken", r"panic: [\s\S]*"),
    ("The VM stood still", "broken", r"hang: [\s\S]*"),
    ("The VM was lost", "broken", r"lost: [\s\S]*"),
    ("The test itself broke", "broken", rf"(?!({_LOST}): )[\s\S]*"),
    ("Known issue", "skipped", r"XFAIL[\s\S]*"),
    ("The kernel lacks the feature", "skipped", r"(?!XFAIL)[\s\S]*"),
    ("Planned, and not run", "unknown", None),
)
"""Name, status and regular expression for the message; the pattern must suit both Java and JavaScript."""

CONFIGURATION = "allurerc.mjs"
REPORT = "allure-report"
_NPX = ("npx", "--yes", "allure@3", "generate", "--config", CONFIGURATION, DIRECTORY)

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


def export(results: Sequence[Result], run: Path) -> list[Path]:
    """Make `<run>/allure-results` anew, and write `<run>/allurerc.mjs`. Raises OSError."""
    by_kernel = kernels(results)
    making = run / f".{DIRECTORY}.{os.getpid()}"
    making.mkdir()
    try:
        _fill(making, results, headline(run, results), catalogue())
        shutil.rmtree(run / DIRECTORY, ignore_errors=True)
        making.rename(run / DIRECTORY)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return [run / DIRECTORY, replace_file(run / CONFIGURATION, configuration(run.name, by_kernel).encode())]


def _fill(target: Path, results: Sequence[Result], line: str, known: Catalogue) -> None:
    """Write all that Allure reads."""
    _write(target / "categories.json", [_category(*row) for row in CATEGORIES])
    (target / "environment.properties").write_text(environment(results, line))
    if executor := executor_of(os.environ):
        _write(target / "executor.json", executor)
    for result in results:
        test, files = made(result, known)
        for name, content in files.items():
            (target / name).write_bytes(content)
        _write(target / test.file_pattern.format(prefix=test.uuid), test)


def _said(item: Any) -> dict[str, Any]:
    """Return those fields of an object of Allure's model that say something."""
    return {name: value for name, value in vars(item).items() if value or value is False}


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, default=_said))


def _category(name: str, status: str, pattern: str | None) -> dict[str, object]:
    category: dict[str, object] = {"name": name, "matchedStatuses": [status]}
    return category | ({"messageRegex": pattern} if pattern else {})


def environment(results: Sequence[Result], line: str) -> str:
    """Return environment.properties, in Java's syntax: whether all tests ran, and what each kernel was."""
    facts = {f"kernel {kernel}": _machine(tests) for kernel, tests in kernels(results).items()}
    return "".join(
        f"{_escaped(name)} = {_escaped(value)}\n" for name, value in {"run": line, **facts}.items()
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
