# SPDX-License-Identifier: GPL-2.0-or-later
"""What a test declares that it needs is found, checked before it runs, and told whole where it is missing."""

import functools

import pytest

from helpers import baseline, configuration, features, filesystems, requirements
from helpers.baseline import Facts
from helpers.features import Feature, LostFeature
from helpers.requirements import Needs, features_of, requires
from helpers.skips import TypedSkip
from helpers.uapi import (
    FAN_ENABLE_AUDIT,
    FAN_MARK_IGNORE_SURV,
    FAN_MARK_IGNORED_SURV_MODIFY,
    FAN_OPEN,
    FAN_RENAME,
    FAN_REPORT_DFID_NAME_TARGET,
    FAN_REPORT_PIDFD,
    FAN_REPORT_TID,
    PIDFD_SELF_THREAD,
    PIDFD_THREAD,
)

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.usefixtures("nothing_known")

WHAT = {
    "feature": (Feature.WEAK_FSID, [Feature.WEAK_FSID]),
    "flag": (PIDFD_THREAD, [Feature.PIDFD_THREAD]),
    "constant": (PIDFD_SELF_THREAD, [Feature.PIDFD_SELF]),
    "word": (FAN_REPORT_PIDFD | FAN_REPORT_TID, [Feature.REPORT_PIDFD]),
    "name-of-several-flags": (FAN_REPORT_DFID_NAME_TARGET, [Feature.REPORT_TARGET_FID]),
    "flag-with-another": (FAN_MARK_IGNORE_SURV, [Feature.IGNORE]),
    "flag-of-every-kernel": (FAN_OPEN, []),
    "nothing": (None, []),
    "several": ((FAN_RENAME, [Feature.RENAME, FAN_OPEN], None), [Feature.RENAME]),
}


@pytest.mark.parametrize(("what", "stands_for"), WHAT.values(), ids=WHAT)
def test_what_stands_for_features(what: requirements.What, stands_for: list[Feature]) -> None:
    assert features_of(what) == stands_for


def test_two_words_have_other_flags_of_one_number() -> None:
    assert int(FAN_ENABLE_AUDIT) == int(FAN_MARK_IGNORED_SURV_MODIFY)
    assert features_of(FAN_ENABLE_AUDIT) == [Feature.ENABLE_AUDIT]
    assert features_of(FAN_MARK_IGNORED_SURV_MODIFY) == []


def test_number_stands_for_nothing() -> None:
    with pytest.raises(TypeError, match="64 is neither"):
        features_of(0x40)  # type: ignore[arg-type]


def test_flag_that_every_kernel_knows_is_no_requirement() -> None:
    with pytest.raises(ValueError, match=r"requires\(FAN_OPEN\): no feature"):
        requires(FAN_OPEN)


def test_flag_belongs_to_one_feature() -> None:
    flags = [flag for flags in requirements._NAMED_BY.values() for flag in flags]
    assert all(len(features_of(flag)) == 1 for flag in flags)


HEAD = """
import pytest
from helpers.features import Feature
from helpers.requirements import requires
from helpers.uapi import *
behaviour = pytest.mark.behaviour("INIT-BASIC")
"""
DECLARED = {
    "function": "@behaviour\n@requires(FAN_RENAME, fs='xfs')\ndef test_it(): pass",
    "class": "@behaviour\n@requires(FAN_RENAME, fs='xfs')\nclass TestIt:\n    def test_it(self): pass",
    "module": "pytestmark = [behaviour, requires(FAN_RENAME, fs='xfs')]\ndef test_it(): pass",
    "row": """
@pytest.mark.parametrize("x", [pytest.param(1, marks=[behaviour, requires(FAN_RENAME, fs="xfs")])])
def test_it(x): pass
""",
    "parameters": """
@behaviour
@requires(lambda mask, x: (mask, x), fs=lambda kind: kind)
@pytest.mark.parametrize(("mask", "x", "kind"), [(FAN_RENAME | FAN_OPEN, None, "xfs")])
def test_it(mask, x, kind): pass
""",
    "fixture": """
@pytest.fixture
@requires(FAN_RENAME, fs="xfs")
def renamed(): pass
@behaviour
def test_it(renamed): pass
""",
    "fixture-of-a-fixture": """
@pytest.fixture(params=["xfs"])
@requires(FAN_RENAME, fs=lambda inner: inner)
def inner(request): pass
@pytest.fixture
def outer(inner): pass
@behaviour
@pytest.mark.usefixtures("outer")
def test_it(): pass
""",
    "fixture-that-overrides-others": """
@pytest.fixture
@requires(FAN_RENAME, fs="xfs")
def asked_for(): pass
@pytest.fixture
@requires(Feature.WEAK_FSID)
def replaced(): pass
@behaviour
class TestIt:
    @pytest.fixture
    def asked_for(self, asked_for): pass
    @pytest.fixture
    def replaced(self): pass
    def test_it(self, asked_for, replaced): pass
""",
    "twice": "pytestmark = requires(FAN_RENAME)\n@behaviour\n@requires(FAN_RENAME, fs='xfs')\ndef test_it(): pass",
}


def listed(suite: pytest.Pytester, test: str) -> pytest.RunResult:
    (suite.path / "suites" / "fanotify_init" / "test_it.py").write_text(HEAD + test)
    return suite.runpytest_inprocess("--list", "suites")


