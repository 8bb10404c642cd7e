# SPDX-License-Identifier: GPL-2.0-or-later
"""Joins the three rooms: the kernel interface, the machines, the results."""

pytest_plugins = ["helpers.plugin", "vm.plugin", "reports.plugin"]
