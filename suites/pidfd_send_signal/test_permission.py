# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may signal whom: users, capabilities, and pid namespaces."""

import functools
import os
from errno import EINVAL, EPERM
from signal import SIGCONT, SIGKILL

import pytest

from helpers.actors import Actor
from helpers.children import in_child
from helpers.credentials import unprivileged, user, without
from helpers.errors import OK, outcome
from helpers.pidfd import clone_in, own_pidfd, pidfd_of, pidfd_send_signal
from helpers.uapi import CAP_KILL, CLONE_NEWPID

OTHER_USER = 54321
in_a_new_pid_namespace = functools.partial(clone_in, CLONE_NEWPID)


def without_kill():
    without(CAP_KILL)()


def other_user():
    user(OTHER_USER)()


def other_user_without_kill():
    other_user()
    without_kill()


@pytest.mark.behaviour("PSIG-EPERM")
@pytest.mark.parametrize(
    ("step", "answer"),
    [(unprivileged, EPERM), (other_user_without_kill, EPERM), (other_user, OK), (without_kill, OK)],
)
def test_signal_to_a_process_of_root(step, answer):
    with Actor(os.getpid) as actor, pidfd_of(actor.pid) as fd:
        answers = in_child(lambda: [outcome(pidfd_send_signal, fd, signal) for signal in (0, SIGCONT)], step)
        # kill(2): whoever is of the same session may have it go on.
        assert answers == [answer, OK]


@pytest.mark.behaviour("PSIG-EPERM")
def test_signal_to_a_process_of_the_same_user():
    def signal_a_child():
        with Actor(os.getpid) as actor, pidfd_of(actor.pid) as fd:
            pidfd_send_signal(fd, SIGKILL)
            actor.await_zombie()
            return actor.reap()

    assert in_child(signal_a_child, unprivileged) == -SIGKILL


@pytest.mark.behaviour("PSIG-NS")
@pytest.mark.parametrize("signal", [0, SIGKILL])
def test_signal_to_the_namespace_above(signal):
    with own_pidfd() as fd:

        def attempt():
            return outcome(pidfd_send_signal, fd, signal)

        with Actor(attempt, make=in_a_new_pid_namespace, keep=[fd]) as actor:
            assert actor.act() == EINVAL


@pytest.mark.behaviour("PSIG-NS")
def test_signal_to_a_sibling_namespace():
    with Actor(os.getpid, make=in_a_new_pid_namespace) as target, pidfd_of(target.pid) as fd:

        def attempt():
            return outcome(pidfd_send_signal, fd, 0)

        with Actor(attempt, make=in_a_new_pid_namespace, keep=[fd]) as actor:
            assert actor.act() == EINVAL


@pytest.mark.behaviour("PSIG-NS-BELOW")
def test_signal_to_the_namespace_below():
    with Actor(os.getpid, make=in_a_new_pid_namespace) as actor, pidfd_of(actor.pid) as fd:
        pidfd_send_signal(fd, 0)
        pidfd_send_signal(fd, SIGKILL)
        actor.await_zombie()
        assert actor.reap() == -SIGKILL
