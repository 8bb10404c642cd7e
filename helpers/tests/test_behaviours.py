# SPDX-License-Identifier: GPL-2.0-or-later
"""Behaviours are parsed strictly: the error for a mistake names the file and the id."""

import re
from pathlib import Path

import pytest

from helpers.contract.behaviours import Behaviour, BehaviourError, load

GOOD = """
[INIT-BASIC]
statement = "works"
source = "fanotify_init(2)"
since = "2.6.37"

["PIDFD-5.10-BACKPORT"]
statement = "works"
source = "fanotify_init(2)"
since = "5.15"
until = "7.1"
backports = ["5.10.220"]
documented = "something"
actual = "something else"
requires = ["CONFIG_X"]
"""

NEEDED = 'statement = "s"\nsource = "m(2)"\nsince = "5.1"\n'
MISTAKES = {
    "not-toml": ("[INIT-X", "Expected"),
    "no-table": ("INIT-X = 3", "INIT-X: is not a table but 3"),
    "bad-id": (f"[init-x]\n{NEEDED}", "init-x: an id is upper-case words joined by hyphens"),
    "short-id": (f"[INIT]\n{NEEDED}", "INIT: an id is upper-case words"),
    "unknown-key": (f"[INIT-X]\n{NEEDED}verified = true", "INIT-X: unknown key 'verified'"),
    "missing-key": ('[INIT-X]\nstatement = "s"\nsince = "5.1"', "INIT-X: 'source' is missing"),
    "empty-statement": (
        '[INIT-X]\nstatement = " "\nsource = "m(2)"\nsince = "1"',
        "INIT-X: 'statement' is empty",
    ),
    "empty-list": (f"[INIT-X]\n{NEEDED}requires = []", "INIT-X: 'requires' is empty"),
    "text-for-a-list": (
        f'[INIT-X]\n{NEEDED}backports = "5.10"',
        "INIT-X: 'backports' must be a list of texts",
    ),
    "list-for-a-text": (f'[INIT-X]\n{NEEDED}until = ["5.1"]', "INIT-X: 'until' must be a text"),
    "number": (f"[INIT-X]\n{NEEDED}until = 5.1", "INIT-X: 'until' must be a text"),
    "fixed-by-nothing": (
        f'[INIT-X]\n{NEEDED}fixed-by = ["5.1"]',
        "INIT-X: 'fixed-by' is not 'commit HASH (title), releases' but '5.1'",
    ),
    "fixed-by-no-list": (f'[INIT-X]\n{NEEDED}fixed-by = "5.1"', "INIT-X: 'fixed-by' must be a list"),
    "unknown-source": (
        '[INIT-X]\nstatement = "s"\nsource = "m(2); my own head"\nsince = "5.1"',
        "INIT-X: 'source': 'my own head' names no manual page, header, Documentation/, commit, mail, patch or file of",
    ),
    "actual-alone": (f'[INIT-X]\n{NEEDED}actual = "x"', "INIT-X: 'actual' needs 'documented'"),
}


def suite(root: Path, name: str, text: str) -> None:
    (root / name).mkdir()
    (root / name / "behaviours.toml").write_text(text)


def test_good(tmp_path: Path) -> None:
    suite(tmp_path, "fanotify_init", GOOD)
    assert load(tmp_path) == {
        "INIT-BASIC": Behaviour("INIT-BASIC", "fanotify_init", "works", "fanotify_init(2)", "2.6.37"),
        "PIDFD-5.10-BACKPORT": Behaviour(
            "PIDFD-5.10-BACKPORT",
            "fanotify_init",
            "works",
            "fanotify_init(2)",
            "5.15",
            until="7.1",
            backports=("5.10.220",),
            documented="something",
            actual="something else",
            requires=("CONFIG_X",),
        ),
    }


@pytest.mark.parametrize(("text", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistake(tmp_path: Path, text: str, message: str) -> None:
    suite(tmp_path, "fanotify_init", text)
    message = re.escape(f"fanotify_init/behaviours.toml: {message}")
    with pytest.raises(BehaviourError, match=message):
        load(tmp_path)


def test_an_id_belongs_to_one_suite(tmp_path: Path) -> None:
    suite(tmp_path, "one", f"[INIT-X]\n{NEEDED}")
    suite(tmp_path, "two", f"[INIT-X]\n{NEEDED}")
    with pytest.raises(
        BehaviourError, match=r"two/behaviours\.toml: INIT-X is already defined in suite one$"
    ):
        load(tmp_path)


def test_every_behaviour_of_the_project_is_well_formed() -> None:
    behaviours = load(Path(__file__).parents[2] / "suites")
    assert {"INIT-BASIC", "CAP-UNPRIV-FID"} <= behaviours.keys()


def test_what_mended_a_behaviour(tmp_path: Path) -> None:
    suite(
        tmp_path,
        "pidfd_open",
        f'[POPEN-X]\n{NEEDED}fixed-by = ["commit 0123456789ab (a (b) c), 6.12.3 and 7.1"]',
    )
    (one,) = load(tmp_path).values()
    assert one.fixed_by == ("commit 0123456789ab (a (b) c), 6.12.3 and 7.1",)
    assert one.epic == "pidfd"


def test_enough_behaviours_name_what_mended_them() -> None:
    assert sum(bool(one.fixed_by) for one in load().values()) >= 12
