#!/usr/bin/env python3
"""Debian's Prometheus, with the configuration and the rules of examples/deploy, scrapes a live jbtrace once a second; what it
answers to PromQL is held against what FFmpeg, the relay and the traced programs counted and timed themselves.
Usage: prometheus.py [NAME]. Last line: passed, failed, skipped."""
import contextlib
import json
import math
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request

import jbtest
from jbtest import ROOT, Failed, Jbtrace, case, check, equal, need, run_cases, wait_until
from loads import PACED, Paced, Stream
from deploy import Prometheus, Skip as DeploySkip, need as need_yaml

EVERYTHING = '{__name__=~"jitterbuffer.*"}'
# Requirement: the set of names; the histogram's are made of its name.
NAMES = {"jitterbuffer_packet_count_total", "jitterbuffer_delay_avg_seconds", "jitterbuffer_delay_min_seconds",
         "jitterbuffer_delay_max_seconds", "jitterbuffer_dropped_packets_total", "jitterbuffer_bytes_total",
         "jitterbuffer_buffer_size_packets", "jitterbuffer_delay_seconds_bucket", "jitterbuffer_delay_seconds_sum",
         "jitterbuffer_delay_seconds_count"}
BOUNDS_NS = [int(digit * 10 ** power) for power in range(3, 9) for digit in (1, 2, 5)][:-1]  # of paced.c, up to 200 ms
TIMES = f"""
metric "jitterbuffer_packet_count_total" = @calls.calls {{ labels = (pid, function) }}
metric "jitterbuffer_delay_seconds" = @calls._delay {{ scale = ns, labels = (pid, function) }}
span:{PACED}:paced_take {{
	@calls[pid, func] = agg(calls = count(), _delay = bhist(duration, {", ".join(map(str, BOUNDS_NS))}));
}}
"""


@contextlib.contextmanager
def prometheus_over(tracer, folder):
    """examples/deploy's Prometheus with this jbtrace as its one target of job ffmpeg-jitterbuffer; it has been scraped."""
    need("prometheus")
    try:
        need_yaml()
    except DeploySkip as why:
        raise jbtest.Skip(str(why)) from None
    place = folder / "prometheus"
    place.mkdir()
    server = Prometheus(place, [f"127.0.0.1:{tracer.port}"], [], [])
    try:
        check(server.wait(lambda: number(server, 'up{job="ffmpeg-jitterbuffer"}') == 1), "jbtrace was not scraped")
        yield server
    finally:
        server.close()


def ask(server, expr, at=None):
    """Labels and value of each series of the answer."""
    params = {"query": expr} | ({"time": at} if at else {})
    return [(one["metric"], float(one["value"][1])) for one in server.get("/api/v1/query", **params)["result"]]


def number(server, expr, at=None):
    """The value of an answer of one series; None: there is none."""
    answer = ask(server, expr, at)
    check(len(answer) <= 1, f"{expr} has {len(answer)} series")
    return answer[0][1] if answer else None


def raw(server, selector):
    """series -> its samples (time, value), as they were scraped."""
    return {tuple(sorted(one["metric"].items())): [(when, float(value)) for when, value in one["values"]]
            for one in server.get("/api/v1/query", query=selector)["result"]}


def scraped_after(server, when, what="a scrape"):
    """Wait for a scrape that began after this time."""
    wait_until(lambda: (number(server, 'max(timestamp(up{job="ffmpeg-jitterbuffer"}))') or 0) > when + 0.1, 20, what)


def page(tracer, path="/metrics", accept=None):
    request = urllib.request.Request(f"http://127.0.0.1:{tracer.port}{path}", headers={"Accept": accept} if accept else {})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.read().decode()


def never_falls(server, selector):
    """All samples of counters, as scraped: how many there are."""
    n = 0
    for series, samples in raw(server, selector).items():
        values = [value for _, value in samples]
        equal(values, sorted(values), f"{series} falls")
        n += len(values)
    return n


# --- a real stream ---

def check_rules(server):
    """What the rules record is what their expressions say of live series; nothing about jbtrace itself is amiss."""
    name = "instance_function:jitterbuffer_packet_count:rate5m"
    check(server.wait(lambda: ask(server, name), 10), f"{name} is not recorded")
    at = number(server, f"max(timestamp({name}))")
    for labels, value in ask(server, name, at):
        expr = 'sum(rate(jitterbuffer_packet_count_total{function="%s"}[5m]))' % labels["function"]
        check(math.isclose(value, number(server, expr, at), rel_tol=1e-6), f"{labels}: {value}, not {number(server, expr, at)}")
    equal(ask(server, 'ALERTS{alertname=~"Jbtrace.*"}'), [], "alerts")


