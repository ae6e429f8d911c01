# shellcheck shell=bash
# shellcheck disable=SC2154 # progs and tmp are the caller's
# A live RTP stream on loopback, for the demo and the end-to-end tests: FFmpeg sends, rtp_relay spoils, FFmpeg
# receives. Sourced, not run. The caller sets `progs` (folder of the built target programs) and `tmp` (an own
# folder), calls stream_start SECONDS RECEIVER_ARGUMENT..., and in the end stream_stop. Afterwards $tmp/truth.txt
# says what really was sent. Everything started here is ended by its own pid.

stream_pids=()

# An even port so that port + 1 is free for RTCP.
stream_port() {
	python3 - <<'PY'
import random, socket
while True:
    port = random.randrange(20000, 30000, 2)
    try:
        socks = []
        for p in (port, port + 1):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.bind(("127.0.0.1", p))
            socks.append(s)
        print(port)
        break
    except OSError:
        pass
PY
}

stream_wait_udp() { # until something is bound to the UDP port, at most 5 s
	local hex i
	hex=$(printf ':%04X ' "$1")
	for ((i = 0; i < 100; i++)); do
		grep -q "$hex" /proc/net/udp && return 0
		sleep 0.05
	done
	echo "nothing listens on UDP port $1" >&2
	return 1
}

# The receiver is there before the first packet, so it misses none: its SDP file is written by hand.
stream_receiver() { # PORT FFMPEG_OUTPUT_ARGUMENT...
	local port=$1
	shift
	cat >"$tmp/stream.sdp" <<-SDP
		v=0
		o=- 0 0 IN IP4 127.0.0.1
		s=jbtrace
		c=IN IP4 127.0.0.1
		t=0 0
		m=video $port RTP/AVP 32
		b=AS:800
	SDP
	ffmpeg -nostdin -hide_banner -loglevel error -protocol_whitelist file,udp,rtp \
		-i "$tmp/stream.sdp" "$@" -progress "$tmp/receiver.progress" \
		>/dev/null 2>"$tmp/receiver.log" </dev/null &
	receiver_pid=$!
	stream_pids+=("$receiver_pid")
	stream_wait_udp "$port"
}

stream_relay() { # FROM_PORT TO_PORT RELAY_OPTION...
	local from=$1 to=$2
	shift 2
	"$progs/rtp_relay" -l "$from" -d "$to" -t "$tmp/truth.txt" "$@" >/dev/null </dev/null &
	relay_pid=$!
	stream_pids+=("$relay_pid")
	stream_wait_udp "$from"
}

stream_sender() { # PORT SECONDS
	ffmpeg -nostdin -hide_banner -loglevel error -re -f lavfi -i testsrc=size=320x240:rate=25 \
		-t "$2" -c:v mpeg2video -b:v 800k -f rtp "rtp://127.0.0.1:$1" \
		-progress "$tmp/sender.progress" >/dev/null 2>"$tmp/sender.log" </dev/null &
	sender_pid=$!
	stream_pids+=("$sender_pid")
}

# Until the receiver has taken everything out of its socket, at most 2 s.
stream_settle() { # PORT
	local hex i
	hex=$(printf ':%04X ' "$1")
	for ((i = 0; i < 40; i++)); do
		grep "$hex" /proc/net/udp | grep -q ':00000000 00:' && break
		sleep 0.05
	done
	sleep 0.1
}

stream_end() { # PID: ask, wait at most 3 s, then insist
	local i
	kill -TERM "$1" 2>/dev/null
	for ((i = 0; i < 60; i++)); do
		kill -0 "$1" 2>/dev/null || break
		sleep 0.05
	done
	kill -KILL "$1" 2>/dev/null
	wait "$1" 2>/dev/null
	return 0
}

stream_stop() {
	local pid
	for pid in "${stream_pids[@]}"; do
		stream_end "$pid"
	done
	stream_pids=()
}
