# SPDX-License-Identifier: GPL-2.0-or-later
"""Reports come out of the wire as they went in."""

import pytest

from vm import wire


def over_the_wire(report, config, **added):
    """Send a report as a worker does: packed, and with what pytest-xdist adds."""
    data = wire.packed(config.hook.pytest_report_to_serializable(config=config, report=report)) | added
    return config.hook.pytest_report_from_serializable(config=config, data=data)


def report(outcome="passed", longrepr=None, **more):
    return pytest.TestReport("a::b", ("a", 1, "b"), {"b": 1}, outcome, longrepr, "call", **more)


def test_fields_survive(request):
    sent = report(user_properties=[("kernel", "6.12")], sections=[("Captured stdout", "text")], duration=0.25)
    got = over_the_wire(sent, request.config, item_index=7)
    assert (got.nodeid, got.outcome, got.when, got.duration) == ("a::b", "passed", "call", 0.25)
    assert (dict(got.user_properties), got.capstdout) == ({"kernel": "6.12"}, "text")
    assert got.item_index == 7


def test_reason_of_a_skip_stays_what_pytest_looks_for(request):
    assert over_the_wire(report("skipped", ("a", 1, "why")), request.config).longrepr == ("a", 1, "why")


def test_bytes_that_are_no_text_survive(request):
    assert over_the_wire(report("failed", "name \udcff"), request.config).longrepr == "name \udcff"


def test_traceback_survives(request):
    with pytest.raises(AssertionError) as caught:
        assert not request
    got = over_the_wire(report("failed", caught.getrepr(style="long")), request.config)
    assert "assert not request" in got.longreprtext


def test_report_that_was_not_packed_is_left_to_pytest(request):
    data = request.config.hook.pytest_report_to_serializable(config=request.config, report=report())
    assert not wire.is_packed(data)
    assert (
        request.config.hook.pytest_report_from_serializable(config=request.config, data=data).nodeid == "a::b"
    )
