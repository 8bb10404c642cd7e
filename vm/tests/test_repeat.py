# SPDX-License-Identifier: GPL-2.0-or-later
"""The comparison of verdicts."""

from vm.repeat import differences

RUN = {"test_a": "pass", "test_b": "skip"}


def test_runs_that_agree():
    assert differences([RUN, RUN]) == {}


def test_a_verdict_that_changes():
    assert differences([RUN, RUN, RUN | {"test_a": "fail"}]) == {"test_a": {"pass": 2, "fail": 1}}


def test_a_test_that_is_missing():
    assert differences([RUN, {"test_a": "pass"}]) == {"test_b": {"skip": 1, "not run": 1}}
