# SPDX-License-Identifier: GPL-2.0-or-later
"""The README is read as a person reads it."""

import pytest

from fresh import readme

COMMANDS = {
    "remark": ("    tox -e a -- x    all that it does", ["tox -e a -- x"]),
    "comment": ("    tox -e a   # all that it does", ["tox -e a"]),
    "or": ("    tox -e a    all; or: tox -e a -- b", ["tox -e a", "tox -e a -- b"]),
    "in-a-remark": ("    results/   for b: tox -e b makes it", ["tox -e b"]),
    "both-in-one": ("    apt update && apt install x", ["apt update && apt install x"]),
    "alternatives": (
        "    python -m x list | fetch | shell 6.12   more",
        ["python -m x list", "python -m x fetch", "python -m x shell 6.12"],
    ),
    "may-be-left-out": ("    python -m x a [RUN]", ["python -m x a"]),
    "sourced": ("    . .tox/run/bin/activate    then", [". .tox/run/bin/activate"]),
    "other-program": ("    git bisect run tox -e a", ["git bisect run tox -e a"]),
    "files": ("    matrix.html, .md    the page\n    vm/    machines", []),
    "sentence": ("Say `tox -e a`, see `vm/a.py`, `--lf` and `tox.ini`.", ["tox -e a"]),
    "table": ("| x | y |\n|---|---|\n| `python -m x a` | b |", ["python -m x a"]),
    "twice": ("Say `tox -e a` or\n\n    tox -e a", ["tox -e a"]),
}


@pytest.mark.parametrize(("markdown", "found"), COMMANDS.values(), ids=COMMANDS)
def test_commands(markdown: str, found: list[str]) -> None:
    assert readme.commands(markdown) == found


EXAMPLES = """
text

    [A-B]
    statement = "x"

text

    import os


    @pytest.mark.behaviour("A-B")
    def test_a(): ...
"""


def test_examples_are_found_whole() -> None:
    assert readme.example(EXAMPLES, "toml") == '[A-B]\nstatement = "x"\n'
    assert readme.example(EXAMPLES, "python").startswith("import os\n\n\n@pytest")
    with pytest.raises(LookupError, match="python"):
        readme.example("text", "python")
