# SPDX-License-Identifier: GPL-2.0-or-later
"""The features that a kernel must have: those of its release, or those of a reviewed list.

Support is probed (helpers.features), so that back-ported features count. A probe alone cannot tell a feature that was
lost from one that never existed: the baseline says which features must be there. It follows from the release that the
kernel reports and from its configuration:

- required are the features of its release and of earlier ones, and those that its stable series got by its point
  release;
- a feature is not required if it needs an option that the kernel was built without;
- fanotify and permission events are always required: every distribution sets their options.

A distribution's kernel may have more than its release says. The lists `baselines/<name>.toml` hold the features that
probes found in kernels:

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
"""The suffix of the release of a reference kernel; another word may follow it."""

_PERMISSIONS = "FANOTIFY_ACCESS_PERMISSIONS"


class BaselineError(Exception):
    """A list does not exist or is invalid; the message says which, and what to do."""


@dataclasses.dataclass(frozen=True)
class Facts:
    """What is known about a feature.

    Attributes:
        what: the name of the feature, for messages.
        since: the first mainline release, then the stable releases that it was back-ported to; empty for a proposal.
        option: the option that it needs, without CONFIG_, or "".
        core: whether every kernel must have it, whatever its configuration.
        proposal: whether no released kernel has it, and those must have it that this project builds with it.
    """

    what: str
    since: tuple[str, ...] = ()
    option: str = ""
    core: bool = False
    proposal: bool = False

    def __str__(self) -> str:
        """Return the feature, its first release and the option that it needs."""
        option = f"with CONFIG_{self.option}" if self.option else ""
        return ", ".join(filter(None, [self.what, *self.since[:1], option]))


def _of(what: str, *since: str, option: str = "", core: bool = False) -> Facts:
    return Facts(what, since, option, core)


def _proposal(what: str) -> Facts:
    return Facts(what, proposal=True)


class Feature(Enum):
    """Features that some kernels lack. Sources: those of the behaviours that require them.

    Up to 6.0 the stable releases are those that the manual pages name. "seen in" marks a stable release in which a
    feature was found, while the release before it was not checked.
    """

    FANOTIFY = _of("fanotify", "2.6.37", option="FANOTIFY", core=True)
    PERMISSION_EVENTS = _of("permission events", "2.6.37", option=_PERMISSIONS, core=True)
    ENABLE_AUDIT = _of("FAN_ENABLE_AUDIT", "4.15", option="AUDITSYSCALL")
    UNPRIVILEGED_GROUPS = _of("unprivileged fanotify groups", "5.13", "5.10.220")
    REPORT_PIDFD = _of("FAN_REPORT_PIDFD", "5.15", "5.10.220")
    FS_ERROR = _of("FAN_FS_ERROR", "5.16", "5.15.154", "5.10.220")
    REPORT_TARGET_FID = _of("FAN_REPORT_TARGET_FID", "5.17", "5.15.154", "5.10.220")
    RENAME = _of("FAN_RENAME", "5.17", "5.15.154", "5.10.220")
    EVICTABLE = _of("FAN_MARK_EVICTABLE", "5.19", "5.15.154", "5.10.220")
    IGNORE = _of("FAN_MARK_IGNORE", "6.0", "5.15.154", "5.10.220")
    FDINFO_INO = _of("inode numbers in /proc/PID/fdinfo", "5.14")
    PROCESS_MRELEASE = _of("process_mrelease(2)", "5.15")
    RESPONSE_INFO = _of("FAN_INFO", "6.3", option=_PERMISSIONS)
    SPLICE_EVENTS = _of("FAN_ACCESS events of splice(2)", "6.5")
    WEAK_FSID = _of("inode marks without a usable fsid in groups that report file handles", "6.8")
    REPORT_FD_ERROR = _of("FAN_REPORT_FD_ERROR", "6.13", "6.12.4", "6.6.66")
    PRE_ACCESS = _of("FAN_PRE_ACCESS", "6.14", option=_PERMISSIONS)
    PERMISSION_AT_OPEN = _of(
        "opt-in for permission events at file open, per filesystem",
        *("6.14", "6.12.105"),
        option=_PERMISSIONS,
    )
    REPORT_MNT = _of("FAN_REPORT_MNT", "6.15")
    PERMISSION_BY_FILE = _of(
        "opt-in for permission events at file open, per file", "6.17", option=_PERMISSIONS
    )
    PERMISSION_WATCHDOG = _of("fs.fanotify.watchdog_timeout", "6.18", option=_PERMISSIONS)
    USERNS_MARKS = _of("mount and filesystem marks by root of a user namespace", "6.16", option="USER_NS")
    UNPRIVILEGED_MNT = _of("unprivileged FAN_REPORT_MNT groups", "6.16")
    PIDFD_THREAD = _of("PIDFD_THREAD and the scopes of pidfd_send_signal(2)", "6.9")
    KCMP = _of("kcmp(2)", "3.5", option="KCMP")
    AIO = _of("io_submit(2)", "2.6", option="AIO")
    IO_URING = _of("io_uring(7)", "5.1", option="IO_URING")
    SOCKET_PIDFD = _of("SO_PEERPIDFD and SO_PASSPIDFD", "6.5", option="UNIX")
    PIDFD_NAMESPACES = _of("PIDFD_GET_*_NAMESPACE", "6.11", option="NAMESPACES")
    PIDFD_INFO = _of("PIDFD_GET_INFO", "6.13")
    PIDFD_HANDLES = _of("file handles of pidfds", "6.14", option="FHANDLE")
    PIDFD_INFO_EXIT = _of("PIDFD_INFO_EXIT", "6.15")
    PIDFD_SELF = _of("PIDFD_SELF", "6.15")
    PIDFD_INFO_COREDUMP = _of("PIDFD_INFO_COREDUMP", "6.16")
    PIDFD_XATTRS = _of("extended attributes of pidfds", "6.17")
    PIDFD_SELF_MOVED = _of("PIDFD_SELF_THREAD_GROUP as -10001", "6.17")
    PIDFD_INFO_CHECKED = _of(
        "size and direction checks of PIDFD_GET_INFO", "6.18", "6.17.13"
    )  # seen in 6.17.13
    PIDFD_INFO_SUPPORTED_MASK = _of("PIDFD_INFO_SUPPORTED_MASK", "6.19")
    PIDFD_INFO_EREMOTE = _of(
        *("EREMOTE of PIDFD_GET_INFO for foreign pid namespaces", "7.0", "6.19.10", "6.18.14"),
        option="PID_NS",
    )
    SHUTDOWN_ERROR = _of("FAN_FS_ERROR when a filesystem is shut down", "7.0")
    CLONE_AUTOREAP = _of("CLONE_AUTOREAP and CLONE_PIDFD_AUTOKILL", "7.1")
    EXIT_SIGNAL_CHECK = _of("rejection of invalid exit signals by clone(2)", "7.1")
    PIDFD_WITH_TID = _of("FAN_REPORT_PIDFD with FAN_REPORT_TID", "7.2")
    PIDFD_OF_REAPED = _of("pidfds of processes reaped before the read", "7.2")
    QUEUE_FD = _proposal("restartable permission events (control fd, queue fd), a proposal")
    FASTPATH = _proposal("fanotify fastpath handlers, a proposal")
    FASTPATH_HANDLERS = _proposal("the fastpath handlers of this project, built as modules for this kernel")

    @property
    def facts(self) -> Facts:
        """What is known about the feature."""
        return self.value


@dataclasses.dataclass(frozen=True)
class Baseline:
    """The features that a kernel is required to have.

    Attributes:
        name: its name in reports; NO_BASELINE if nothing is required.
        features: the required features.
        options: the options that the kernel was built with, None if its configuration cannot be read.
    """

    name: str
    features: frozenset[Feature]
    options: frozenset[str] | None = None

    def lacks_option(self, feature: Feature) -> bool:
        """Return whether the kernel was built without the option that a feature needs."""
        option = feature.facts.option
        return bool(option) and self.options is not None and option not in self.options

    def reproach(self, feature: Feature) -> str:
        """Return the message, one line, for a required feature that the kernel lacks."""
        facts = feature.facts
        if self.lacks_option(feature):
            what = f"this kernel was built without CONFIG_{facts.option}: it has no {facts.what}"
        else:
            unseen = " (its configuration cannot be read)" if facts.option and self.options is None else ""
            what = f"lost feature: {facts}, is missing{unseen}"
        return f"{what}; {self.name} {results.MUST_HAVE}"


def of_release(release: Release | None, options: frozenset[str] | None) -> Baseline:
    """Return what a kernel of this release, built with these options, must have; nothing if `release` is None."""
    if release is None:
        return Baseline(NO_BASELINE, frozenset(), options)
    known = Baseline("", frozenset(), options)
    features = {each for each in Feature if _is_due(each, release) and not _is_excused(each, known)}
    unseen = "" if options is not None else ", configuration unknown"
    return Baseline(f"Linux {release.number}{unseen}", frozenset(features), options)


def _is_due(feature: Feature, release: Release) -> bool:
    if feature.facts.proposal:
        return REFERENCE in release.text
    return release.has(map(point, feature.facts.since))


def _is_excused(feature: Feature, known: Baseline) -> bool:
    return known.lacks_option(feature) and not feature.facts.core


def read(word: str) -> Mapping[str, Any] | None:
    """Return the list that --baseline names, in a form that can be sent to a VM; None for "", which means the release.

    `word` is "none", the name of a reviewed list, or the path of a list. Raises BaselineError.
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
        raise BaselineError(f"{word}: cannot be read as a list; known lists are {known} and none") from error
    except tomllib.TOMLDecodeError as error:
        raise BaselineError(f"{word}: {error}") from error
    if not isinstance(features, list) or not features:
        raise BaselineError(f"{word}: features must be a list of names")
    if unknown := [name for name in features if name not in Feature.__members__]:
        raise BaselineError(f"{word}: unknown feature {unknown[0]}")
    return {"name": path.stem, "features": features}


_chosen: list[Baseline] = []


def choose(wanted: Mapping[str, Any] | None) -> None:
    """Use what `read` has returned as the baseline for the rest of the session."""
    current.cache_clear()
    _chosen[:] = [] if wanted is None else [listed(wanted["name"], wanted["features"])]


def listed(name: str, features: Iterable[str]) -> Baseline:
    """Return the baseline of a list."""
    return Baseline(name, frozenset(Feature[each] for each in features), configuration.options())


@functools.cache
def current() -> Baseline:
    """Return the baseline of the running kernel."""
    return _chosen[0] if _chosen else of_release(releases.running(), configuration.options())
