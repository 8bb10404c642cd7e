# SPDX-License-Identifier: GPL-2.0-or-later
"""Suggestions and numbers in messages."""

import pytest

from vm.words import count, nearest


@pytest.mark.parametrize(("number", "said"), [(0, "0 entries"), (1, "1 entry"), (2, "2 entries")])
def test_numbers_and_what_they_count(number, said):
    assert count(number, "entry", "entries") == said
    assert count(number, "run") == said.replace("entries", "runs").replace("entry", "run")


@pytest.mark.parametrize(("word", "hint"), [("6.21", "; is 6.12 meant?"), ("linux", "")])
def test_what_may_have_been_meant(word, hint):
    assert nearest(word, ["5.10", "6.12"]) == hint
