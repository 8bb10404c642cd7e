# SPDX-License-Identifier: GPL-2.0-or-later
"""The inputs of a reference kernel, and the messages for failures. None is built here, since it takes minutes."""

import pytest

from vm import build, modules, tools
from vm.build import PLACE, Reference
from vm.catalogue import REFERENCE
from vm.errors import VmError


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("ref-6.12", Reference("6.12")),
        ("ref-6.12-debug", Reference("6.12", debug=True)),
        ("6.12", None),
        ("./ref-6.12", None),
        ("ref-6.12-fast", None),
    ],
)
def test_names(name, reference):
    assert build.named(name) == reference
    assert reference is None or reference.name == name


# --- configuration ------------------------------------------------------------------------------------------------


def test_a_later_part_of_the_configuration_overrides():
    first = '# about\nCONFIG_A=y\nCONFIG_B=m\nCONFIG_V="-one"\n'
    second = '# CONFIG_B is not set\nCONFIG_V="-two"\nCONFIG_C=4\n'
    assert build.merged([first, second]) == 'CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_V="-two"\nCONFIG_C=4\n'


def test_an_option_that_the_kernel_does_not_take_is_found():
    wanted = build.options("CONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\n# CONFIG_D is not set\n")
    got = build.options("CONFIG_A=y\nCONFIG_B=y\nCONFIG_D=y\n")
    assert build.not_taken(wanted, got) == ["CONFIG_B=m", "# CONFIG_D is not set"]


@pytest.mark.parametrize("name", [path.name for path in PLACE.glob("*.config")])
def test_every_line_of_the_configuration_counts(name):
    lines = [
        line for line in (PLACE / name).read_text().splitlines() if line.startswith(("CONFIG_", "# CONFIG_"))
    ]
    assert list(build.options("\n".join(lines)).values()) == lines


def test_results_of_a_reference_kernel_are_labelled():
    for debug in (False, True):
        configuration = build.merged(part.read_text() for part in Reference("6.12", debug=debug).fragments)
        assert 'CONFIG_LOCALVERSION="-reference' in configuration


# --- patches ------------------------------------------------------------------------------------------------------

OLD = "one\ntwo\nthree\nfour\nfive\n"
CHANGE = """\
Subject: [PATCH] a change

--- a/fs/a.c
+++ b/fs/a.c
@@ -1,5 +1,5 @@
 one
 two
-three
+3
 four
 five
"""
ADDITION = """\
--- /dev/null
+++ b/fs/b.c
@@ -0,0 +1 @@
+new
"""


@pytest.fixture
def tree(tmp_path):
    if not tools.find("patch"):
        pytest.skip("patch(1) is not installed")
    (tmp_path / "source/fs").mkdir(parents=True)
    (tmp_path / "source/fs/a.c").write_text(OLD)
    return tmp_path


def applied(tree, **patches):
    for name, text in patches.items():
        (tree / f"{name}.patch").write_text(text)
    files = [tree / f"{name}.patch" for name in patches]
    build.patch(tree / "source", tree / "pristine", files, "Linux 6.99")
    return {path.name: path.read_text() for path in (tree / "source/fs").iterdir()}


def test_patches_come_and_go(tree):
    assert applied(tree, change=CHANGE) == {"a.c": OLD.replace("three", "3")}
    assert applied(tree, addition=ADDITION) == {"a.c": OLD, "b.c": "new\n"}
    assert applied(tree, change=CHANGE, addition=ADDITION) == {
        "a.c": OLD.replace("three", "3"),
        "b.c": "new\n",
    }
    assert applied(tree) == {"a.c": OLD}


def test_a_file_that_stays_the_same_is_not_compiled_again(tree):
    applied(tree, change=CHANGE)
    before = (tree / "source/fs/a.c").stat().st_mtime_ns
    applied(tree, change=CHANGE, addition=ADDITION)
    assert (tree / "source/fs/a.c").stat().st_mtime_ns == before


def test_a_patch_that_does_not_apply_names_the_hunk(tree):
    with pytest.raises(
        VmError, match=r"^wrong\.patch does not apply to Linux 6\.99: hunk 1 of fs/a\.c \(line 1\)$"
    ):
        applied(tree, addition=ADDITION, wrong=CHANGE.replace("-three", "-drei").replace(" two", " zwei"))
    assert [path.name for path in (tree / "source/fs").iterdir()] == ["a.c"]


def test_a_patch_of_a_file_that_is_not_there_is_told(tree):
    with pytest.raises(VmError, match=r"does not apply to Linux 6\.99: there is no c\.c$"):
        applied(tree, wrong=CHANGE.replace("a.c", "c.c"))


@pytest.mark.parametrize("series", REFERENCE)
def test_every_series_has_the_same_patches(series):
    names = [patch.name for patch in Reference(series).patches]
    assert names == ["1-restartable-events.patch", "2-fastpath-handlers.patch"]


# --- tools and compiler -------------------------------------------------------------------------------------------


def test_a_missing_tool_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("FAPITEST_CACHE", str(tmp_path))
    monkeypatch.setattr(tools, "BUILD_PACKAGES", {"no-such-bison": "bison", "sh": "dash"})
    monkeypatch.setattr(tools, "BUILD_HEADERS", {})
    with pytest.raises(VmError, match=r"^building a kernel needs bison; as root: apt install bison$"):
        build.build(Reference("6.12"), lambda _what, _percent: None)


@pytest.mark.parametrize(
    ("said", "first"),
    [
        (
            "  CC a.o\nfs/a.c:3:1: error: expected ';'\nmake: *** [x] Error 1\n",
            "fs/a.c:3:1: error: expected ';'",
        ),
        (
            "make[1]: *** No rule to make target 'a.o'.  Stop.\n",
            "make[1]: *** No rule to make target 'a.o'.  Stop.",
        ),
        ("Killed\n", "Killed"),
        ("", ""),
    ],
)
def test_the_first_error_of_a_build(said, first):
    assert build.first_error(said) == first


@pytest.mark.parametrize(
    ("path", "extra"),
    [
        ("extra/a.ko", True),
        ("lib/modules/6.12/updates/dkms/a.ko.xz", True),
        ("fs/fat/fat.ko", False),
        ("extra", False),
    ],
)
def test_modules_beside_the_kernels_own(path, extra):
    assert modules.is_extra(path) == extra
