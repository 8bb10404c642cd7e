# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules by which fanotify_init(2) judges its flags: one table, for every kernel and every caller.

Where several errors apply to a call, no manual says which of them is answered: a kernel that answers another one breaks
the order alone, which is a behaviour of its own (`ORDER`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from errno import EINVAL, EPERM

from helpers import proposals
from helpers.credentials import Step, unprivileged, user_namespace, without
from helpers.errors import OK
from helpers.features import Feature, has
from helpers.requirements import flags_with_features
from helpers.uapi import (
    CAP_AUDIT_WRITE,
    FAN_CLASS_CONTENT,
    FAN_CLASS_PRE_CONTENT,
    FAN_CLOEXEC,
    FAN_ENABLE_AUDIT,
    FAN_NONBLOCK,
    FAN_REPORT_DFID_NAME_TARGET,
    FAN_REPORT_DIR_FID,
    FAN_REPORT_FD_ERROR,
    FAN_REPORT_FID,
    FAN_REPORT_MNT,
    FAN_REPORT_NAME,
    FAN_REPORT_PIDFD,
    FAN_REPORT_TARGET_FID,
    FAN_REPORT_TID,
    FAN_UNLIMITED_MARKS,
    FAN_UNLIMITED_QUEUE,
    Init,
)

CLASSES = FAN_CLASS_CONTENT | FAN_CLASS_PRE_CONTENT
NONE = Init(0)
FIDS = FAN_REPORT_FID | FAN_REPORT_DIR_FID | FAN_REPORT_NAME | FAN_REPORT_TARGET_FID

FEATURE_OF = flags_with_features(Init)


@dataclass(frozen=True)
class Rule:
    """Whoever gives any of the flags `given` must give all that are `needed` and none that are `refused`."""

    behaviour: str
    given: Init
    needed: Init = NONE
    refused: Init = NONE
    one_of: Init = NONE
    """Flags of which one must be given too."""
    until: Feature | None = None
    """The feature which lifts the rule."""


RULES = (
    Rule("INIT-CLASS-BOTH", given=FAN_CLASS_CONTENT, refused=FAN_CLASS_PRE_CONTENT),
    Rule("INIT-FID-CLASS", given=FIDS, refused=CLASSES),
    Rule("INIT-NAME-NEEDS-DIR", given=FAN_REPORT_NAME, needed=FAN_REPORT_DIR_FID),
    Rule("INIT-TARGET-NEEDS-ALL", given=FAN_REPORT_TARGET_FID, needed=FAN_REPORT_DFID_NAME_TARGET),
    Rule(
        "INIT-PIDFD-TID",
        given=FAN_REPORT_PIDFD,
        refused=FAN_REPORT_TID,
        # Of the same release (7.2-rc1), but seen in events, not in what fanotify_init accepts.
        until=Feature.PIDFD_OF_REAPED,
    ),
    Rule("INIT-MNT-FID", given=FAN_REPORT_MNT, refused=FIDS),
    Rule("INIT-MNT-CLASS", given=FAN_REPORT_MNT, refused=CLASSES),
    Rule("INIT-MNT-FDERR", given=FAN_REPORT_MNT, refused=FAN_REPORT_FD_ERROR),
)

ORDER = "INIT-ERRNO-ORDER"
"""The behaviour that the order of the rules is."""

ADMIN_FLAGS = {
    CLASSES | FAN_UNLIMITED_QUEUE | FAN_UNLIMITED_MARKS | FAN_REPORT_TID: "CAP-ADMIN-FLAGS",
    FAN_REPORT_PIDFD: "INIT-PIDFD-UNPRIV",
    FAN_REPORT_FD_ERROR: "CAP-ADMIN-FD-ERROR",
}
"""The flags that need CAP_SYS_ADMIN, with the behaviour: first those of which the manual says so."""


@dataclass(frozen=True)
class Caller:
    """Who calls: the steps by which a child becomes the caller, and what the caller may do."""

    name: str
    steps: tuple[Step, ...] = ()
    admin: bool = True
    auditor: bool = True


ROOT = Caller("root")
USER = Caller("user", (unprivileged,), admin=False, auditor=False)
CALLERS = (
    ROOT,
    USER,
    Caller("root-without-CAP_AUDIT_WRITE", (without(CAP_AUDIT_WRITE),), auditor=False),
    Caller("root-of-a-user-namespace", (user_namespace(),), admin=False, auditor=False),
)


class Judge:
    """What this kernel must answer to this caller."""

    def __init__(self, caller: Caller) -> None:
        unknown_here = sum(flag for flag, feature in FEATURE_OF.items() if not has(feature))
        restartable = Init(proposals.queue_fd().init_flag) if has(Feature.QUEUE_FD) else NONE
        admin = ADMIN_FLAGS | ({restartable: "RST-05"} if restartable else {})
        known = sum(admin) | FIDS | FAN_CLOEXEC | FAN_NONBLOCK | sum(FEATURE_OF)
        known &= ~unknown_here
        unknown = ~int(known)
        rules = [
            Rule("INIT-UNKNOWN-BIT", given=unknown, refused=unknown),
            Rule("RST-04", given=restartable, one_of=CLASSES),
            *(rule for rule in RULES if not (rule.until and has(rule.until))),
        ]
        # Plain integers: there are many words to judge, and the arithmetic of enums is slow.
        self._rules = [
            (rule.behaviour, int(rule.given), int(rule.needed), int(rule.refused), int(rule.one_of))
            for rule in rules
        ]
        self._caller = caller
        self._admin_flags = [(int(flags & known), behaviour) for flags, behaviour in admin.items()]
        self._for_everybody = int(FIDS & known) if has(Feature.UNPRIVILEGED_GROUPS) else 0
        if has(Feature.USERNS_MARKS):
            self._for_everybody |= FAN_REPORT_MNT

    def verdict(self, flags: int) -> tuple[int, str]:
        """Return the answer, and the behaviour from which it follows."""
        return next(self._errors(flags), (OK, "INIT-BASIC"))

    def broken(self, flags: int, answer: int) -> str:
        """Return the behaviour that an unexpected answer breaks: the order, if it is another error that applies."""
        others = {error for error, _ in self._errors(flags)}
        return ORDER if answer in others else self.verdict(flags)[1]

    def _errors(self, flags: int) -> Iterator[tuple[int, str]]:
        """Yield every error that applies to a call, in the order in which the kernel looks for them."""
        if not self._caller.admin:
            for admin_flags, behaviour in self._admin_flags:
                if flags & admin_flags:
                    yield EPERM, behaviour
            if not flags & self._for_everybody:
                yield EPERM, "CAP-UNPRIV-PLAIN"
        for behaviour, given, needed, refused, one_of in self._rules:
            if flags & given and (
                flags & refused or flags & needed != needed or (one_of and not flags & one_of)
            ):
                yield EINVAL, behaviour
        if flags & FAN_ENABLE_AUDIT and not self._caller.auditor:
            yield EPERM, "INIT-AUDIT-CAP"
