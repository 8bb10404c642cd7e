# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine that a run asked for: --cpus 2 --memory 640 --append fapitest.word=1."""

import os
from pathlib import Path


def test_processors():
    assert os.cpu_count() == 2


def test_memory():
    line = Path("/proc/meminfo").read_text().splitlines()[0]
    assert 512 < int(line.split()[1]) >> 10 <= 640


def test_command_line():
    assert "fapitest.word=1" in Path("/proc/cmdline").read_text().split()
