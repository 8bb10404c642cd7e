# SPDX-License-Identifier: GPL-2.0-or-later
"""The handlers, whose modules are loaded for one test each."""

import contextlib

import pytest

from helpers import kernel_modules, proposals
from helpers.features import Feature
from helpers.requirements import requires


@pytest.fixture
@requires(Feature.FASTPATH, Feature.FASTPATH_HANDLERS)
def handlers():
    """Load the modules of all handlers. When they are unloaded afterwards, nobody may hold them any more."""
    table = proposals.fastpath()
    with contextlib.ExitStack() as stack:
        for module in dict.fromkeys([table.verdict_module, table.skip_all_module, table.subtree_module]):
            stack.enter_context(kernel_modules.loaded(module))
        yield table
