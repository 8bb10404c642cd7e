# SPDX-License-Identifier: GPL-2.0-or-later
"""Here lies the root of the tests.

The plugins of the rooms are joined in pyproject.toml: they must be there before pytest looks at paths, and this file
is read on the way to one.
"""
