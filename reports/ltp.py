# SPDX-License-Identifier: GPL-2.0-or-later
"""The JSON that LTP's runner kirk writes, one file per kernel, as openQA and Linaro's test-definitions read it."""

import json
import platform
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from helpers.contract.results import Result, kernels
from reports.evidence import NONE, Catalogue, as_text, catalogue
from reports.names import paths, rerun
from reports.run import kernel_directory, replace_file
from reports.text import one_line, printable

_COUNTERS = {"pass": "passed", "fail": "failed", "brok": "broken", "conf": "skipped", "warn": "warnings"}
_EXIT_CODES = {"pass": "0", "fail": "1", "brok": "2", "conf": "32", "warn": "4"}
"""What a test of LTP exits with: TFAIL 1, TBROK 2, TWARN 4, TCONF 32 (LTP, tst_res_flags.h)."""


def export(results: Sequence[Result], run: Path) -> list[Path]:
    """Write `<run>/<kernel>/ltp.json` for each kernel. Raises OSError."""
    return [
        replace_file(
            kernel_directory(run, kernel) / "ltp.json",
            (json.dumps(document(tests, catalogue()), indent=1) + "\n").encode(),
        )
        for kernel, tests in kernels(results).items()
    ]


def document(results: Sequence[Result], known: Catalogue = NONE) -> dict[str, Any]:
    """Return one kernel's results as kirk writes them."""
    names = paths(result.test for result in results)
    counts = Counter(result.words.ltp for result in results)
    return {
        "results": [_result(result, names[result.test], known) for result in results],
        "stats": {
            "runtime": sum(result.duration for result in results),
            **{name: counts[status] for status, name in _COUNTERS.items()},
        },
        "environment": {
            "distribution": "",
            "distribution_version": "",
            "kernel": next((one_line(result.release) for result in results if result.release), ""),
            "arch": platform.machine(),
            "cpu": "",
            "swap": "",
            "RAM": "",
        },
    }


def _result(result: Result, name: str, known: Catalogue) -> dict[str, Any]:
    status = result.words.ltp
    return {
        "test_fqn": name,
        "status": status,
        "test": {
            "command": one_line(rerun(result)),
            "arguments": [],
            "log": "\n".join(
                [
                    printable(result.test),
                    *filter(None, [one_line(result.headline), as_text(result, known)]),
                ]
            ),
            "retval": [_EXIT_CODES[status]],
            "duration": result.duration,
            **{counter: int(status == word) for word, counter in _COUNTERS.items()},
            "result": status,
        },
    }
