# SPDX-License-Identifier: GPL-2.0-or-later
"""pytest plugin of the process that records a run: reports come in, results go to the run's directory."""

import signal
import sys
import tempfile
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

import pytest

from helpers.contract.properties import Property
from helpers.contract.results import Journal, Result, write
from reports import exit_codes, run
from reports.bisect import verdict
from reports.collector import Collector
from reports.phase import facts, kernel_of
from reports.plan import Plan, ending
from reports.terminal import Terminal, give_back, take_over

_STOP = (signal.SIGTERM, signal.SIGHUP)
_ENDED = (0, 1, 2, 5)
"""pytest's exit codes of a session that came to its end; 2 also of one that did not."""


def pytest_configure(config: pytest.Config) -> None:
    """Make the run's directory and put its absolute path into the option `results`, for all to read."""
    recorder = Recorder(config)
    config.option.results = str(recorder.directory)
    config.pluginmanager.register(recorder, "fapitest-recorder")
    config.pluginmanager.register(recorder.plan, "fapitest-plan")


class Recorder:
    """Records one run. What cannot be written is said at once and at the end, and never stops the run."""

    def __init__(self, config: pytest.Config) -> None:
        """Open the journal. Raises pytest.UsageError if the directory that the user named is taken."""
        self._config = config
        self._wanted: str | None = config.getoption("results")
        self._problems: list[str] = []
        self._terminal: Terminal | None = None
        self._made = self._wanted is None
        self._interrupted = False
        self._finished = False
        self._collector = Collector()
        self._signals = [number for number in _STOP if signal.getsignal(number) is signal.SIG_DFL]
        self._journal = self._open()
        self._display = take_over(config)
        # These would end the process at once; let them end the session, like Ctrl-C.
        for number in self._signals:
            signal.signal(number, signal.default_int_handler)
        self.directory = self._journal.path.parent
        self.plan = Plan(self.directory, self.complain)

    def _open(self) -> Journal:
        try:
            return Journal(self._directory() / run.RESULTS, self.complain)
        except FileExistsError as error:
            raise pytest.UsageError(
                f"--results: {error.filename} exists, and no run is overwritten"
            ) from None
        except OSError as error:
            fallback = Path(tempfile.mkdtemp(prefix="fapitest-"))
            self.complain(
                f"cannot write to {self._wanted or run.OUT}: {error.strerror}; this run is kept in {fallback}"
            )
            return Journal(fallback / run.RESULTS, self.complain)

    def _directory(self) -> Path:
        if self._wanted is None:
            return run.new(run.OUT)
        directory = self._config.invocation_params.dir / self._wanted
        self._made = not directory.exists()
        directory.mkdir(parents=True, exist_ok=True)
        return directory.resolve()

    def complain(self, line: str) -> None:
        """Say at once that something could not be written, and remember to say it again."""
        self._problems.append(line)
        self._say(line)

    def _say(self, line: str) -> None:
        if self._terminal:
            self._terminal.complain(line)
        else:
            print(line, file=sys.stderr)

    def _keep(self, result: Result) -> None:
        if not self._journal.results:
            self._become_latest()
        self._journal.add(result)
        if self._terminal:
            self._terminal.result(result)

    def _flush(self) -> None:
        for result in self._collector.flush():
            self._keep(result)

    @property
    def _results(self) -> list[Result]:
        """What every report is made of: also what was planned and did not run."""
        return self.plan.completed(self._journal.results)

    def _close(self) -> None:
        from reports.export import export_all, no_room, said  # noqa: PLC0415 - the formats' libraries are needed here and not before

        self._finished = bool(self._journal.results or self._problems or self.plan.begun)
        if not self._finished:
            return
        if not self._journal.results:
            self._become_latest()
        unwritten = self._journal.close()
        self._problems += filter(None, [unwritten])
        failed = export_all(self._journal.results, self.directory)
        self._problems += said(failed, self.directory)
        if unwritten or no_room(failed.values()):
            self._write_elsewhere()
        for problem in self._problems:
            self._say(problem)
        if self._terminal:
            self._terminal.end(self.directory, self._results, self.plan.balance(self._journal.results))

    def _write_elsewhere(self) -> None:
        """Write all results and reports to a directory of their own: where they belong there is no room."""
        from reports.export import export_all, said  # noqa: PLC0415 - as above

        elsewhere = Path(tempfile.mkdtemp(prefix="fapitest-run-"))
        try:
            write(elsewhere / run.RESULTS, self._journal.results)
            self.plan.move(elsewhere)
        except OSError as error:
            self._problems.append(f"nor can they be written to {elsewhere}: {error.strerror}")
            return
        failed = export_all(self._journal.results, elsewhere)
        self._problems += said(failed, elsewhere)
        self._problems.append(f"all results and reports of this run are in {elsewhere}")
        self.directory = elsewhere

    # ---- pytest's hooks ----

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Take over the terminal."""
        reporter = self._config.pluginmanager.getplugin("terminalreporter")
        if reporter and self._display:
            self._terminal = Terminal(self._config, reporter, self._display)
            self._config.pluginmanager.register(self._terminal, "fapitest-terminal")

    def _become_latest(self) -> None:
        """Become the latest run: there is a result to show."""
        if self.directory.parent == run.OUT:
            try:
                run.point_latest_at(self.directory)
            except OSError as error:
                self.complain(f"cannot replace {run.OUT / run.LATEST}: {error.strerror}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write the result when this is the last report of its test."""
        if baseline := facts(report).get(Property.BASELINE):
            self.plan.held_against(kernel_of(report), baseline)
        if result := self._collector.add(report):
            self._keep(result)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep in mind what could not even be collected."""
        self._collector.add_uncollected(report)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """Keep what is known of interrupted tests; write every format when all others have finished."""
        self._flush()
        self.plan.close(ending(session, interrupted=self._interrupted))
        try:
            return (yield)
        finally:
            self._close()
            session.exitstatus = self._exit_code(session.exitstatus)

    def _exit_code(self, code: int) -> int:
        """Return the exit code of the run, to which pytest's own is one contribution."""
        unwritten = exit_codes.NOT_DONE if self._problems else 0
        if not self._config.getoption("bisect", default=False):
            whole = not self._finished or self.plan.balance(self._journal.results).complete
            incomplete = 0 if whole else exit_codes.NOT_DONE
            return exit_codes.combined(code, exit_codes.of(self._journal.results), unwritten, incomplete)
        if code in _ENDED and not self._interrupted and (code == exit_codes.ALARM or not unwritten):
            return verdict(self._results)
        return exit_codes.combined(code, unwritten)

    def pytest_keyboard_interrupt(self) -> None:
        """Remember that not all tests were run that should have been."""
        self._interrupted = True

    def pytest_terminal_summary(self) -> None:
        """Show the results of the whole run."""
        if self._terminal:
            self._terminal.summary(self._results)

    def pytest_unconfigure(self) -> None:
        """Give back the signals, and leave no trace of a run that never began."""
        if self._display:
            give_back(self._display)
        for number in self._signals:
            signal.signal(number, signal.SIG_DFL)
        if not self._finished:
            self._journal.close()
            if any(self.directory.glob("*/console*.log")):
                return  # a kernel had begun to boot: a run, without results
            with suppress(OSError):
                self.plan.forget()
                self._journal.path.unlink()
                if self._made:
                    self.directory.rmdir()
