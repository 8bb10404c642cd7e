// SPDX-License-Identifier: GPL-2.0-only
/* A second module with the handler name "test-skip": only one of them can be loaded. */
#include "fanotify_test_skip.c"
