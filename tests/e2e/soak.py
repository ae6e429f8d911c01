#!/usr/bin/env python3
"""A minute of eight scripts in one process, under a load that counts itself, with four scrapers and two clients that are slow:
memory, files and threads stay where they were, nothing is lost, every answer is there in time, no counter falls.
JB_SOAK_SECONDS says how long (60). Usage: soak.py [NAME]. Last line: passed, failed, skipped."""
import csv
import gzip
import http.client
import json
import os
import re
import signal
import socket
import sys
import threading
import time

from jbtest import ROOT, Jbtrace, case, check, equal, need, run_cases, status_of, wait_until
from loads import PACED, Paced, Stream

SECONDS = int(os.environ.get("JB_SOAK_SECONDS", "60"))
WARM_UP = min(15, SECONDS / 4)
ANSWER_S = 5  # half of the timeout that examples/deploy gives a scrape
GROWTH_MIB = 4
KEYS = 300

HIT = f"uprobe:{PACED}:paced_hit"
SCRIPTS = {
    "rows": f'{HIT} {{ emit("hit", pid, key = arg0, weight = arg1); }}',
    "cleared": f"{HIT} {{ @cleared[pid] = count(); @cleared_weight = sum(arg1); @cleared_keys = lhist(arg0, 0, {KEYS}, 30); }}\n"
               "interval:ms:500 { print(@cleared); clear(@cleared); print(@cleared_weight); clear(@cleared_weight); "
               "print(@cleared_keys); clear(@cleared_keys); }",
    "keys": f"{HIT} {{ @by_key[arg0] = agg(n = count(), weight = sum(arg1), sizes = hist(arg1)); }}",
    "took": f"span:{PACED}:paced_take {{ @took_ns[pid] = quantiles(duration); @took[pid, func] = "
            "agg(n = count(), _d = bhist(duration, 100us, 1ms, 10ms, 100ms), mean = avg(duration)); }",
}
SHIPPED = ("scripts/ffmpeg_jitter.jt", "examples/read_latency.jt", "examples/profile.jt", "examples/sizes.jt")

SAMPLE = re.compile(r"([a-zA-Z_:][\w:]*)(\{(?:[a-zA-Z_]\w*=\"(?:[^\"\\]|\\[\\\"n])*\",?)*\})? (-?\d[\d.e+-]*|[+-]Inf|NaN)")
COMMENT = re.compile(r"# (HELP|TYPE|UNIT) ([a-zA-Z_:][\w:]*) (.*)")


class Exposition:
    """A page of metrics: .values, and .counters, those that must not fall."""

    def __init__(self, text, strict):
        types, self.values, self.counters = {}, {}, {}
        lines = text.split("\n")
        check(lines.pop() == "" and (not strict or lines.pop() == "# EOF"), "the page is cut off")
        for line in lines:
            comment, sample = COMMENT.fullmatch(line), SAMPLE.fullmatch(line)
            check(comment or sample, f"not a line of metrics: {line!r}")
            if comment:
                if comment[1] == "TYPE":
                    types[comment[2]] = comment[3]
                continue
            key, value = sample[1] + (sample[2] or ""), float(sample[3])
            check(key not in self.values, f"twice: {key}")
            self.values[key] = value
            family = re.sub(r"_(total|bucket|sum|count)$", "", sample[1])
            kind = types.get(sample[1]) or types.get(family)
            check(kind, f"no type: {key}")
            if kind in ("counter", "histogram") or kind == "summary" and "quantile=" not in key:
                self.counters[key] = value

    def sum(self, name, **labels):
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(value for key, value in self.values.items()
                   if key.split("{")[0] == name and all(label in key for label in wanted))


class Repeated(threading.Thread):
    """Calls turn() once a second until it is told to end; what goes wrong is kept in .problems."""

    def __init__(self, tracer):
        super().__init__(daemon=True)
        self.port, self.problems, self.turns, self.worst = tracer.port, [], 0, 0.0
        self.ended = threading.Event()
        self.start()

    def run(self):
        due = time.monotonic()
        while not self.ended.is_set():
            try:
                self.turn()
                self.turns += 1
            except Exception as why:  # pylint: disable=broad-except  # told at the end, with those of the others
                self.problems.append(f"turn {self.turns}: {type(why).__name__}: {why}")
            due = max(due + 1, time.monotonic())
            self.ended.wait(due - time.monotonic())

    def turn(self):
        raise NotImplementedError

    def end(self):
        self.ended.set()
        self.join(40)
        check(not self.is_alive(), f"{type(self).__name__} hangs")

    def get(self, path, **headers):
        """The body; the answer must be right and in time."""
        began = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        took = time.monotonic() - began
        self.worst = max(self.worst, took)
        check(answer.status == 200, f"{path}: status {answer.status}: {body[:200]}")
        check(took <= ANSWER_S, f"{path}: took {took:.1f} s")
        return gzip.decompress(body) if answer.getheader("Content-Encoding") == "gzip" else body


