# SPDX-License-Identifier: GPL-2.0-or-later
"""What reaches the host through the outbox is what allure-pytest would have written into a directory."""

import json
import os

import pytest
from allure_commons import model2
from allure_commons.logger import AllureFileLogger

from vm import protocol
from vm.allure_files import AllureFiles, is_parameter
from vm.interactor import Channel
from vm.outbox import Outbox

RESULT = model2.TestResult(
    name="test_b[1]",
    status="failed",
    statusDetails=model2.StatusDetails(message="expected EINVAL"),
    parameters=[
        model2.Parameter(name="kernel", value="'6.12'"),
        model2.Parameter(name="n", value="", excluded=False),
    ],
    labels=[model2.Label(name="story", value="INIT-BASIC")],
    start=1,
    stop=2,
)
CONTAINER = model2.TestResultContainer(
    uuid="1", children=["2"], befores=[model2.TestBeforeResult(name="file", status="passed")], start=1
)


def by_allure(directory, hook, *arguments):
    getattr(AllureFileLogger(directory), hook)(*arguments)
    return next(directory.iterdir())


def by_outbox(tmp_path, hook, *arguments):
    stream = tmp_path / "port"
    port = os.open(stream, os.O_WRONLY | os.O_CREAT)
    outbox = Outbox(Channel(port))
    getattr(AllureFiles(outbox), hook)(*arguments)
    outbox.send()
    os.close(port)
    event = protocol.event(stream.read_bytes())
    assert isinstance(event, protocol.Files)
    ((name, content),) = event.contents
    path = tmp_path / name
    path.parent.mkdir()
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(("hook", "item"), [("report_result", RESULT), ("report_container", CONTAINER)])
def test_same_content(tmp_path, hook, item):
    theirs, ours = by_allure(tmp_path / "theirs", hook, item), by_outbox(tmp_path, hook, item)
    assert json.loads(ours.read_bytes()) == json.loads(theirs.read_bytes())
    assert ours.name.split("-")[-1] == theirs.name.split("-")[-1]


@pytest.mark.parametrize("body", ["text \u20ac", b"\xff bytes"])
def test_same_attachment(tmp_path, body):
    arguments = "report_attached_data", body, "1-attachment.txt"
    theirs, ours = by_allure(tmp_path / "theirs", *arguments), by_outbox(tmp_path, *arguments)
    assert (ours.name, ours.read_bytes()) == (theirs.name, theirs.read_bytes())


def test_same_attached_file(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    arguments = "report_attached_file", str(tmp_path / "file"), "1-attachment.txt"
    theirs, ours = by_allure(tmp_path / "theirs", *arguments), by_outbox(tmp_path, *arguments)
    assert (ours.name, ours.read_bytes()) == (theirs.name, theirs.read_bytes())


def test_message_that_is_no_text(tmp_path):
    odd = model2.TestResult(name="a", statusDetails=model2.StatusDetails(message="\udcff"))
    ours = by_outbox(tmp_path, "report_result", odd)
    assert json.loads(ours.read_bytes())["statusDetails"]["message"] == "\udcff"


@pytest.mark.parametrize("number", [1])
@pytest.mark.parametrize(("name", "answer"), [("number", True), ("tmp_path", False)])
@pytest.mark.usefixtures("number", "tmp_path")
def test_parameters_are_told_from_fixtures(request, name, answer):
    assert is_parameter(request._get_active_fixturedef(name)) is answer
