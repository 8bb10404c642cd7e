# SPDX-License-Identifier: GPL-2.0-or-later
"""Places on other machines: VMs that run there are to a session what those of this machine are.

on this side          hosts (which machines, and whether they are fit), ssh (the way there), machine (one VM)
on the other side     landing (the first that runs), outpost (looks after VMs), parts (what was sent, kept)
on both               wire (what is said), stream (a VM's port), pulse (whether the other is still there)
"""