def check_names(server):
    """All names are there, all of them by process and function."""
    found = {}
    for labels, _ in ask(server, EVERYTHING):
        found.setdefault(labels.pop("__name__"), []).append(labels)
    equal(sorted(NAMES - set(found)), [], "names that are missing")
    for name in NAMES:
        own = {tuple(sorted(set(labels) - {"instance", "job", "site"})) for labels in found[name]}
        want = ("function", "le", "pid") if name.endswith("_bucket") else ("function", "pid")
        equal(own, {want}, f"labels of {name}")


@case
def a_stream_of_ffmpeg(folder):
    need("ffmpeg", "promtool")
    tracer = Jbtrace("--listen", 0, ROOT / "scripts/ffmpeg_jitter.jt")
    with prometheus_over(tracer, folder) as server:
        began = time.time()
        stream = Stream(folder, 14)
        stream.settle()
        scraped_after(server, time.time())
        frames = stream.frames()
        equal(frames, 14 * 25, "frames that FFmpeg says it sent")
        sender = f'{{pid="{stream.sender}",function="av_interleaved_write_frame"}}'
        equal(number(server, "jitterbuffer_packet_count_total" + sender), frames, "packets written")
        equal(number(server, "jitterbuffer_delay_seconds_count" + sender), frames, "packets in the histogram")
        equal(number(server, f'jitterbuffer_delay_seconds_bucket{sender[:-1]},le="+Inf"}}'), frames, "packets in +Inf")

        # -re sends 25 a second; the window ends before the stream, and FFmpeg's start makes up for its lateness at once.
        rate = number(server, f"rate(jitterbuffer_packet_count_total{sender}[8s])", stream.sent - 1)
        check(rate and abs(rate - 25) <= 2.5, f"{rate} packets a second of 25; {stream.sent - began:.1f} s")

        (folder / "last.prom").write_text(page(tracer), encoding="utf-8")
        stream.judge(folder / "last.prom")
        incoming = f'{{pid="{stream.receiver}",direction="in"}}'
        equal(number(server, "jitterbuffer_rtp_packets_total" + incoming), stream.came(), "packets that the relay passed on")

        check_names(server)
        check_rules(server)
        check(never_falls(server, '{__name__=~"jitterbuffer.*_(total|count|bucket|sum)"}[5m]') > 1000, "hardly any sample")
        done = subprocess.run(["promtool", "check", "metrics"], input=page(tracer), capture_output=True, text=True, timeout=30,
                              check=False)
        equal((done.returncode, done.stdout + done.stderr), (0, ""), "promtool check metrics")
        stream.stop()
        equal(tracer.stop(signal.SIGTERM), 0, "exit code")


# --- times and rates of a program that takes them itself ---

def bucket_of(times, name, quantile):
    """The bounds between which this share of a program's own times lies."""
    n = times["rounds"]
    below = 0
    for bound in BOUNDS_NS:
        if times[f"{name}_le_{bound}"] >= quantile * n:
            return below / 1e9, bound / 1e9
        below = bound
    raise Failed(f"{name}: more than {1 - quantile:.2f} took longer than {bound} ns")


@case
def quantiles_and_rates(folder):
    program = Paced(50, 12, 10, "linger")
    tracer = Jbtrace("--listen", 0, "-e", TIMES)
    with prometheus_over(tracer, folder) as server:
        program.go()
        times = program.result(40)
        ended = time.time()
        scraped_after(server, ended)
        series = f'{{pid="{program.pid}",function="paced_take"}}'
        equal(number(server, "jitterbuffer_packet_count_total" + series), times["rounds"], "calls")
        rate = number(server, f"rate(jitterbuffer_packet_count_total{series}[8s])", ended - 1)
        truth = times["rounds"] / times["ns"] * 1e9
        check(abs(rate - truth) <= 0.1 * truth, f"{rate} calls a second, the program made {truth}")

        # A probe's time is longer than what the function takes inside and shorter than the call with its probes outside.
        total = number(server, "jitterbuffer_delay_seconds_sum" + series) * 1e9
        check(times["inner_sum"] <= total <= times["outer_sum"], f"sum {total}: {times}")
        for bound in BOUNDS_NS:
            le = next(value for labels, value in ask(server, "jitterbuffer_delay_seconds_bucket" + series)
                      if labels["le"] != "+Inf" and round(float(labels["le"]) * 1e9) == bound)
            check(times[f"outer_le_{bound}"] <= le <= times[f"inner_le_{bound}"],
                  f"up to {bound} ns: {le}, not from {times[f'outer_le_{bound}']} to {times[f'inner_le_{bound}']}")

        # As the requirement asks it. rate() begins with the first scrape that saw the series: the calls before it, wherever
        # they belong in the order, are not in the answer.
        (samples,) = raw(server, f"jitterbuffer_delay_seconds_count{series}[5m]").values()
        unseen = samples[0][1] / times["rounds"]
        check(unseen < 0.2, f"{unseen:.0%} of the calls came before the first scrape")
        for quantile in (0.5, 0.95, 0.99):
            expr = f"histogram_quantile({quantile}, rate(jitterbuffer_delay_seconds_bucket{series}[5m]))"
            rank = quantile * (1 - unseen)
            got = number(server, expr)
            low, high = bucket_of(times, "inner", rank)[0], bucket_of(times, "outer", rank + unseen)[1]
            check(low <= got <= high, f"quantile {quantile}: {got} s, the program says {low} to {high} s")
    equal(tracer.stop(), 0, "exit code")


