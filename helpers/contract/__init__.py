# SPDX-License-Identifier: GPL-2.0-or-later
"""What the project's parts share: statuses, stored results, names of properties, behaviours and known issues.

Everybody may import it; it imports nothing of the project but itself, and nothing but Python's own library.
"""
