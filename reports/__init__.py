# SPDX-License-Identifier: GPL-2.0-or-later
"""From the stored results to every format that people and CI systems read. Knows nothing of VMs."""
