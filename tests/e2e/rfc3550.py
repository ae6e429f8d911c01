#!/usr/bin/env python3
"""What RFC 3550 says about a stream, calculated offline from rtp_relay's truth file.

Usage: rfc3550.py TRUTH CLOCK_HZ [--check OUTPUT | --metrics FILE]. Prints one "name number" line per figure and stream. With
--check, compares with the last row of the biggest stream in jbtrace's output (the table whose columns are named PACKETS,
LOST, REORDERED, DUPLICATES, JITTER_MS): counts must be equal, jitter close. With --metrics, with the series
jitterbuffer_rtp_* of that stream as its receiver has it.
"""
import re
import sys


class Stream:
    """RFC 3550 appendix A.1 (sequence), A.3 (loss) and A.8 (jitter), in plain numbers."""

    def __init__(self, clock_hz):
        self.clock_hz = clock_hz
        self.packets = self.duplicates = self.reordered = 0
        self.seen = set()
        self.base = self.max = None
        self.last_arrival = self.last_ts = None
        self.max_gap_ns = 0
        self.jitter_ns = 0.0

    def packet(self, t_ns, seq, ts):
        self.packets += 1
        self._sequence(seq)
        self._jitter(t_ns, ts)

    def _sequence(self, seq):
        if self.max is None:
            self.base = self.max = ext = 65536 + seq
        else:
            step = (seq - self.max + 32768) % 65536 - 32768
            ext = self.max + step
        if ext in self.seen:
            self.duplicates += 1
            return
        self.seen.add(ext)
        self.reordered += ext < self.max
        self.max = max(self.max, ext)
        self.base = min(self.base, ext)

    def _jitter(self, t_ns, ts):
        if self.last_arrival is not None:
            gap = t_ns - self.last_arrival
            self.max_gap_ns = max(self.max_gap_ns, gap)
            step = (ts - self.last_ts + 2**31) % 2**32 - 2**31
            d = abs(gap - step * 1e9 / self.clock_hz)
            self.jitter_ns += (d - self.jitter_ns) / 16
        self.last_arrival, self.last_ts = t_ns, ts

    def figures(self):
        expected = self.max - self.base + 1
        return {
            "packets": self.packets,
            "expected": expected,
            "lost": expected - len(self.seen),
            "reordered": self.reordered,
            "duplicates": self.duplicates,
            "jitter_ns": round(self.jitter_ns),
            "max_gap_ns": self.max_gap_ns,
        }


def read_truth(path, clock_hz):
    streams, summary = {}, {}
    with open(path, encoding="ascii") as lines:
        for line in lines:
            words = line.split()
            if words[0] == "summary":
                summary[words[1]] = int(words[2])
            elif words[0] != "#":
                stream = streams.setdefault(int(words[3]), Stream(clock_hz))
                stream.packet(int(words[0]), int(words[1]), int(words[2]))
    return streams, summary


def last_record(path, ssrc):
    """Column name -> number, from the last row of this stream in a table that has LOST and REORDERED."""
    found, names = {}, []
    with open(path, encoding="utf-8", errors="replace") as lines:
        for words in map(str.split, lines):
            if "LOST" in words and "REORDERED" in words:
                names = [word.lower() for word in words]
            elif len(words) != len(names):
                names = []
            elif names and ("ssrc" not in names or words[names.index("ssrc")] == str(ssrc)):
                found = dict(zip(names, words))
    for name in ("jitter", "max_gap"):
        if f"{name}_ms" in found:
            found[f"{name}_ns"] = float(found[f"{name}_ms"]) * 1e6
    return {name: float(value) for name, value in found.items() if re.fullmatch(r"-?[\d.]+", str(value))}


def metrics(path, ssrc):
    """The same from an exposition of metrics."""
    series = {"packets": "packets_total", "expected": "expected_packets_total", "lost": "lost_packets",
              "reordered": "reordered_packets_total", "duplicates": "duplicate_packets_total", "jitter_s": "jitter_seconds"}
    found = {}
    with open(path, encoding="utf-8") as lines:
        for name, labels, value in re.findall(r"^jitterbuffer_rtp_(\w+)\{(.*)\} (\S+)$", lines.read(), re.M):
            if 'direction="in"' in labels and f'ssrc="{ssrc}"' in labels:
                found.update({ours: float(value) for ours, theirs in series.items() if theirs == name})
    if "jitter_s" in found:
        found["jitter_ns"] = found.pop("jitter_s") * 1e9
    return found


def check(figures, got):
    if not got:
        print("not ok: nothing about this stream in the output")
        return False
    good = True
    for name, want in figures.items():
        have = got.get(name)
        if name in ("max_gap_ns", "expected") and have is None or name == "max_gap_ns":
            continue
        if have is None:
            print(f"not ok: {name} is missing")
            good = False
            continue
        # The relay notes when it sends, jbtrace when the receiver's call returns: scheduling lies between them.
        room = want * 0.1 if name == "jitter_ns" else 0
        verdict = "ok" if abs(have - want) <= room else "not ok"
        good &= verdict == "ok"
        print(f"{verdict}: {name} jbtrace {have:.0f}, truth {want}")
    return good


def main(argv):
    if len(argv) not in (3, 5):
        print(__doc__, file=sys.stderr)
        return 2
    streams, summary = read_truth(argv[1], int(argv[2]))
    if not streams:
        print("no packets in the truth file")
        return 1
    if len(argv) == 5:
        ssrc, biggest = max(streams.items(), key=lambda item: item[1].packets)
        read = {"--check": last_record, "--metrics": metrics}[argv[3]]
        return 0 if check(biggest.figures(), read(argv[4], ssrc)) else 1
    for ssrc, stream in streams.items():
        print(f"ssrc {ssrc}")
        for name, value in stream.figures().items():
            print(f"{name} {value}")
    totals = [stream.figures() for stream in streams.values()]
    for ours, theirs in (("lost", "lost"), ("reordered", "reordered"), ("duplicates", "duplicated")):
        if summary and sum(f[ours] for f in totals) != summary[theirs]:
            print(f"the relay's own summary disagrees: {theirs} {summary[theirs]}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
