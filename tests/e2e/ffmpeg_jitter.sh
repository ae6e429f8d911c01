#!/usr/bin/env bash
# End to end: a real FFmpeg stream through a network that loses, doubles, reorders and delays. What
# scripts/ffmpeg_jitter.jt says of it must be what the relay did: counts to the packet, jitter within the
# scheduler's share. Each case is one seed of the relay and one mix of harm. Last line: passed, failed, skipped.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 2
progs=${JB_BUILD:-build}/tests/progs
jbtrace=${JB_BUILD:-build}/jbtrace
script=scripts/ffmpeg_jitter.jt
passed=0 failed=0 skipped=0
tmp=$(mktemp -d)
# shellcheck source=tests/e2e/stream.sh
. tests/e2e/stream.sh
jbtrace_pid=
# shellcheck disable=SC2317 # called by the trap
cleanup() {
	[ -n "$jbtrace_pid" ] && stream_end "$jbtrace_pid"
	stream_stop
	rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

finish() {
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" -eq 0 ]
	exit
}

skip_all() {
	echo "skip: $1"
	skipped=$((skipped + 1))
	finish
}

wait_armed() { # until jbtrace says so, at most 10 s
	local i
	for ((i = 0; i < 200; i++)); do
		grep -q __BPFTRACE_NOTIFY_PROBES_ATTACHED "$tmp/out.txt" 2>/dev/null && return 0
		kill -0 "$jbtrace_pid" 2>/dev/null || return 1
		sleep 0.05
	done
	return 1
}

run_case() { # NAME SECONDS RELAY_OPTION...
	local name=$1 seconds=$2 in_port out_port
	shift 2
	in_port=$(stream_port)
	out_port=$(stream_port)
	: >"$tmp/out.txt"
	stream_receiver "$out_port" -c copy -f null - && stream_relay "$in_port" "$out_port" "$@" || return 1
	__BPFTRACE_NOTIFY_PROBES_ATTACHED=1 "$jbtrace" -p "$receiver_pid" "$script" \
		>"$tmp/out.txt" 2>"$tmp/err.txt" </dev/null &
	jbtrace_pid=$!
	if ! wait_armed; then
		echo "$name: jbtrace was not armed"
		return 1
	fi
	stream_sender "$in_port" "$seconds"
	wait "$sender_pid"
	stream_end "$relay_pid"
	stream_settle "$out_port"
	kill -INT "$jbtrace_pid" 2>/dev/null
	wait "$jbtrace_pid"
	jbtrace_pid=
	stream_stop
	python3 tests/e2e/rfc3550.py "$tmp/truth.txt" 90000 >"$tmp/figures.txt" || return 1
	python3 tests/e2e/rfc3550.py "$tmp/truth.txt" 90000 --check "$tmp/out.txt" >"$tmp/verdict.txt"
}

count_case() { # as run_case
	case $1 in *"$filter"*) ;; *) return ;; esac
	if run_case "$@"; then
		passed=$((passed + 1))
		echo "ok: $1"
	else
		failed=$((failed + 1))
		echo "FAIL: $1"
		cat "$tmp/verdict.txt" 2>/dev/null
		tail -n 20 "$tmp/err.txt" 2>/dev/null
		[ -n "$jbtrace_pid" ] && stream_end "$jbtrace_pid"
		jbtrace_pid=
		stream_stop
	fi
	rm -f "$tmp"/verdict.txt "$tmp"/err.txt
}

filter=${1:-}
[ "$(id -u)" -eq 0 ] || skip_all "needs root"
[ -x "$jbtrace" ] || skip_all "$jbtrace is not built"
[ -f "$script" ] || skip_all "$script is not there"
command -v ffmpeg >/dev/null || skip_all "needs ffmpeg"
count_case clean 3 -s 1
count_case loss 4 -s 2 -D 50
count_case duplicates 4 -s 3 -U 50
count_case reorder 4 -s 4 -R 50 -k 3
count_case jitter 5 -s 5 -J 20
count_case everything 6 -s 6 -D 20 -U 20 -R 30 -k 2 -J 10 -x 30
finish
