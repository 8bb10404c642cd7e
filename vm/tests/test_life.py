# SPDX-License-Identifier: GPL-2.0-or-later
"""The states of a VM's life."""

import itertools

import pytest

from vm.life import Ending, Life, NotAllowedError, State

ORDER = [State.BOOTING, State.READY, State.CONNECTED, State.COLLECTED, State.RUNNING]
ALLOWED = set(itertools.pairwise(ORDER))


@pytest.mark.parametrize(("before", "after"), list(itertools.product(ORDER, State)))
def test_only_the_next_state_may_follow(before, after):
    life = Life("6.12", before)
    if (before, after) in ALLOWED:
        life.to(after)
        assert life.state is after
    else:
        with pytest.raises(NotAllowedError, match=f"{after} can not follow {before}"):
            life.to(after)


@pytest.mark.parametrize("state", ORDER)
def test_a_vm_may_end_in_every_state_and_only_once(state):
    life = Life("6.12", state)
    life.end(Ending.HANG)
    assert (life.state, life.ending) == (State.ENDED, Ending.HANG)
    with pytest.raises(NotAllowedError, match="ended already"):
        life.end(Ending.LOST)