class Scraper(Repeated):
    headers, strict = {}, False
    before = {}

    def turn(self):
        page = Exposition(self.get("/metrics", **self.headers).decode(), self.strict)
        for key, value in page.counters.items():
            check(value >= self.before.get(key, 0), f"{key} falls from {self.before.get(key)} to {value}")
        missing = sorted(set(self.before) - set(page.counters))
        self.before = page.counters
        check(not missing, f"series that have gone: {missing[:3]}")


class OpenMetrics(Scraper):
    headers, strict = {"Accept": "application/openmetrics-text; version=1.0.0"}, True


class Zipped(Scraper):
    headers = {"Accept-Encoding": "gzip"}


class Browser(Repeated):
    """What the page's own script asks for, and /health."""

    def turn(self):
        check(b"</html>" in self.get("/", **{"Accept-Encoding": "gzip"}), "no page")
        state = json.loads(self.get("/state.json", **{"Accept-Encoding": "gzip"}))
        equal(len(state["scripts"]), len(SCRIPTS) + len(SHIPPED), "scripts in /state.json")
        check(json.loads(self.get("/health"))["status"] == "healthy", "not healthy")


class Slow(Repeated):
    """Asks for the metrics many times at once, with a small window, and reads a byte a second: more than the kernel takes for
    it, so that jbtrace holds an answer until it cuts the client, who comes again."""
    sock, cuts = None, 0

    def turn(self):
        if self.sock is None:
            self.sock = socket.socket()
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            self.sock.settimeout(20)
            self.sock.connect(("127.0.0.1", self.port))
            self.ask()
        if self.is_cut():
            self.sock.close()
            self.sock, self.cuts = None, self.cuts + 1

    def ask(self):
        self.sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 30)

    def is_cut(self):
        """Does the other side no longer hold the connection? What the kernel still has of it comes before its end."""
        self.sock.recv(1)
        pair = f" 0100007F:{self.port:04X} 0100007F:{self.sock.getsockname()[1]:04X} 01 "
        with open("/proc/net/tcp", encoding="ascii") as table:
            return pair not in table.read()

    def end(self):
        super().end()
        if self.sock:
            self.sock.close()


class Half(Slow):
    """Sends half a request and nothing more."""

    def ask(self):
        self.sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: local")

    def is_cut(self):
        try:
            return not self.sock.recv(1)
        except ConnectionError:
            return True


class Usage:
    """What the process holds now."""

    def __init__(self, pid):
        self.mib = int(status_of(pid, "VmRSS").split()[0]) / 1024
        self.threads = len(os.listdir(f"/proc/{pid}/task"))
        names = []
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                names.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
            except FileNotFoundError:
                pass
        self.sockets = sum(name.startswith("socket:") for name in names)
        self.tables = sum(".csv" in name for name in names)
        self.files = len(names) - self.sockets - self.tables


