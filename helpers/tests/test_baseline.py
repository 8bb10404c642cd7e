# SPDX-License-Identifier: GPL-2.0-or-later
"""The features that a kernel must have follow from its release and its configuration, or from a list."""

import gzip
import tomllib
from pathlib import Path

import pytest

from helpers import baseline, configuration
from helpers.baseline import BaselineError, Feature
from helpers.contract.releases import Release

EVERY_OPTION = frozenset(feature.facts.option for feature in Feature)
REVIEWED = sorted(baseline.LISTS.glob("*.toml"))


def of(release: str, options: frozenset[str] | None = EVERY_OPTION, version: str = "") -> set[str]:
    held = baseline.of_release(Release.parse(release, version), options)
    return {feature.name for feature in held.features}


@pytest.mark.parametrize("path", REVIEWED, ids=lambda path: path.stem)
def test_releases_have_what_somebody_has_seen(path: Path) -> None:
    """A difference would be a back-port that is missing in the data of `Feature`."""
    reviewed = tomllib.loads(path.read_text())
    assert of(reviewed["release"]) == set(reviewed["features"])


@pytest.mark.parametrize(
    ("release", "has", "lacks"),
    [
        ("5.14.0-503.el9", "UNPRIVILEGED_GROUPS", "REPORT_PIDFD"),
        ("5.10.0-46-cloud-amd64", "ENABLE_AUDIT", "REPORT_PIDFD"),
        ("6.12.3", "WEAK_FSID", "REPORT_FD_ERROR"),
        ("6.12.4", "REPORT_FD_ERROR", "PERMISSION_AT_OPEN"),
        ("6.18.44-fc-v657", "PIDFD_INFO_EREMOTE", "PIDFD_INFO_SUPPORTED_MASK"),
        ("7.2.0-rc1", "PIDFD_OF_REAPED", "QUEUE_FD"),
        ("6.6.10-reference", "QUEUE_FD", "REPORT_FD_ERROR"),
        ("9.0.0", "PIDFD_OF_REAPED", "FASTPATH"),
    ],
)
def test_a_release_that_nobody_has_looked_at(release: str, has: str, lacks: str) -> None:
    assert has in of(release)
    assert lacks not in of(release)


def test_the_point_release_of_a_distribution_counts() -> None:
    assert "REPORT_PIDFD" in of("5.10.0-46-cloud-amd64", version="#1 SMP Debian 5.10.262-1 (2026-11-20)")


def test_what_takes_an_option_that_is_unset_is_not_asked_for() -> None:
    without = EVERY_OPTION - {"AUDITSYSCALL", "KCMP"}
    assert of("6.18.1") - of("6.18.1", without) == {"ENABLE_AUDIT", "KCMP"}


@pytest.mark.parametrize("feature", [Feature.FANOTIFY, Feature.PERMISSION_EVENTS])
def test_fanotify_and_permission_events_are_asked_for_whatever_the_options(feature: Feature) -> None:
    held = baseline.of_release(Release.parse("6.18.1"), frozenset())
    assert feature in held.features
    assert held.reproach(feature) == (
        f"this kernel was built without CONFIG_{feature.facts.option}: it has no {feature.facts.what}; "
        "Linux 6.18.1 must have it (--baseline none asks for nothing)"
    )


def test_a_reproach_says_when_no_configuration_was_seen() -> None:
    held = baseline.of_release(Release.parse("6.18.1"), None)
    assert held.name == "Linux 6.18.1, configuration unknown"
    assert "kcmp(2), 3.5, with CONFIG_KCMP, is missing (its configuration cannot be read)" in (
        held.reproach(Feature.KCMP)
    )


def test_nothing_can_be_said_without_a_release() -> None:
    held = baseline.of_release(None, None)
    assert (held.name, held.features) == ("none", frozenset())


def test_a_reviewed_list() -> None:
    found = baseline.read("6.12")
    assert found
    assert found["name"] == "6.12"
    assert "REPORT_PIDFD" in found["features"]


def test_a_list_of_the_users(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('features = ["RENAME"]')
    assert baseline.read(str(tmp_path / "mine.toml")) == {"name": "mine", "features": ["RENAME"]}


def test_no_list() -> None:
    assert baseline.read("none") == {"name": "none", "features": []}
    assert baseline.read("") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read as a list; known lists are 5.10, 6.1, 6.12"),
        ("features = [", "mine.toml: "),
        ("feature = []", "features must be a list of names"),
        ('features = ["REPORT_MMT"]', "unknown feature REPORT_MMT"),
        ("features = [1]", "unknown feature 1"),
    ],
)
def test_a_list_that_is_wrong(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(BaselineError, match=message):
        baseline.read(str(tmp_path / "mine.toml"))


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (
            b"CONFIG_KCMP=y\n# CONFIG_FANOTIFY is not set\nCONFIG_EXT4_FS=m\nCONFIG_HZ=250\n",
            {"KCMP", "EXT4_FS"},
        ),
        (b"", None),
        (b"\x1f\x8b cut off", None),
    ],
    ids=["options", "empty", "damaged"],
)
@pytest.mark.parametrize("name", ["config", "config.gz"])
def test_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes, answer: set[str] | None
) -> None:
    whole = gzip.compress(content) if name.endswith(".gz") and not content.startswith(b"\x1f") else content
    (tmp_path / name).write_bytes(whole)
    monkeypatch.setattr(configuration, "PLACES", (str(tmp_path / "none"), str(tmp_path / name)))
    assert configuration.options() == answer
