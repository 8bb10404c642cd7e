# SPDX-License-Identifier: GPL-2.0-or-later
"""The manual's pages held against what was reviewed: which behaviours verify each sentence, what is new or changed."""
