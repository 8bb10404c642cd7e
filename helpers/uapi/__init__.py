# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's interface in Python: constants, named and printed as in C, and structures.

    from helpers.uapi import CLONE_PIDFD, FAN_OPEN, FAN_REPORT_PIDFD, O_RDONLY, PIDFD_THREAD

The flags of one argument are a class: Init(number), Mark(number), Mask(number) and so on turn any number into flags.
A new constant is a member of its class and a name below it; helpers/tests/test_uapi.py checks that it is both.
"""

# ruff: noqa: F403 - a constant is written in two places, not in three
from helpers.uapi.fanotify import *
from helpers.uapi.files import *
from helpers.uapi.names import *
from helpers.uapi.pidfd import *
from helpers.uapi.processes import *
