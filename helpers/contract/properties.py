# SPDX-License-Identifier: GPL-2.0-or-later
"""The names under which a test's report carries what pytest's own fields do not (`user_properties`)."""


class Property:
    """The names, as plain texts: pytest-xdist carries no enumeration. The value that belongs to one is a text."""

    BEHAVIOUR = "behaviour"
    """The id of a behaviour that the test verifies; as often as there are such."""
    KERNEL = "kernel"
    """The kernel's name in this run."""
    RELEASE = "release"
    """What uname -r says."""
    ACCEL = "accel"
    """kvm, tcg or none."""
    STATUS = "status"
    """How the phase ended: a Status."""
    MESSAGE = "message"
    """The first lines of what there is to say about it."""
    LOST = "lost"
    """What became of the VM that ran the test: one of the statuses VM_GONE."""
    SKIP_KIND = "skip-kind"
    SKIP_TEXT = "skip-text"
    NEW_FEATURE = "new-feature"
    """A feature that answered though the kernel's baseline does not know it; as often as there are such."""
    BASELINE = "baseline"
    """What the kernel is held against, "" for nothing: what it lacks is then no failure."""
    ALLURE = "allure"
    """What allure-pytest knew when the test began, as JSON."""
