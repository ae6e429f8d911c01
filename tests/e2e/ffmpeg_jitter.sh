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

# The whole stream, to its end in the receiver; then jbtrace's.
send_and_end() { # IN_PORT OUT_PORT SECONDS
	stream_sender "$1" "$3"
	wait "$sender_pid"
	stream_end "$relay_pid"
	stream_settle "$2"
	kill -INT "$jbtrace_pid" 2>/dev/null
	wait "$jbtrace_pid"
	jbtrace_pid=
	stream_stop
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
	send_and_end "$in_port" "$out_port" "$seconds"
	python3 tests/e2e/rfc3550.py "$tmp/truth.txt" 90000 >"$tmp/figures.txt" || return 1
	python3 tests/e2e/rfc3550.py "$tmp/truth.txt" 90000 --check "$tmp/out.txt" >"$tmp/verdict.txt"
}

count_case() { # NAME, and as run_case
	case $1 in *"$filter"*) ;; *) return ;; esac
	if run_named "$@"; then
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

# The last row of a table in the output, by its first two words: field NUMBER of it.
row_field() { # PID WORD NUMBER
	awk -v pid="$1" -v word="$2" -v n="$3" '$1 == pid && (word == "" || $2 == word) { x = $n } END { print x }' "$tmp/out.txt"
}

# Every process at once: the sender's calls are what FFmpeg says of itself (-progress); the receiver's frames wait for
# the first packet of the next one (its parser needs it to know where a frame ends), 40 ms at 25 frames a second.
calls_run() {
	local in_port out_port calls frames handed wait_ms
	in_port=$(stream_port)
	out_port=$(stream_port)
	: >"$tmp/out.txt"
	__BPFTRACE_NOTIFY_PROBES_ATTACHED=1 "$jbtrace" "$script" >"$tmp/out.txt" 2>"$tmp/err.txt" </dev/null &
	jbtrace_pid=$!
	wait_armed || return 1
	stream_receiver "$out_port" -c copy -f null - && stream_relay "$in_port" "$out_port" -s 1 || return 1
	send_and_end "$in_port" "$out_port" 4
	calls=$(row_field "$sender_pid" av_interleaved_write_frame 3)
	frames=$(sed -n 's/^frame=//p' "$tmp/sender.progress" | tail -n 1)
	handed=$(sed '/--- summary/,$!d; /@buffer/,$!d' "$tmp/out.txt" | awk -v pid="$receiver_pid" '$1 == pid { print $2 }')
	wait_ms=$(sed '/--- summary/,$!d; /@buffer/,$!d' "$tmp/out.txt" | awk -v pid="$receiver_pid" '$1 == pid { print int($3) }')
	echo "av_interleaved_write_frame: jbtrace ${calls:-none}, FFmpeg ${frames:-none}"
	echo "frames handed over ${handed:-none}, after ${wait_ms:-no} ms"
	[ -n "$calls" ] && [ "$calls" = "$frames" ] && [ "${handed:-0}" -gt 50 ] &&
		[ "${wait_ms:-0}" -ge 36 ] && [ "${wait_ms:-999}" -le 60 ]
}

# The same run as metrics: the stream's series are what the relay did, the sender's calls what FFmpeg says of itself, and
# each histogram holds every call.
metrics_run() {
	local in_port out_port calls counted frames
	in_port=$(stream_port)
	out_port=$(stream_port)
	: >"$tmp/out.txt"
	rm -f "$tmp/out.prom"
	__BPFTRACE_NOTIFY_PROBES_ATTACHED=1 "$jbtrace" -f prom -o "$tmp/out.prom" "$script" >"$tmp/out.txt" 2>&1 </dev/null &
	jbtrace_pid=$!
	wait_armed || return 1
	stream_receiver "$out_port" -c copy -f null - && stream_relay "$in_port" "$out_port" -s 8 -D 20 -U 20 -R 20 -k 3 -J 10 || return 1
	send_and_end "$in_port" "$out_port" 4
	frames=$(sed -n 's/^frame=//p' "$tmp/sender.progress" | tail -n 1)
	calls=$(series packet_count_total)
	counted=$(series delay_seconds_count)
	echo "av_interleaved_write_frame: jbtrace ${calls:-none}, its histogram ${counted:-none}, FFmpeg ${frames:-none}"
	[ -n "$calls" ] && [ "$calls" = "$frames" ] && [ "$counted" = "$frames" ] &&
		python3 tests/e2e/rfc3550.py "$tmp/truth.txt" 90000 --metrics "$tmp/out.prom"
}

series() { # NAME: of the sender's av_interleaved_write_frame
	sed -n "s/^jitterbuffer_$1{pid=\"$sender_pid\",function=\"av_interleaved_write_frame\"} //p" "$tmp/out.prom"
}

# Through each of the eight system calls, with RTCP and garbage in between, by programs that are not FFmpeg: the counts
# are what they say of themselves, and what cannot be seen of them is said in one sentence.
syscalls_run() {
	local port rows=0 want
	port=$(stream_port)
	: >"$tmp/recv.txt"
	"$progs/rtp_recv" "$port" 400 >"$tmp/recv.txt" &
	stream_pids+=("$!")
	stream_wait_udp "$port" || return 1
	timeout 20 "$jbtrace" "$script" -c "$progs/rtp_send $port 400 all 500" >"$tmp/out.txt" 2>"$tmp/err.txt" </dev/null
	stream_stop
	want=$(sed -n 's/^rtp //p' "$tmp/recv.txt")
	rows=$(sed '/--- summary/,$!d' "$tmp/out.txt" |
		awk -v n="${want:-0}" '($2 == "in" || $2 == "out") && $5 == n && $7 == 0 && $8 == 0 && $9 == 0' | wc -l)
	grep -c 'cannot be seen' "$tmp/out.txt" >"$tmp/sentences.txt"
	echo "rows with $want packets, none lost, late or double: $rows of 2; sentences: $(cat "$tmp/sentences.txt")"
	[ "${want:-0}" -eq 400 ] && [ "$rows" -eq 2 ] && [ "$(cat "$tmp/sentences.txt")" -eq 2 ]
}

run_named() { # NAME, and as run_case
	case $1 in
	calls) calls_run >"$tmp/verdict.txt" ;;
	metrics) metrics_run >"$tmp/verdict.txt" ;;
	syscalls) syscalls_run >"$tmp/verdict.txt" ;;
	*) run_case "$@" ;;
	esac
}

filter=${1:-}
[ "$(id -u)" -eq 0 ] || skip_all "needs root"
[ -x "$jbtrace" ] || skip_all "$jbtrace is not built"
[ -f "$script" ] || skip_all "$script is not there"
command -v ffmpeg >/dev/null || skip_all "needs ffmpeg"
count_case calls
count_case metrics
count_case syscalls
count_case clean 3 -s 1
count_case loss 4 -s 2 -D 50
count_case duplicates 4 -s 3 -U 50
count_case reorder 4 -s 4 -R 50 -k 3
count_case jitter 5 -s 5 -J 20
count_case everything 6 -s 6 -D 20 -U 20 -R 30 -k 2 -J 10 -x 30
finish