def check_usage(samples):
    """After the warm-up, nothing becomes more."""
    n = max(3, len(samples) // 5)
    first, last = samples[:n], samples[-n:]

    def seen(name):
        return sorted({getattr(one, name) for one in samples})

    grown = max(one.mib for one in last) - max(one.mib for one in first)
    print(f"      {first[0].mib:.1f} MiB after the warm-up, {last[-1].mib:.1f} at the end; {seen('threads')} threads, "
          f"{seen('files')} files, {seen('tables')} files of tables, {seen('sockets')} sockets", flush=True)
    check(grown <= GROWTH_MIB, f"grown by {grown:.1f} MiB: {[round(one.mib, 1) for one in samples]}")
    equal(len(seen("threads")), 1, "numbers of threads")
    for name, room in (("files", 2), ("tables", 3)):  # of /proc for a moment; a table between its old file and its new one
        equal(min(getattr(one, name) for one in last), min(getattr(one, name) for one in first), f"{name} that are always open")
        check(seen(name)[-1] - seen(name)[0] <= room, f"{name}: {seen(name)}")
    check(seen("sockets")[-1] <= 8, f"sockets of one that listens and six clients: {seen('sockets')}")


def csv_rows(folder, table):
    rows = []
    for path in sorted(folder.glob(f"{table}_2*")):
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8", newline="") as file:
            rows += csv.DictReader(file)
    return rows


def check_clients(clients):
    for client in clients:
        equal(client.problems, [], f"problems of {type(client).__name__}")
    for client in clients[:4]:
        check(client.turns >= 0.8 * SECONDS, f"{type(client).__name__}: {client.turns} turns in {SECONDS} s")
    slow, half = clients[4:]
    check(half.cuts >= SECONDS // 20, f"half a request was cut {half.cuts} times")
    check(slow.cuts >= SECONDS // 50, f"the slow client was cut {slow.cuts} times")
    print(f"      {sum(client.turns for client in clients[:4])} turns of scrapers, the slowest answer after "
          f"{max(client.worst for client in clients):.2f} s; cuts: {slow.cuts} slow, {half.cuts} half", flush=True)


def check_counts(last, programs, times):
    """Every script has counted every call, and says that it lost nothing."""
    rounds, weight = (sum(one[name] for one in times) for name in ("rounds", "weight"))
    for name, want in (("jbtrace_hit_rows_total", rounds), ("jbtrace_cleared_total", rounds), ("jbtrace_cleared_keys_count", rounds),
                       ("jbtrace_by_key_n_total", rounds), ("jbtrace_by_key_sizes_count", rounds), ("jbtrace_took_n_total", rounds),
                       ("jbtrace_took_seconds_count", rounds), ("jbtrace_cleared_weight_total", weight),
                       ("jbtrace_by_key_weight_total", weight)):
        equal(last.sum(name), want, name)
    for program, one in zip(programs, times):
        equal(last.sum("jbtrace_cleared_total", pid=program.pid), one["rounds"], "calls of one program")
    lost = {key: value for key, value in last.values.items() if key.startswith("jbtrace_lost_events_total")}
    check(len(lost) > 3 and not any(lost.values()), f"lost: {lost}")
    # Stacks of the whole machine are more than there is room for, and that is said; everything else has room.
    full = {key for key, value in last.values.items() if key.startswith("jbtrace_map_full_total") and value}
    check(full <= {'jbtrace_map_full_total{script="profile",map="@stacks"}'}, f"full: {full}")


def check_rows(tables, programs, times):
    """The files hold a row for each call, with its numbers."""
    rows = csv_rows(tables, "rows_hit")
    for program, one in zip(programs, times):
        mine = [row for row in rows if row["pid"] == str(program.pid)]
        equal([int(row["key"]) for row in mine], [i % KEYS for i in range(one["rounds"])], "keys in the files, in order")
        equal(sum(int(row["weight"]) for row in mine), one["weight"], "weights in the files")
    equal(len(rows), sum(one["rounds"] for one in times), "rows in the files")
    check(len(list(tables.glob("rows_hit_*"))) > SECONDS // 10, "hardly any rotation")
    shown = sum(int(row["value"]) for row in csv_rows(tables, "cleared_cleared"))
    check(0 < shown <= len(rows), f"{shown} calls were printed before a clear, {len(rows)} were made")


def start_scripts(folder, tables):
    """jbtrace with all eight, when they are attached. Few keys per map, so that the stacks of the whole machine have filled
    theirs when the warm-up is over; what is still growing then would be a leak."""
    paths = [ROOT / name for name in SHIPPED]
    for name, text in SCRIPTS.items():
        paths.append(folder / f"{name}.jt")
        paths[-1].write_text(text + "\n", encoding="utf-8")
    tracer = Jbtrace("--listen", 0, "--series", 500, "--expire", f"{SECONDS + 600}s", "-f", "csv", "-o", f"{tables}/", "--rotate", "32K",
                     "--gzip", "-m", ",".join(map(str, paths)), armed=False, env={"BPFTRACE_MAX_MAP_KEYS": "512"})
    wait_until(lambda: tracer.err.count("Attached") == len(paths), 30, "all scripts")
    return tracer


def sample_usage(tracer, seconds):
    """Once a second after the warm-up."""
    began, samples = time.monotonic(), []
    while time.monotonic() < began + seconds:
        time.sleep(1)
        check(tracer.running(), f"jbtrace has ended: {tracer.err[-1000:]}")
        if time.monotonic() > began + WARM_UP:
            samples.append(Usage(tracer.pid))
    return samples


@case
def eight_scripts_four_scrapers_and_slow_clients(folder):
    need("ffmpeg")
    tables = folder / "tables"
    tracer = start_scripts(folder, tables)
    programs = [Paced(150, SECONDS, KEYS, "linger"), Paced(50, SECONDS, KEYS, "linger")]
    stream = Stream(folder, SECONDS)
    for program in programs:
        program.go()
    clients = [kind(tracer) for kind in (Scraper, OpenMetrics, Zipped, Browser, Slow, Half)]
    samples = sample_usage(tracer, SECONDS)
    times = [program.result(60) for program in programs]
    stream.settle()
    for client in clients:
        client.end()
    check_clients(clients)
    check_usage(samples)
    text = clients[0].get("/metrics").decode()
    last = Exposition(text, False)
    check_counts(last, programs, times)
    equal(last.sum("jitterbuffer_packet_count_total", pid=stream.sender, function="av_interleaved_write_frame"), stream.frames(),
          "packets that FFmpeg wrote")
    (folder / "last.prom").write_text(text, encoding="utf-8")
    stream.judge(folder / "last.prom")
    began = time.monotonic()
    equal(tracer.stop(signal.SIGTERM), 0, "exit code")
    check(time.monotonic() - began <= 5, f"it took {time.monotonic() - began:.1f} s to end")
    check("Lost " not in tracer.err and "dropped" not in tracer.err, tracer.err[-1000:])
    check_rows(tables, programs, times)


if __name__ == "__main__":
    sys.exit(run_cases())
