# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's side: kernels, the guest image, QEMU, and pytest-xdist workers in VMs. Knows nothing about fanotify."""
