#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# kselftest: the suites on the running kernel. KTAP goes to standard output, all else to standard error.
# Options are those of pytest; kselftest's runner takes them from KSELFTEST_FANOTIFY_PIDFD_SH_ARGS.
# The page and all else of the run is kept where FAPITEST_RESULTS, a new directory, is set.
# Exit codes are those of kselftest: 0 pass, 1 fail, 4 skip, also where the kernel has nothing of what is tested.

skip() {
	printf 'KTAP version 1\n1..0 # SKIP %s\n' "$1"
	exit 4
}

here=$(dirname "$(realpath "$0")")
for project in "${FAPITEST:-$here/project}" "${FAPITEST:-$here/..}"; do
	[ ! -d "$project/suites" ] || break
done
[ -d "$project/suites" ] || skip "set FAPITEST to the directory of the fapitest project: ${FAPITEST:-it is not beside this script}"
[ "$(id -u)" -eq 0 ] || skip "this needs root"
command -v tox >/dev/null || skip "this needs tox on root's PATH"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
results=${FAPITEST_RESULTS:-$scratch/results}
(cd "$project" && exec tox -e host -- --on-this-machine --results "$results" "$@") >&2
code=$?
if ! cat "$results"/*/ktap.txt; then
	echo "Bail out! There are no results; what is above tells why."
	exit 1
fi
[ "$code" -eq 0 ] || exit 1
grep '^ok ' "$results"/*/ktap.txt | grep -qv ' # SKIP' || exit 4