# --- maps that are cleared, processes that go ---

CLEARING = f"""
uprobe:{PACED}:paced_hit {{ @hits[arg0] = count(); @weight = sum(arg1); @sizes = bhist(arg0, 1, 3, 5, 7); }}
interval:ms:100 {{ print(@hits); clear(@hits); print(@weight); clear(@weight); print(@sizes); clear(@sizes); }}
"""


@case
def counters_of_maps_that_are_cleared(folder):
    program = Paced(200, 10, 10)
    tracer = Jbtrace("--listen", 0, "-o", folder / "out.txt", "-e", CLEARING)
    fast, ended = [], threading.Event()

    def scrape_often():
        while not ended.wait(0.05):
            fast.append(sum(map(float, re.findall(r"^jbtrace_hits_total\{.*\} (\S+)$", page(tracer), re.M))))

    with prometheus_over(tracer, folder) as server:
        thread = threading.Thread(target=scrape_often)
        thread.start()
        try:
            program.go()
            times = program.result(40)
        finally:
            ended.set()
            thread.join(20)
        scraped_after(server, time.time())
        equal(number(server, "sum(jbtrace_hits_total)"), times["rounds"], "hits")
        equal(sorted(value for _, value in ask(server, "jbtrace_hits_total")), [times["rounds"] / 10] * 10, "hits of each key")
        equal(number(server, "jbtrace_weight_total"), times["weight"], "weight")
        equal(number(server, "jbtrace_sizes_count"), times["rounds"], "numbers in the histogram")
        by_bound = {float(labels["le"]): value for labels, value in ask(server, "jbtrace_sizes_bucket")}
        equal(by_bound[3], times["rounds"] * 4 / 10, "numbers up to 3")
        counters = '{__name__=~"jbtrace_(hits|weight)_total|jbtrace_sizes_(bucket|sum|count)"}'
        check(never_falls(server, counters + "[5m]") > 100, "hardly any sample")
        equal(number(server, "sum(resets(jbtrace_hits_total[5m]))"), 0, "resets as Prometheus sees them")
        equal(fast, sorted(fast), "the sum of the hits, scraped often")
        check(len(fast) > 20 and len(set(fast)) > 10, f"{len(fast)} scrapes saw {len(set(fast))} sums: the test says little")
    equal(tracer.stop(), 0, "exit code")
    # What was printed before each clear makes up all, too: nothing was cleared that had not been shown.
    shown = (folder / "out.txt").read_text(encoding="utf-8")
    equal(sum(map(int, re.findall(r"^@hits\[\d+\]: (\d+)$", shown, re.M))), times["rounds"], "hits that were printed")


@case
def series_of_a_process_that_has_gone(folder):
    first, second = Paced(50, 2, 10, "linger"), Paced(50, 2, 10, "linger")
    tracer = Jbtrace("--listen", 0, "--expire", "2s", "-e", TIMES)
    with prometheus_over(tracer, folder) as server:
        for program in (first, second):
            program.go()
        for program in (first, second):
            rounds = program.result(30)["rounds"]
        scraped_after(server, time.time())
        for program in (first, second):
            equal(number(server, f'jitterbuffer_packet_count_total{{pid="{program.pid}"}}'), rounds, "calls of a process that is there")
        first.child.process.send_signal(signal.SIGTERM)
        equal(first.child.wait(time.monotonic() + 10), 0, "paced's exit code")
        gone = time.monotonic()
        wait_until(lambda: not ask(server, f'{{__name__=~"jitterbuffer.*",pid="{first.pid}"}}'), 20, "the end of its series")
        took = time.monotonic() - gone
        check(took >= 1.5, f"its series were gone after {took:.1f} s")
        check(f'pid="{first.pid}"' not in page(tracer), "the process is still in /metrics")
        equal(number(server, f'last_over_time(jitterbuffer_packet_count_total{{pid="{first.pid}"}}[5m])'), rounds, "its past")
        equal(number(server, f'jitterbuffer_packet_count_total{{pid="{second.pid}"}}'), rounds, "the other process")
        rows = next(one for one in json.loads(page(tracer, "/state.json"))["scripts"][0]["maps"] if one["name"] == "@calls")["rows"]
        equal([row[0] for row in rows], [second.pid], "rows of the map")
    equal(tracer.stop(), 0, "exit code")


if __name__ == "__main__":
    sys.exit(run_cases())