@pytest.mark.parametrize("where", DECLARED)
def test_where_it_may_be_declared(suite: pytest.Pytester, where: str) -> None:
    listed(suite, DECLARED[where]).stdout.fnmatch_lines(["*requires FANOTIFY 2.6.37, RENAME 5.17, xfs"])


@pytest.mark.parametrize(
    ("declared", "needs"),
    [("requires(fanotify=False)", "nothing"), ("requires(FAN_RENAME, fanotify=False)", "RENAME 5.17")],
)
def test_fanotify_may_be_left_out(suite: pytest.Pytester, declared: str, needs: str) -> None:
    listed(suite, f"@behaviour\n@{declared}\ndef test_it(): pass").stdout.fnmatch_lines(
        [f"*requires {needs}"]
    )


def test_parameter_that_there_is_not(suite: pytest.Pytester) -> None:
    result = listed(suite, "@behaviour\n@requires(lambda flags: flags)\ndef test_it(): pass")
    result.stderr.fnmatch_lines(
        ["*test_it: what it declares depends on flags, which is none of its parameters"]
    )
    assert result.ret == pytest.ExitCode.INTERRUPTED


def test_feature_that_only_the_test_itself_could_tell(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Feature.KCMP, "_value_", Facts("kcmp(2)"))
    result = listed(suite, "@behaviour\n@requires(Feature.KCMP)\ndef test_it(): pass")
    result.stderr.fnmatch_lines(["*::test_it requires KCMP, which has one probe and no release: *"])
    assert result.ret == pytest.ExitCode.INTERRUPTED


def test_it_is_checked_before_fixtures_are_made(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, FANOTIFY=True, RENAME=False, REPORT_PIDFD=False)
    test = """
@pytest.fixture
def broken(): assert 0
@behaviour
@requires(FAN_REPORT_PIDFD, FAN_RENAME)
def test_it(broken): pass
"""
    (suite.path / "suites" / "fanotify_init" / "test_it.py").write_text(HEAD + test)
    result = suite.runpytest_inprocess("-rs", "suites", "--baseline", "none")
    result.stdout.fnmatch_lines(["SKIPPED*not-implemented: FAN_REPORT_PIDFD, 5.15; FAN_RENAME, 5.17"])


def answer(monkeypatch: pytest.MonkeyPatch, **answers: bool) -> None:
    """Have the kernel have these features or not."""
    for name, there in answers.items():
        monkeypatch.setitem(features._PROBES, Feature[name], (functools.partial(bool, there),))


def needing(*names: str, filesystems: tuple[str, ...] = ()) -> Needs:
    return Needs(tuple(Feature[name] for name in names), filesystems)


SKIPS = {
    "one": (needing("KCMP"), {"KCMP"}, "kconfig", "kcmp(2), 3.5, with CONFIG_KCMP"),
    "all-are-told": (
        needing("RENAME", "IGNORE", "WEAK_FSID"),
        set(),
        "not-implemented",
        "FAN_RENAME, 5.17; FAN_MARK_IGNORE, 6.0",
    ),
    "option-and-feature": (
        needing("KCMP", "RENAME"),
        {"KCMP"},
        "not-implemented",
        "kcmp(2), 3.5, with CONFIG_KCMP; FAN_RENAME, 5.17",
    ),
    "filesystem": (
        needing(filesystems=("ext4", "nosuchfs")),
        set(),
        "filesystem",
        "this kernel has no nosuchfs",
    ),
    "feature-and-filesystem": (
        needing("RENAME", filesystems=("nosuchfs",)),
        set(),
        "not-implemented",
        "FAN_RENAME, 5.17; this kernel has no nosuchfs",
    ),
    "fanotify-first": (
        needing("RENAME", "FANOTIFY", filesystems=("nosuchfs",)),
        {"FANOTIFY"},
        "kconfig",
        "fanotify, 2.6.37, with CONFIG_FANOTIFY",
    ),
}


@pytest.mark.parametrize(("needs", "left_out", "kind", "text"), SKIPS.values(), ids=SKIPS)
def test_all_that_is_missing_is_told(
    monkeypatch: pytest.MonkeyPatch, needs: Needs, left_out: set[str], kind: str, text: str
) -> None:
    answer(
        monkeypatch,
        KCMP=False,
        RENAME=False,
        IGNORE=False,
        WEAK_FSID=True,
        FANOTIFY="FANOTIFY" not in left_out,
    )
    monkeypatch.setattr(filesystems, "is_known", lambda name: name != "nosuchfs")
    monkeypatch.setattr(configuration, "options", lambda: {"KCMP", "FANOTIFY"} - left_out)
    baseline.choose({"name": "none", "features": []})
    with pytest.raises(TypedSkip) as skip:
        requirements.check(needs)
    assert (skip.value.kind, skip.value.text) == (kind, text)


def test_what_is_there_is_no_skip(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, RENAME=True)
    monkeypatch.setattr(filesystems, "is_known", lambda _: True)
    requirements.check(needing("RENAME", filesystems=("ext4",)))


def test_all_that_is_lost_is_told_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, KCMP=False, RENAME=False, IGNORE=False)
    baseline.choose({"name": "list", "features": ["RENAME", "IGNORE"]})
    with pytest.raises(LostFeature) as lost:
        requirements.check(needing("KCMP", "RENAME", "IGNORE"))
    lines = str(lost.value).splitlines()
    assert [line.partition(" is missing")[0] for line in lines] == [
        "lost feature: FAN_RENAME, 5.17,",
        "lost feature: FAN_MARK_IGNORE, 6.0,",
    ]
