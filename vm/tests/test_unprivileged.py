# SPDX-License-Identifier: GPL-2.0-or-later
"""The user that QEMU runs as."""

import os
import pwd
import re
from pathlib import Path

import pytest

from vm import unprivileged
from vm.tests import sessions

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="who is not root stays what he is")
NOBODY = pwd.getpwnam(unprivileged.USER)


@needs_root
@pytest.mark.timeout(900)
def test_qemu_of_a_run_of_roots_is_nobody_and_can_become_nothing_else(tmp_path):
    with sessions.endless(tmp_path / "out") as session:
        (pid,) = session.virtual_machines()
        status = Path(f"/proc/{pid}/status").read_text()
    found = dict(re.findall(r"^(Uid|Gid|CapEff|CapPrm|CapInh|NoNewPrivs):\s+(.*)$", status, re.MULTILINE))
    assert found.pop("Uid").split() == [str(NOBODY.pw_uid)] * 4
    assert found.pop("Gid").split() == [str(NOBODY.pw_gid)] * 4
    assert int(found.pop("NoNewPrivs")) == 1
    assert {int(capabilities, 16) for capabilities in found.values()} == {0}


@needs_root
def test_a_directory_that_nobody_reaches_keeps_root(tmp_path):
    tmp_path.chmod(0o755)
    (tmp_path / "open").mkdir(mode=0o755)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    assert unprivileged.identity(directory=closed / "vm", device=None) is None


@needs_root
def test_the_device_group_comes_along(tmp_path):
    device = tmp_path / "kvm"
    device.touch()
    os.chown(device, 0, 4242)
    found = unprivileged.identity(directory=Path("/tmp/fapitest-vm-x"), device=device)
    assert found == unprivileged.Identity(NOBODY.pw_uid, NOBODY.pw_gid, (4242,))
    assert "--groups=4242" in found.options


def test_who_is_not_root_stays_what_he_is(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert unprivileged.identity(directory=Path("/tmp"), device=None) is None
