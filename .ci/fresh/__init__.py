# SPDX-License-Identifier: GPL-2.0-or-later
"""The newcomer: what the README says is done, word by word, on a Debian that nobody has touched."""
