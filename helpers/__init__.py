# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's side: the kernel's interface in Python, and actors that make events happen in a known order."""
