# SPDX-License-Identifier: GPL-2.0-or-later
"""A feature is what its probes say, unless the baseline knows better."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers import features
from helpers.children import in_child
from helpers.features import Feature, LostFeature
from helpers.skips import TypedSkip

FEATURE = Feature.REPORT_MNT


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    for cached in (features.has, features._answers, features.baseline):
        cached.cache_clear()
    yield
    for cached in (features.has, features._answers, features.baseline):
        cached.cache_clear()
    features.new()


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the baseline of this kernel, to be written."""
    monkeypatch.setattr(features, "BASELINES", tmp_path)
    monkeypatch.setenv("FAPITEST_KERNEL", "9.9")
    return tmp_path / "9.9.toml"


def answers_yes() -> bool:
    return True


def answers_no() -> bool:
    return False


def probe(monkeypatch: pytest.MonkeyPatch, *probes: features.Probe) -> None:
    monkeypatch.setitem(features._PROBES, FEATURE, probes)


@pytest.mark.parametrize(
    "probes",
    [(answers_yes,), (answers_no, answers_yes), (answers_yes, answers_no)],
    ids=["one", "last", "first"],
)
def test_one_answer_will_do(monkeypatch: pytest.MonkeyPatch, probes: tuple[features.Probe, ...]) -> None:
    probe(monkeypatch, *probes)
    assert features.has(FEATURE)


def test_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    probe(monkeypatch, answers_no, answers_no)
    assert not features.has(FEATURE)


def test_answers_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([True])
    monkeypatch.setitem(features._PROBES, FEATURE, (lambda: next(answers),))
    assert features.has(FEATURE)
    assert features.has(FEATURE)


def test_missing_feature_is_a_skip(monkeypatch: pytest.MonkeyPatch) -> None:
    probe(monkeypatch, answers_no)
    with pytest.raises(TypedSkip, match=r"FAN_REPORT_MNT, 6\.15") as skip:
        features.require(FEATURE)
    assert skip.value.kind == "not-implemented"


def test_missing_option_of_the_kernel_is_a_skip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(features._PROBES, Feature.ENABLE_AUDIT, (answers_no,))
    with pytest.raises(TypedSkip, match="CONFIG_AUDITSYSCALL") as skip:
        features.require(Feature.ENABLE_AUDIT)
    assert skip.value.kind == "kconfig"


def test_lost_feature_is_a_failure(monkeypatch: pytest.MonkeyPatch, kernel: Path) -> None:
    kernel.write_text('features = ["REPORT_MNT"]')
    probe(monkeypatch, answers_no)
    for ask in (features.has, features.require):
        with pytest.raises(LostFeature, match="lost feature: FAN_REPORT_MNT"):
            ask(FEATURE)


def test_feature_which_no_baseline_knows_is_new(monkeypatch: pytest.MonkeyPatch, kernel: Path) -> None:
    kernel.write_text('features = ["RENAME"]')
    probe(monkeypatch, answers_yes)
    assert features.has(FEATURE)
    assert features.new() == ["REPORT_MNT"]
    assert features.new() == []


def test_without_a_baseline_nothing_is_new_or_lost(monkeypatch: pytest.MonkeyPatch, kernel: Path) -> None:
    probe(monkeypatch, answers_yes)
    assert features.has(FEATURE)
    assert features.new() == []


def test_kernel_with_its_own_checks_has_the_baseline_of_the_one_without(
    monkeypatch: pytest.MonkeyPatch, kernel: Path
) -> None:
    kernel.write_text('features = ["RENAME"]')
    monkeypatch.setenv("FAPITEST_KERNEL", "9.9-debug")
    assert features.baseline() == {"RENAME"}


def test_baseline_with_an_unknown_feature(kernel: Path) -> None:
    kernel.write_text('features = ["REPORT_MMT"]')
    with pytest.raises(ValueError, match=r"9\.9\.toml: unknown feature REPORT_MMT"):
        features.baseline()


def test_children_do_not_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    probe(monkeypatch, answers_yes)
    with pytest.raises(RuntimeError, match="REPORT_MNT must be asked for before"):
        in_child(lambda: features.has(FEATURE))
    assert features.has(FEATURE)
    assert in_child(lambda: features.has(FEATURE))


def test_every_feature_has_a_probe() -> None:
    assert set(features._PROBES) == set(Feature)


def test_every_baseline_is_well_formed(monkeypatch: pytest.MonkeyPatch) -> None:
    for path in features.BASELINES.glob("*.toml"):
        monkeypatch.setenv("FAPITEST_KERNEL", path.stem)
        features.baseline.cache_clear()
        assert features.baseline()


@pytest.mark.skipif(os.geteuid() != 0, reason="probes are for root")
def test_proposal_is_a_baseline(kernel: Path) -> None:
    kernel.write_text(features.proposal())
    assert "PERMISSION_EVENTS" in features.baseline()


@pytest.mark.skipif(os.geteuid() != 0, reason="probes are for root")
def test_proposal_leaves_out_what_is_lost(kernel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel.write_text(f'features = ["{FEATURE.name}"]')
    probe(monkeypatch, answers_no)
    assert f'"{FEATURE.name}"' not in features.proposal()
