#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# kselftest: the suites on the running kernel. KTAP goes to standard output, all else to standard error.
# Options are those of pytest. Exit codes are those of kselftest: 0 pass, 1 fail, 4 skip.
here=$(dirname "$(realpath "$0")")
run=$(mktemp -d)
trap 'rm -rf "$run"' EXIT

if [ "$(id -u)" -ne 0 ] || ! command -v tox >&2; then
	echo "KTAP version 1"
	echo "1..0 # SKIP this needs root and tox"
	exit 4
fi
tox --root "$here/.." -c "$here/../tox.ini" -e host -- --on-this-machine --results "$run/results" "$@" >&2
code=$?
cat "$run/results/ktap.txt" || exit 1
exit $((code != 0))
