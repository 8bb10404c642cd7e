# SPDX-License-Identifier: GPL-2.0-or-later
"""Two groups of different kinds on one file: what one asks for changes nothing of what the other gets."""

import contextlib
import os

import pytest

from helpers.events import FidRecord
from helpers.fanotify import FanotifyGroup
from helpers.handles import fsid
from helpers.uapi import (
    FAN_CLOSE,
    FAN_CLOSE_NOWRITE,
    FAN_EVENT_INFO_TYPE_DFID_NAME,
    FAN_EVENT_INFO_TYPE_FID,
    FAN_MARK_ADD,
    FAN_NONBLOCK,
    FAN_ONDIR,
    FAN_OPEN,
    FAN_REPORT_DFID_NAME,
    FAN_REPORT_FID,
    Init,
)
from suites.fanotify_mark.places import FILE, PLACES, mark, of_children

REPORTS = {
    Init(0): [],
    FAN_REPORT_FID: [(FAN_EVENT_INFO_TYPE_FID, None)],
    FAN_REPORT_DFID_NAME: [(FAN_EVENT_INFO_TYPE_DFID_NAME, FILE.encode())],
}
"""What a group can report, and the types and names of the records of an event of the file that it gets."""

BY_REPORT = pytest.mark.parametrize("report", REPORTS)
BY_REPORT_OF_THE_OTHER = pytest.mark.parametrize("others", REPORTS)
BY_PLACE = pytest.mark.parametrize("place", PLACES)


@pytest.fixture
def directory(ext4_dir):
    (ext4_dir / FILE).write_text("content")
    return ext4_dir


@contextlib.contextmanager
def watching_place(directory, report, place, mask):
    with FanotifyGroup(FAN_NONBLOCK | report) as group:
        mark(group, directory, place, mask | of_children(place))
        yield group


def records(event):
    return [(record.type, record.name) for record in event.records]


@pytest.mark.behaviour("MARK-GROUPS-OWN")
@BY_REPORT
@BY_PLACE
@pytest.mark.parametrize(
    ("others", "others_place"),
    [*((each, "parent") for each in REPORTS), (FAN_REPORT_DFID_NAME, "filesystem")],
)
def test_each_gets_its_own(directory, report, place, others, others_place):
    with (
        watching_place(directory, report, place, FAN_OPEN) as group,
        watching_place(directory, others, others_place, FAN_CLOSE) as other,
    ):
        (directory / FILE).read_text()
        event, others_event = group.read_one(), other.read_one()
        assert (event.mask, records(event)) == (FAN_OPEN, REPORTS[report])
        assert (others_event.mask, records(others_event)) == (FAN_CLOSE_NOWRITE, REPORTS[others])


@pytest.mark.behaviour("MARK-GROUPS-CHILD")
@BY_REPORT
@BY_REPORT_OF_THE_OTHER
def test_children_are_for_who_asked(directory, report, others):
    with FanotifyGroup(FAN_NONBLOCK | report) as group:
        group.mark(FAN_MARK_ADD, FAN_OPEN, directory)
        with watching_place(directory, others, "parent", FAN_OPEN) as other:
            (directory / FILE).read_text()
            assert other.read_one().mask == FAN_OPEN
        group.assert_empty()


@pytest.mark.behaviour("MARK-GROUPS-ONDIR")
@BY_REPORT
@BY_REPORT_OF_THE_OTHER
@pytest.mark.parametrize("place", ["parent", "mount", "filesystem"])
def test_directories_are_for_who_asked(directory, report, others, place):
    with (
        watching_place(directory, report, place, FAN_OPEN) as group,
        watching_place(directory, others, place, FAN_OPEN | FAN_ONDIR) as other,
    ):
        list(directory.iterdir())
        assert other.read_one().mask & ~FAN_ONDIR == FAN_OPEN
        group.assert_empty()


@pytest.mark.behaviour("MARK-GROUPS-FSID")
@BY_PLACE
@pytest.mark.parametrize("order", [[Init(0), FAN_REPORT_FID], [FAN_REPORT_FID, Init(0)]])
def test_fsid_whoever_comes_first(directory, place, order):
    with contextlib.ExitStack() as groups:
        made = {
            report: groups.enter_context(watching_place(directory, report, place, FAN_OPEN))
            for report in order
        }
        (directory / FILE).read_text()
        assert made[FAN_REPORT_FID].read_one().one(FidRecord).fsid == fsid(directory) != (0, 0)
        assert os.path.samestat(os.fstat(made[Init(0)].read_one().fd), (directory / FILE).stat())
