# SPDX-License-Identifier: GPL-2.0-or-later
"""What a kernel must be able to do: by its release, or by a list that somebody has reviewed.

Support is probed (helpers.features), so that back-ports count; what a kernel has lost is told by what it must have.
That follows from its release, which is its own word, and from its configuration:

- it must have what came with its release or an earlier one, and what its stable series got by its point release;
- of that it need not have what takes an option that it was built without;
- it must always have fanotify and permission events, for which every distribution sets the options.

A distribution's kernel may have more than its release says. `baselines/<name>.toml` are lists of what kernels were
seen to have:

    release = "6.12.117"
    features = ["REPORT_PIDFD", "UNPRIVILEGED_GROUPS"]
"""

import dataclasses
import functools
import tomllib
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from helpers import configuration
from helpers.contract import releases, results
from helpers.contract.manifest import NO_BASELINE
from helpers.contract.releases import Release, point

LISTS = Path(__file__).parent / "baselines"
REFERENCE = "-reference"
"""What the release of a kernel with the proposals ends with, perhaps with a word behind it."""

_PERMISSIONS = "FANOTIFY_ACCESS_PERMISSIONS"


class BaselineError(Exception):
    """There is no such list, or it is wrong; the message says which and what to do."""


@dataclasses.dataclass(frozen=True)
class Facts:
    """What is known of a feature.

    Attributes:
        what: the feature, for people.
        since: the mainline release that it came with, then the stable releases that got it; none for a proposal.
        option: the option, without CONFIG_, that it takes, or "".
        core: whether every kernel must have it, whatever its configuration.
    """

    what: str
    since: tuple[str, ...] = ()
    option: str = ""
    core: bool = False

    def __str__(self) -> str:
        """Return the feature, the release that brought it and the option that it takes."""
        option = f"with CONFIG_{self.option}" if self.option else ""
        return ", ".join(filter(None, [self.what, *self.since[:1], option]))


def _of(what: str, *since: str, option: str = "", core: bool = False) -> Facts:
    return Facts(what, since, option, core)


class Feature(Enum):
    """Features which some kernels lack. Sources: those of the behaviours that ask for them.

    Up to 6.0 the stable releases are those that the manual pages name. A comment marks those in which a feature was
    seen, while nobody has looked at the release before.
    """

    FANOTIFY = _of("fanotify", "2.6.37", option="FANOTIFY", core=True)
    PERMISSION_EVENTS = _of("permission events", "2.6.37", option=_PERMISSIONS, core=True)
    ENABLE_AUDIT = _of("FAN_ENABLE_AUDIT", "4.15", option="AUDITSYSCALL")
    UNPRIVILEGED_GROUPS = _of("fanotify groups for everybody", "5.13", "5.10.220")
    REPORT_PIDFD = _of("FAN_REPORT_PIDFD", "5.15", "5.10.220")
    FS_ERROR = _of("FAN_FS_ERROR", "5.16", "5.15.154", "5.10.220")
    REPORT_TARGET_FID = _of("FAN_REPORT_TARGET_FID", "5.17", "5.15.154", "5.10.220")
    RENAME = _of("FAN_RENAME", "5.17", "5.15.154", "5.10.220")
    EVICTABLE = _of("FAN_MARK_EVICTABLE", "5.19", "5.15.154", "5.10.220")
    IGNORE = _of("FAN_MARK_IGNORE", "6.0", "5.15.154", "5.10.220")
    FDINFO_INO = _of("inode numbers in /proc/PID/fdinfo", "5.14")
    PROCESS_MRELEASE = _of("process_mrelease(2)", "5.15")
    RESPONSE_INFO = _of("FAN_INFO", "6.3", option=_PERMISSIONS)
    SPLICE_EVENTS = _of("events of what splice(2) reads", "6.5")
    WEAK_FSID = _of("marks on inodes without a usable fsid, in groups of file handles", "6.8")
    REPORT_FD_ERROR = _of("FAN_REPORT_FD_ERROR", "6.13", "6.12.4", "6.6.66")
    PRE_ACCESS = _of("FAN_PRE_ACCESS", "6.14", option=_PERMISSIONS)
    PERMISSION_AT_OPEN = _of(
        "reading needs no permission in files opened before their filesystem was watched",
        *("6.14", "6.12.105"),
        option=_PERMISSIONS,
    )
    REPORT_MNT = _of("FAN_REPORT_MNT", "6.15")
    PERMISSION_BY_FILE = _of(
        "reading needs no permission in files opened before they were watched", "6.17", option=_PERMISSIONS
    )
    PERMISSION_WATCHDOG = _of("fs.fanotify.watchdog_timeout", "6.18", option=_PERMISSIONS)
    USERNS_MARKS = _of(
        "marks on filesystems and mounts of one's own user namespace", "6.16", option="USER_NS"
    )
    UNPRIVILEGED_MNT = _of("FAN_REPORT_MNT groups for everybody", "6.16")
    PIDFD_THREAD = _of("pidfds of threads and of all scopes of signals", "6.9")
    KCMP = _of("kcmp(2)", "3.5", option="KCMP")
    SOCKET_PIDFD = _of("SO_PEERPIDFD and SO_PASSPIDFD", "6.5", option="UNIX")
    PIDFD_NAMESPACES = _of("PIDFD_GET_*_NAMESPACE", "6.11", option="NAMESPACES")
    PIDFD_INFO = _of("PIDFD_GET_INFO", "6.13")
    PIDFD_HANDLES = _of("file handles of pidfds", "6.14", option="FHANDLE")
    PIDFD_INFO_EXIT = _of("PIDFD_INFO_EXIT", "6.15")
    PIDFD_SELF = _of("PIDFD_SELF", "6.15")
    PIDFD_INFO_COREDUMP = _of("PIDFD_INFO_COREDUMP", "6.16")
    PIDFD_XATTRS = _of("extended attributes of pidfds", "6.17")
    PIDFD_SELF_MOVED = _of("PIDFD_SELF_THREAD_GROUP is -10001", "6.17")
    PIDFD_INFO_CHECKED = _of(
        "PIDFD_GET_INFO is known by its size and direction too", "6.18", "6.17.13"
    )  # seen in 6.17.13
    PIDFD_INFO_SUPPORTED_MASK = _of("PIDFD_INFO_SUPPORTED_MASK", "6.19")
    PIDFD_INFO_EREMOTE = _of(
        *("PIDFD_GET_INFO of foreign pid namespaces is EREMOTE", "7.0", "6.19.10", "6.18.14"), option="PID_NS"
    )
    SHUTDOWN_ERROR = _of("FAN_FS_ERROR when a filesystem is shut down", "7.0")
    CLONE_AUTOREAP = _of("CLONE_AUTOREAP and CLONE_PIDFD_AUTOKILL", "7.1")
    EXIT_SIGNAL_CHECK = _of("clone(2) refuses exit signals that do not exist", "7.1")
    PIDFD_WITH_TID = _of("FAN_REPORT_PIDFD with FAN_REPORT_TID", "7.2")
    PIDFD_OF_REAPED = _of("pidfds of processes which were reaped before the read", "7.2")
    QUEUE_FD = _of("restartable permission events (control fd, queue fd), a proposal")
    FASTPATH = _of("fanotify fastpath handlers, a proposal")
    FASTPATH_HANDLERS = _of("the fastpath handlers of this project, built as modules for this kernel")

    @property
    def facts(self) -> Facts:
        """What is known of the feature."""
        return self.value


