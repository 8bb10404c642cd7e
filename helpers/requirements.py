# SPDX-License-Identifier: GPL-2.0-or-later
"""What a test needs of the kernel, said beside the test: it can be listed, and a skip tells all that is missing.

    @requires(FAN_REPORT_PIDFD)                             a flag stands for the feature that it names
    @requires(PIDFD_THREAD, Feature.WEAK_FSID, fs="btrfs")
    @requires(lambda flags: flags)                          what the parameter `flags` of the test takes
    pytestmark = requires(Feature.SOCKET_PIDFD)             all tests of a module
    pytest.param(FAN_RENAME, marks=requires(FAN_RENAME))    one row of parameters

Below @pytest.fixture it holds for every test that uses the fixture. A test that verifies a behaviour of fanotify
requires fanotify without saying so; `requires(fanotify=False)` says that it does not.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import pytest

from helpers import baseline, features, filesystems, skips
from helpers.contract.behaviours import Behaviour
from helpers.declarations import Declaration, declaration, declared, evaluated
from helpers.features import Feature, LostFeature
from helpers.uapi import (
    CLONE_AUTOREAP,
    CLONE_NNP,
    CLONE_PIDFD_AUTOKILL,
    FAN_ACCESS_PERM,
    FAN_ENABLE_AUDIT,
    FAN_FS_ERROR,
    FAN_INFO,
    FAN_MARK_EVICTABLE,
    FAN_MARK_IGNORE,
    FAN_MNT_ATTACH,
    FAN_MNT_DETACH,
    FAN_OPEN_EXEC_PERM,
    FAN_OPEN_PERM,
    FAN_PRE_ACCESS,
    FAN_RENAME,
    FAN_REPORT_FD_ERROR,
    FAN_REPORT_MNT,
    FAN_REPORT_PIDFD,
    FAN_REPORT_TARGET_FID,
    PIDFD_GET_INFO,
    PIDFD_INFO_COREDUMP,
    PIDFD_INFO_EXIT,
    PIDFD_INFO_SUPPORTED_MASK,
    PIDFD_SELF_THREAD,
    PIDFD_SELF_THREAD_GROUP,
    PIDFD_SIGNAL_PROCESS_GROUP,
    PIDFD_SIGNAL_THREAD,
    PIDFD_SIGNAL_THREAD_GROUP,
    PIDFD_THREAD,
    Constants,
    Flags,
)

MARK = "requires"
F = TypeVar("F", bound=Flags)

What: TypeAlias = "Feature | Flags | Constants | Iterable[What] | None"
"""What stands for features: one, flags or a constant that belong to some, nothing, or several of them."""

_NAMED_BY: dict[Feature, tuple[Flags | Constants, ...]] = {
    Feature.PERMISSION_EVENTS: (FAN_OPEN_PERM, FAN_ACCESS_PERM, FAN_OPEN_EXEC_PERM),
    Feature.ENABLE_AUDIT: (FAN_ENABLE_AUDIT,),
    Feature.REPORT_PIDFD: (FAN_REPORT_PIDFD,),
    Feature.FS_ERROR: (FAN_FS_ERROR,),
    Feature.REPORT_TARGET_FID: (FAN_REPORT_TARGET_FID,),
    Feature.RENAME: (FAN_RENAME,),
    Feature.EVICTABLE: (FAN_MARK_EVICTABLE,),
    Feature.IGNORE: (FAN_MARK_IGNORE,),
    Feature.RESPONSE_INFO: (FAN_INFO,),
    Feature.REPORT_FD_ERROR: (FAN_REPORT_FD_ERROR,),
    Feature.PRE_ACCESS: (FAN_PRE_ACCESS,),
    Feature.REPORT_MNT: (FAN_REPORT_MNT, FAN_MNT_ATTACH, FAN_MNT_DETACH),
    Feature.PIDFD_THREAD: (
        PIDFD_THREAD,
        PIDFD_SIGNAL_THREAD,
        PIDFD_SIGNAL_THREAD_GROUP,
        PIDFD_SIGNAL_PROCESS_GROUP,
    ),
    Feature.PIDFD_INFO: (PIDFD_GET_INFO,),
    Feature.PIDFD_INFO_EXIT: (PIDFD_INFO_EXIT,),
    Feature.PIDFD_INFO_COREDUMP: (PIDFD_INFO_COREDUMP,),
    Feature.PIDFD_INFO_SUPPORTED_MASK: (PIDFD_INFO_SUPPORTED_MASK,),
    Feature.PIDFD_SELF: (PIDFD_SELF_THREAD,),
    Feature.PIDFD_SELF_MOVED: (PIDFD_SELF_THREAD_GROUP,),
    Feature.CLONE_AUTOREAP: (CLONE_AUTOREAP, CLONE_NNP, CLONE_PIDFD_AUTOKILL),
}
"""The flags and constants that came with a feature. Numbers would not do: two words have other flags of one number."""


def features_of(what: What) -> list[Feature]:
    """Return the features that something stands for, each once; of flags those of each flag in the word."""
    match what:
        case None:
            return []
        case Feature():
            return [what]
        case Flags():
            return [
                feature for feature, flags in _NAMED_BY.items() if any(_is_in(flag, what) for flag in flags)
            ]
        case Constants():
            return [feature for feature, named in _NAMED_BY.items() if any(each is what for each in named)]
        case Iterable():
            return list(dict.fromkeys(itertools.chain.from_iterable(map(features_of, what))))
    raise TypeError(f"{what!r} is neither a feature nor a flag of helpers.uapi")


def flags_with_features(word: type[F]) -> dict[F, Feature]:
    """Return the flags of a word which some kernels do not know, each with the feature that it came with."""
    return {flag: feature for feature, flags in _NAMED_BY.items() for flag in flags if isinstance(flag, word)}


def _is_in(flag: Flags | Constants, word: Flags) -> bool:
    return type(flag) is type(word) and int(word) & int(flag) == int(flag)


def requires(
    *what: What | Callable[..., What],
    fs: str | Callable[..., str | None] | None = None,
    fanotify: bool = True,
) -> Declaration:
    """Declare what a test needs of the kernel; see the head of this module.

    Args:
        what: features, flags that name some, or functions of parameters of the test which return either.
        fs: a filesystem of helpers.filesystems or of mount(2) that the kernel must have, or such a function.
        fanotify: whether the test needs fanotify, where it verifies a behaviour of it.

    Raises ValueError for a flag that every kernel knows.
    """
    for each in what:
        if not callable(each) and not features_of(each):
            raise ValueError(
                f"requires({each}): no feature is named by that, so no kernel is known to lack it"
            )
    return declaration(MARK, *what, fs=fs, fanotify=fanotify)


@dataclass(frozen=True)
class Needs:
    """What a test needs of the kernel, in the order in which it is told."""

    features: tuple[Feature, ...] = ()
    filesystems: tuple[str, ...] = ()


def of(item: pytest.Function, verified: Iterable[Behaviour]) -> Needs:
    """Return what a test needs that verifies these behaviours.

    Raises pytest.Collector.CollectError for a feature which nothing but the test itself could tell apart from a
    broken kernel: it would be skipped where it ought to fail.
    """
    marks = list(declared(item, MARK))
    wanted = list(_named(item, marks))
    if _is_of_fanotify(verified) and all(mark.kwargs.get("fanotify", True) for mark in marks):
        wanted.insert(0, Feature.FANOTIFY)
    needed = tuple(dict.fromkeys(wanted))
    if doubtful := [feature for feature in needed if not features.is_certain(feature)]:
        raise pytest.Collector.CollectError(
            f"{item.nodeid} requires {doubtful[0].name}, which has one probe and no release: a kernel that has lost it "
            "would be skipped. Give it another probe (helpers/features.py), or its release (helpers/baseline.py)"
        )
    names = filter(None, (evaluated(mark.kwargs.get("fs"), item) for mark in marks))
    kinds = itertools.chain.from_iterable(map(filesystems.made_of, names))
    return Needs(needed, tuple(dict.fromkeys(kinds)))


def _named(item: pytest.Function, marks: Iterable[pytest.Mark]) -> Iterator[Feature]:
    for mark in marks:
        yield from features_of([evaluated(each, item) for each in mark.args])


def _is_of_fanotify(verified: Iterable[Behaviour]) -> bool:
    return any(behaviour.epic == "fanotify" for behaviour in verified)


def check(needs: Needs) -> None:
    """Skip a test whose needs this kernel does not meet, and tell all of them; fanotify first, which others take.

    Raises TypedSkip; LostFeature, which names all that the baseline has and that do not answer.
    """
    __tracebackhide__ = True
    if Feature.FANOTIFY in needs.features:
        _check(Needs((Feature.FANOTIFY,)))
    _check(needs)


def _check(needs: Needs) -> None:
    __tracebackhide__ = True
    absent = [kind for kind in needs.filesystems if not filesystems.is_known(kind)]
    lacking, lost = [], []
    for feature in needs.features:
        try:
            lacking += [] if features.has(feature) else [feature]
        except LostFeature as error:
            lost.append(str(error))
    if lost:
        raise LostFeature("\n".join(lost))
    if lacking or absent:
        told = [
            *(str(feature.facts) for feature in lacking),
            *(f"this kernel has no {kind}" for kind in absent),
        ]
        _skip_for(lacking)("; ".join(told))


def _skip_for(lacking: list[Feature]) -> Callable[[str], None]:
    if not lacking:
        return skips.filesystem
    return skips.kconfig if all(map(baseline.current().lacks_option, lacking)) else skips.not_implemented
