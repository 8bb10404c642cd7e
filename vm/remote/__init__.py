# SPDX-License-Identifier: GPL-2.0-or-later
"""Places on other machines. A session treats their VMs like those of this machine.

on this side          hosts (the machines, and checking them), ssh (the connection), machine (one VM)
on the other side     landing (loads the outpost), outpost (runs VMs), parts (the cache of files that were sent)
on both               wire (messages), stream (a VM's port), pulse (keep-alive)
"""