@dataclasses.dataclass(frozen=True)
class Baseline:
    """What a kernel is held against.

    Attributes:
        name: what it is called in reports; NO_BASELINE where a kernel is held against nothing.
        features: what the kernel must have.
        options: the options that the kernel was built with, None where nobody could see them.
    """

    name: str
    features: frozenset[Feature]
    options: frozenset[str] | None = None

    def lacks_option(self, feature: Feature) -> bool:
        """Tell whether the kernel was built without what a feature takes."""
        option = feature.facts.option
        return bool(option) and self.options is not None and option not in self.options

    def reproach(self, feature: Feature) -> str:
        """Return in one line what is wrong about a kernel that lacks a feature of its baseline."""
        facts = feature.facts
        if self.lacks_option(feature):
            what = f"this kernel was built without CONFIG_{facts.option}: it has no {facts.what}"
        else:
            unseen = " (its configuration is not to be seen)" if facts.option and self.options is None else ""
            what = f"lost feature: {facts}, does not answer{unseen}"
        return f"{what}; {self.name} {results.MUST_HAVE}"


def of_release(release: Release | None, options: frozenset[str] | None) -> Baseline:
    """Return what a kernel of this release must have that was built with these options; nothing without a release."""
    if release is None:
        return Baseline(NO_BASELINE, frozenset(), options)
    known = Baseline("", frozenset(), options)
    features = {each for each in Feature if _is_due(each, release) and not _is_excused(each, known)}
    unseen = "" if options is not None else ", configuration not seen"
    return Baseline(f"Linux {release.number}{unseen}", frozenset(features), options)


def _is_due(feature: Feature, release: Release) -> bool:
    if not feature.facts.since:
        return REFERENCE in release.text
    return release.has(map(point, feature.facts.since))


def _is_excused(feature: Feature, known: Baseline) -> bool:
    return known.lacks_option(feature) and not feature.facts.core


def read(word: str) -> Mapping[str, Any] | None:
    """Return the list that --baseline names, in a form that travels to a VM; None for "", the release's own.

    `word` is none, the name of a reviewed list, or the path of a list. Raises BaselineError.
    """
    if word == NO_BASELINE:
        return {"name": NO_BASELINE, "features": []}
    if not word:
        return None
    reviewed = {path.stem: path for path in LISTS.glob("*.toml")}
    path = reviewed.get(word, Path(word))
    try:
        features = tomllib.loads(path.read_text(encoding="utf-8")).get("features")
    except (OSError, UnicodeDecodeError) as error:
        known = ", ".join(results.in_order(reviewed))
        raise BaselineError(f"{word} is no list that can be read; known are {known} and none") from error
    except tomllib.TOMLDecodeError as error:
        raise BaselineError(f"{word}: {error}") from error
    if not isinstance(features, list) or not features:
        raise BaselineError(f"{word}: features must be a list of names")
    if unknown := [name for name in features if name not in Feature.__members__]:
        raise BaselineError(f"{word}: unknown feature {unknown[0]}")
    return {"name": path.stem, "features": features}


_chosen: list[Baseline] = []


def choose(wanted: Mapping[str, Any] | None) -> None:
    """Hold the kernel against what `read` has returned, for the rest of the session."""
    current.cache_clear()
    _chosen[:] = [] if wanted is None else [listed(wanted["name"], wanted["features"])]


def listed(name: str, features: Iterable[str]) -> Baseline:
    """Return the baseline of a list."""
    return Baseline(name, frozenset(Feature[each] for each in features), configuration.options())


@functools.cache
def current() -> Baseline:
    """Return what the running kernel is held against."""
    return _chosen[0] if _chosen else of_release(releases.running(), configuration.options())
