#!/usr/bin/env bash
# Golden tests of the compiler half; nothing touches the kernel. For tests/lang/**/x.jt the expectation files that exist
# decide what is compared: x.ast and x.plan are `jbtrace --dump STAGE`, x.err is what --dump plan says on stderr, and
# then it must fail. Parameters for $1... stand in x.args. golden.sh [--update] [NAME]; --update rewrites.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2
jbtrace=$(readlink -f "${JB_BUILD:-build}/jbtrace")
update=
[ "${1:-}" = --update ] && update=1 && shift
filter=${1:-}
passed=0 failed=0 skipped=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

finish() {
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" -eq 0 ]
	exit
}

# Run from the script's folder, so that messages carry its bare name. Status: 0 as it should be.
dump() { # STAGE SCRIPT
	local stage=$1 folder=${2%/*} name=${2##*/} args=() status
	[ -f "${2%.jt}.args" ] && read -ra args <"${2%.jt}.args"
	[ "$stage" = err ] && stage=plan
	(cd "$folder" && timeout 20 "$jbtrace" --dump "$stage" "$name" "${args[@]}") \
		>"$tmp/out" 2>"$tmp/err" </dev/null
	status=$?
	if [ "$1" = err ]; then
		cp "$tmp/err" "$tmp/got"
		[ $status -ne 0 ] && [ $status -lt 124 ] && [ -s "$tmp/err" ]
	else
		cp "$tmp/out" "$tmp/got"
		[ $status -eq 0 ]
	fi
}

compare() { # STAGE SCRIPT
	local want=${2%.jt}.$1
	if ! dump "$1" "$2"; then
		echo "FAIL: $2 ($1): wrong exit status"
		head -n 12 "$tmp/err"
		failed=$((failed + 1))
	elif [ -n "$update" ]; then
		cp "$tmp/got" "$want"
		passed=$((passed + 1))
	elif [ ! -s "$want" ]; then
		echo "skip: $2 ($1): no expectation yet: tests/golden.sh --update"
		skipped=$((skipped + 1))
	elif diff -u "$want" "$tmp/got" >"$tmp/diff"; then
		passed=$((passed + 1))
	else
		echo "FAIL: $2 ($1)"
		cat "$tmp/diff"
		failed=$((failed + 1))
	fi
}

if [ ! -x "$jbtrace" ]; then
	echo "skip: jbtrace is not built"
	skipped=1
	finish
fi
while read -r script; do
	case $script in *"$filter"*) ;; *) continue ;; esac
	for stage in ast plan err; do
		[ -e "${script%.jt}.$stage" ] && compare "$stage" "$script"
	done
done < <(find tests/lang -name '*.jt' | sort)
finish
