# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's end of the port: pytest-xdist's worker, with a channel that speaks the project's own protocol.

Only this module uses private names of pytest-xdist, and execnet's threads (vm/remote/ssh.py uses more of execnet).
vm/tests/test_interactor.py lists these names, so that it fails with a release that changes them.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import execnet.gateway_base
import pytest
import xdist.remote
from _pytest.config import _prepareconfig

from vm import protocol

CHANNEL = pytest.StashKey["Channel"]()
"""The key under which plugins in a guest find the channel."""

_SECTION = 64 << 10
"""Maximum characters of captured output that a guest sends; of longer output, the beginning and the end."""


_PROPERTY = protocol.TEXT - 100
"""Maximum characters of a property: what the protocol allows, because a shortened one is useless for Allure."""


def shortened(text: str, most: int = _SECTION) -> str:
    """Return a text; if it is too long, its beginning and its end, and how much is left out between them."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"


class Channel:
    """Replaces the execnet channel of pytest-xdist's worker: sends events, receives commands."""

    def __init__(self, descriptor: int) -> None:
        """Speak through the open port."""
        self._descriptor = descriptor
        self._pid = os.getpid()
        self.gateway = SimpleNamespace(execmodel=execnet.gateway_base.get_execmodel("thread"))

    def send(self, message: tuple[str, dict[str, Any]]) -> None:
        """Send a message of pytest-xdist's worker, if the host needs it."""
        name, fields = message
        if translate := _EVENTS.get(name):
            event, told = translate(fields)
            self.tell(event, **told)

    def tell(self, name: str, /, **fields: Any) -> None:
        """Send an event of the protocol.

        A child that a test has forked and that returns into pytest must not send events as its parent: it reports
        itself once, and exits.
        """
        if os.getpid() != self._pid:
            name, fields = "unclean", {"text": "a process that the test has forked came back into pytest"}
        data = memoryview(protocol.line(name, **fields))
        while data:
            data = data[os.write(self._descriptor, data) :]
        if os.getpid() != self._pid:
            os._exit(1)

    def setcallback(self, callback: Callable[[Any], None], endmarker: object) -> None:
        """Pass each command of the host to `callback`, in a thread, and the end marker at the end."""

        def read() -> None:
            with os.fdopen(os.dup(self._descriptor), "rb") as commands:
                for line in commands:
                    name, fields = json.loads(line)
                    callback(("runtests" if name == "run" else name, fields))
            callback(endmarker)

        threading.Thread(target=read, daemon=True, name="commands of the host").start()


# --- messages of pytest-xdist's worker as events ------------------------------------------------------------------


def described(report: pytest.TestReport | pytest.CollectReport) -> dict[str, Any]:
    """Return the fields of a report as plain texts, without pytest's own classes."""
    if isinstance(report, pytest.CollectReport):
        return {"name": report.nodeid, "text": _text(report), "outcome": report.outcome}
    return {
        "when": report.when,
        "outcome": report.outcome,
        "text": _text(report),
        "place": _place(report),
        "sections": [[title, shortened(text)] for title, text in report.sections[:60]],
        "properties": [
            [str(name), shortened(str(value), _PROPERTY)] for name, value in report.user_properties
        ],
        "expected": getattr(report, "wasxfail", None),
        "duration": report.duration,
    }


def _text(report: pytest.TestReport | pytest.CollectReport) -> str:
    found = report.longrepr
    if isinstance(found, tuple):
        return shortened(found[2].removeprefix("Skipped: "))
    return shortened(report.longreprtext) if found is not None else ""


def _place(report: pytest.TestReport) -> list[object] | None:
    if isinstance(report.longrepr, tuple):
        return [report.longrepr[0], report.longrepr[1]]
    crash = getattr(report.longrepr, "reprcrash", None)
    return [crash.path, crash.lineno] if crash else None


def _phase(fields: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    data = fields["data"]
    wanted = protocol.EVENTS["phase"][1].keys() - {"index"}
    return "phase", {"index": data["item_index"], **{name: data[name] for name in wanted}}


def _warned(fields: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    data = fields["warning_message_data"]
    text = f"{data['filename']}:{data['lineno']}: {data['category_class_name']}: {data['message_str']}"
    return "warned", {"text": shortened(text), "when": fields["when"], "test": fields["nodeid"]}


def _finished(fields: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    output = fields["workeroutput"]
    reason = output["shouldfail"] or output["shouldstop"] or ""
    return "finished", {"code": output["exitstatus"], "reason": str(reason)}


_Translation = Callable[[dict[str, Any]], tuple[str, dict[str, Any]]]
_EVENTS: dict[str, _Translation] = {
    "workerready": lambda _: ("ready", {}),
    "collectreport": lambda fields: ("not-collected", fields["data"]),
    "testreport": _phase,
    "runtest_protocol_complete": lambda fields: ("completed", {"index": fields["item_index"]}),
    "warning_recorded": _warned,
    "workerfinished": _finished,
    "internal_error": lambda fields: ("internal-error", {"text": shortened(fields["formatted_error"])}),
}


def serve(descriptor: int, order: dict[str, Any]) -> None:
    """Run pytest as a worker of the host at the other end of the port, as xdist.remote does."""
    channel = Channel(descriptor)
    sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115  the host prints the report
    workerinput = {"workerid": "vm", "workercount": 1, "testrunuid": "vm", **order["workerinput"]}
    config = _prepareconfig(order["arguments"], None)
    xdist.remote.setup_config(config, None)
    config.workerinput = workerinput  # type: ignore[attr-defined]
    config.workeroutput = {}  # type: ignore[attr-defined]
    config.stash[CHANNEL] = channel
    xdist.remote.interactor = xdist.remote.WorkerInteractor(config, channel)
    sys.exit(config.hook.pytest_cmdline_main(config=config))
