# SPDX-License-Identifier: GPL-2.0-or-later
"""pytest plugin of this room."""
