# SPDX-License-Identifier: GPL-2.0-or-later
"""Which kernel of one run is which of another. A name is a label: one kernel may have two, and be updated under one."""

import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from helpers.contract.manifest import Kernel
from reports.stored import Column


class How(StrEnum):
    """Why two kernels are compared, the best reason first."""

    NAME = "same name"
    CONTENT = "same content"
    SERIES = "same series"
    HAND = "chosen by hand"


class Pair(NamedTuple):
    """Two kernels that are compared."""

    old: Column
    new: Column
    how: How

    def __str__(self) -> str:
        """Say which, and why where it can not be seen."""
        before, after = self.old.kernel, self.new.kernel
        releases = (
            f"{before.release or '?'} → {after.release or '?'}" if before.release != after.release else ""
        )
        if before.name == after.name:
            return f"{after.name} ({releases})" if releases else after.name
        return f"{before.name} → {after.name} ({', '.join(filter(None, [self.how, releases]))})"


def content(kernel: Kernel) -> Hashable:
    """Return what a kernel is made of; None if that is not known."""
    return (kernel.image, kernel.config) if kernel.image else None


def series(kernel: Kernel) -> Hashable:
    """Return what stays the same when a kernel is updated: machine, series, and whether it is a reference kernel."""
    number = re.match(r"\d+\.\d+", kernel.release)
    return (machine(kernel), number[0], kernel.name.startswith("ref-")) if number else None


def machine(kernel: Kernel) -> str:
    """Return the name of the machine whose running kernel it is; "" for the kernel of a VM."""
    if kernel.hostname or kernel.accel != "none":
        return kernel.hostname
    return kernel.name.removesuffix(f"-{kernel.release}")


_KEYS: tuple[tuple[How, Callable[[Kernel], Hashable]], ...] = (
    (How.NAME, lambda kernel: kernel.name),
    (How.CONTENT, content),
    (How.SERIES, series),
)


def pairs(old: Iterable[Column], new: Sequence[Column]) -> list[Pair]:
    """Pair the kernels of two runs that are the same one, in the order of the new ones.

    What two kernels of one run have in common tells them from no third: it pairs neither.
    """
    before, after = list(old), list(new)
    found: list[Pair] = []
    for how, key in _KEYS:
        olds, news = ({key(one.kernel): one for one in _single(side, key)} for side in (before, after))
        found += [Pair(olds[value], news[value], how) for value in news if value in olds]
        before = [one for one in before if not any(one is pair.old for pair in found)]
        after = [one for one in after if not any(one is pair.new for pair in found)]
    order = {id(one): number for number, one in enumerate(new)}
    return sorted(found, key=lambda pair: order[id(pair.new)])


def _single(columns: list[Column], key: Callable[[Kernel], Hashable]) -> list[Column]:
    values = [key(one.kernel) for one in columns]
    return [
        one
        for one, value in zip(columns, values, strict=True)
        if value is not None and values.count(value) == 1
    ]
