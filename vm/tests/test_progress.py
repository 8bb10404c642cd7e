# SPDX-License-Identifier: GPL-2.0-or-later
"""A user who waits sees what for, and that there is progress."""

from vm import progress
from vm.tests import sessions


def test_what_takes_long_is_said_again_and_again(monkeypatch, capfd):
    monkeypatch.setattr(progress, "PULSE", 0.01)
    lines = []

    def said():
        lines.extend(capfd.readouterr().err.splitlines())
        return len(lines) > 2

    with progress.waiting("counting sheep"):
        sessions.wait_until(said, "three lines")
    assert lines[:2] == ["fapitest: counting sheep", "fapitest: counting sheep, 0 s"]


def test_a_download_is_told_until_it_is_there(monkeypatch, capfd):
    monkeypatch.setattr(progress, "PULSE", 0.01)
    said = ""

    def half():
        nonlocal said
        said += capfd.readouterr().err
        return "fapitest: fetching wool, 50 %, 0 s" in said

    with progress.Downloads() as downloads:
        downloads.show("fetching wool", 50.0)
        sessions.wait_until(half, "the second line")
    assert said.startswith("fapitest: fetching wool\n")


def test_the_pulse_is_faster_than_the_patience_of_a_reader():
    assert progress.PULSE < 5
