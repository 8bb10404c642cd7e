# SPDX-License-Identifier: GPL-2.0-or-later
"""The private names that vm/interactor.py uses of pytest-xdist, execnet and pytest exist in the installed releases."""

import ast
import inspect
import os
import subprocess

import execnet.gateway_base
import pytest
import xdist.remote
from _pytest.config import _prepareconfig

from vm import interactor, protocol
from vm.image import PROJECT

SIGNATURES = {
    "_pytest.config._prepareconfig": (_prepareconfig, ["args", "plugins"]),
    "execnet.gateway_base.get_execmodel": (execnet.gateway_base.get_execmodel, ["backend"]),
    "xdist.remote.setup_config": (xdist.remote.setup_config, ["config", "basetemp"]),
    "xdist.remote.WorkerInteractor": (xdist.remote.WorkerInteractor, ["config", "channel"]),
    "WorkerInteractor.sendevent": (xdist.remote.WorkerInteractor.sendevent, ["self", "name", "kwargs"]),
    "WorkerInteractor.handle_command": (xdist.remote.WorkerInteractor.handle_command, ["self", "command"]),
}
EVENTS_WITHOUT_MEANING = {"collectionstart", "collectionfinish", "logstart", "logfinish", "unscheduled"}
"""Messages of pytest-xdist's worker that the host does not need; vm/worker.py sends the collected tests."""

PRIVATE = ("xdist.remote", "xdist.dsession", "xdist.workermanage", "xdist.scheduler", "execnet")


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_inner_names_are_what_they_were(name):
    function, parameters = SIGNATURES[name]
    assert list(inspect.signature(function).parameters)[: len(parameters)] == parameters


def test_every_event_of_the_worker_is_known():
    """A new release with another event or field fails here, and not in a VM."""
    calls = [
        node
        for node in ast.walk(ast.parse(inspect.getsource(xdist.remote)))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "sendevent"
    ]
    sent = {ast.literal_eval(call.args[0]) for call in calls}
    assert sent == set(interactor._EVENTS) | EVENTS_WITHOUT_MEANING


def test_nobody_else_reaches_into_them():
    listed = subprocess.run(
        ["git", "grep", "-lE", f"^(from|import) ({'|'.join(PRIVATE)})", "--", "*.py"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    known = {"vm/interactor.py", "vm/remote/ssh.py"}  # each with its tests
    assert set(listed.stdout.split()) == known | {"vm/tests/test_interactor.py", "vm/tests/test_remote.py"}


def test_a_forked_process_that_comes_back_says_so_and_ends(tmp_path):
    port = os.open(tmp_path / "port", os.O_WRONLY | os.O_CREAT)
    channel = interactor.Channel(port)
    child = os.fork()
    if child == 0:
        channel.tell("completed", index=3)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 1
    os.close(port)
    event = protocol.event((tmp_path / "port").read_bytes())
    assert event == protocol.Unclean("a process that the test has forked came back into pytest")


def test_the_longest_property_fits_the_protocol():
    report = pytest.TestReport("a", ("a", 0, "a"), {}, "passed", None, "call")
    report.user_properties = [("allure", "x" * (2 * protocol.TEXT))]
    event = protocol.event(protocol.line("phase", index=0, **interactor.described(report)))
    assert isinstance(event, protocol.Phase)


@pytest.mark.parametrize(("length", "short"), [(10, True), (interactor._SECTION + 1, False)])
def test_long_texts_keep_their_ends(length, short):
    text = "a" * length + "z"
    found = interactor.shortened(text)
    assert (found == text) is short
    assert found.startswith("a")
    assert found.endswith("z")
    assert len(found) <= interactor._SECTION + 100
