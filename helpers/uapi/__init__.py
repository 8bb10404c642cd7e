# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's interface in Python: its constants by their names in C, which they print as, and its structures.

    from helpers.uapi import CLONE_PIDFD, FAN_OPEN, FAN_REPORT_PIDFD, O_RDONLY, PIDFD_THREAD

Constants of one word belong to one class: Init(word), Mark, Mask and their like make flags of any number.
To add one, write it in its class and below that; helpers/tests/test_uapi.py sees that both is done.
"""

# ruff: noqa: F403 - a constant is written in two places, not in three
from helpers.uapi.fanotify import *
from helpers.uapi.files import *
from helpers.uapi.names import *
from helpers.uapi.pidfd import *
from helpers.uapi.processes import *
