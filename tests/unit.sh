#!/usr/bin/env bash
# Runs the cmocka programs in BUILD/tests/unit; shows the output of those that fail. Usage: unit.sh BUILD [NAME].
# Last line: tests passed, failed, skipped, as cmocka counts them; a program that crashed is one failure.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2
build=${1:-build} filter=${2:-}
passed=0 failed=0 skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

count() { # WORD
	local n
	n=$(sed -nE "s/^\[ *$1 *\] ([0-9]+) test\(s\).*/\1/p" "$log" | tail -n 1)
	echo "${n:-0}"
}

for program in "$build"/tests/unit/*; do
	if [ ! -f "$program" ] || [ ! -x "$program" ]; then
		continue
	fi
	name=${program##*/}
	case $name in *"$filter"*) ;; *) continue ;; esac
	timeout 120 "$program" >"$log" 2>&1
	status=$?
	bad=$(count FAILED)
	passed=$((passed + $(count PASSED)))
	skipped=$((skipped + $(count SKIPPED)))
	sed -nE "s/^skipped: (.*)/skip: $name: \1/p" "$log"
	[ $status -eq 0 ] || [ "$bad" -gt 0 ] || bad=1
	failed=$((failed + bad))
	if [ "$bad" -gt 0 ]; then
		echo "FAIL: $name (exit status $status)"
		grep -vE '^\[ +(RUN|OK) ' "$log" | head -n 40
	fi
done
if [ $((passed + failed + skipped)) -eq 0 ] && [ -z "$filter" ]; then
	echo "FAIL: there are no unit tests in $build"
	failed=1
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
