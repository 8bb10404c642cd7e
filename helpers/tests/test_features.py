# SPDX-License-Identifier: GPL-2.0-or-later
"""A feature exists if its probe succeeds; if the baseline requires one that does not, it is lost."""

import os
from pathlib import Path

import pytest

from helpers import baseline, configuration, features
from helpers.baseline import Facts
from helpers.children import in_child
from helpers.features import Feature, LostFeature

FEATURE = Feature.REPORT_MNT
pytestmark = pytest.mark.usefixtures("nothing_known")


def hold_to(*names: str) -> None:
    """Use a list of features as this kernel's baseline."""
    baseline.choose({"name": "list", "features": names})


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


def test_lost_feature_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    hold_to("REPORT_MNT")
    probe(monkeypatch, answers_no)
    with pytest.raises(LostFeature, match=r"lost feature: FAN_REPORT_MNT.* is missing; list must have it"):
        features.has(FEATURE)


def test_feature_which_no_baseline_knows_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    hold_to("RENAME")
    probe(monkeypatch, answers_yes)
    assert features.has(FEATURE)
    assert features.new() == ["REPORT_MNT"]
    assert features.new() == []


def test_without_a_baseline_nothing_is_new_or_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    probe(monkeypatch, answers_yes)
    assert features.has(FEATURE)
    assert features.new() == []


@pytest.mark.parametrize("options", [{"FANOTIFY"}, set(), None], ids=["with", "without", "unseen"])
def test_kernel_without_permission_events_is_a_failure_whatever_its_configuration(
    monkeypatch: pytest.MonkeyPatch, options: set[str] | None
) -> None:
    monkeypatch.setattr(configuration, "options", lambda: options)
    monkeypatch.setitem(features._PROBES, Feature.PERMISSION_EVENTS, (answers_no,))
    baseline.choose(None)
    with pytest.raises(LostFeature, match="CONFIG_FANOTIFY_ACCESS_PERMISSIONS"):
        features.has(Feature.PERMISSION_EVENTS)


def test_children_do_not_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    probe(monkeypatch, answers_yes)
    with pytest.raises(RuntimeError, match="REPORT_MNT must be asked for before"):
        in_child(lambda: features.has(FEATURE))
    assert features.has(FEATURE)
    assert in_child(lambda: features.has(FEATURE))


@pytest.mark.parametrize(
    ("facts", "probes"),
    [
        (Facts("x"), 2),
        (Facts("x", since=("6.1",)), 1),
        (Facts("x", core=True), 1),
        (Facts("x", proposal=True), 1),
    ],
    ids=["another-probe", "release", "core", "proposal"],
)
def test_what_tells_a_lost_feature_from_one_that_never_was(
    monkeypatch: pytest.MonkeyPatch, facts: Facts, probes: int
) -> None:
    monkeypatch.setattr(FEATURE, "_value_", Facts("x"))
    probe(monkeypatch, answers_no)
    assert not features.is_certain(FEATURE)
    monkeypatch.setattr(FEATURE, "_value_", facts)
    probe(monkeypatch, *[answers_no] * probes)
    assert features.is_certain(FEATURE)


def test_every_feature_has_a_probe() -> None:
    assert set(features._PROBES) == set(Feature)


@pytest.mark.skipif(os.geteuid() != 0, reason="probes are for root")
def test_proposal_is_a_list(tmp_path: Path) -> None:
    (tmp_path / "here.toml").write_text(features.proposal())
    found = baseline.read(str(tmp_path / "here.toml"))
    assert found
    assert "PERMISSION_EVENTS" in found["features"]


@pytest.mark.skipif(os.geteuid() != 0, reason="probes are for root")
def test_proposal_leaves_out_what_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    hold_to(FEATURE.name)
    probe(monkeypatch, answers_no)
    assert f'"{FEATURE.name}"' not in features.proposal()
