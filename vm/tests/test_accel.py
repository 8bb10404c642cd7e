# SPDX-License-Identifier: GPL-2.0-or-later
"""KVM is probed by booting a VM, and the result is cached."""

import pytest

from vm import accel
from vm.bootimage import Kernel


@pytest.fixture
def tried(monkeypatch, tmp_path):
    """Provide a device that can be opened; return the names of the kernels KVM was tried with, of which 6.12 boots."""
    monkeypatch.setenv("FAPITEST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(accel, "DEVICE", tmp_path / "kvm")
    (tmp_path / "kvm").touch()
    found = []

    def boot(kernel):
        found.append(kernel.name)
        return (True, "") if kernel.name == "6.12" else (False, "it stood still")

    monkeypatch.setattr(accel, "_try", boot)
    return found


def kernel(name, tmp_path):
    return Kernel(name, tmp_path / name, tmp_path / name, loop=True, origin="", key=name)


def answers(tmp_path, *names):
    return [accel.kvm((8, 2), kernel(name, tmp_path))[0] for name in names]


def test_a_kernel_that_does_not_boot_says_nothing_about_others(tried, tmp_path):
    assert answers(tmp_path, "mine", "mine", "6.12", "6.12") == [False, False, True, True]
    assert tried == ["mine", "6.12"]


def test_where_it_works_it_works_for_every_kernel(tried, tmp_path):
    assert answers(tmp_path, "6.12", "mine", "7.2") == [True, True, True]
    assert tried == ["6.12"]


def test_an_answer_can_be_asked_for_again(tried, tmp_path):
    answers(tmp_path, "6.12")
    accel.kvm((8, 2), kernel("6.12", tmp_path), again=True)
    assert tried == ["6.12", "6.12"]
