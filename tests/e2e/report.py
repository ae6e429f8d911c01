#!/usr/bin/env python3
"""End to end: `jbtrace report` on recordings with known answers. Usage: report.py [NAME].

Each case writes a recording with Python's csv and json modules and calculates what it adds up to by itself; the report
must say the same: sums exactly, quantiles as defined (even spread within a bucket), in JSON, text and HTML. Damaged
recordings must give a message with the place, and the right numbers of what is left. Last line: passed, failed,
skipped.
"""
import collections
import contextlib
import csv
import datetime
import gzip
import html.parser
import io
import json
import math
import os
import pathlib
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from jbtest import JBTRACE, ROOT, Failed, Skip, case, check, run_cases

T0 = 1763733600  # 2025-11-21 14:00:00 UTC
MAX_RSS = 256 << 20
LIMITED = shutil.which("prlimit") and not os.environ.get("JB_UNLIMITED")  # the address sanitizer needs more


# --- running and asking ---

Result = collections.namedtuple("Result", "code out err rss")


def peak_of(process, deadline):
    """The most memory it had, as far as it was seen; what wait4(2) tells includes what Python had before exec."""
    peak = 0
    while process.poll() is None:
        with contextlib.suppress(OSError, AttributeError):
            status = pathlib.Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
            peak = max(peak, int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) << 10)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
        if time.monotonic() > deadline:
            process.kill()
            raise Failed("it does not end")
    return peak


def run(*args, stdin=None, env=None, timeout=120):
    """No run may have more data than the limit: beyond it, there is no memory."""
    environment = {**os.environ, "TZ": "UTC", "LC_ALL": "C.UTF-8", "COLUMNS": "100", **(env or {})}
    command = ["prlimit", f"--data={MAX_RSS}", str(JBTRACE), "report", *map(str, args)]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with subprocess.Popen(command if LIMITED else command[2:], stdout=out, stderr=err, env=environment,
                              stdin=subprocess.DEVNULL if stdin is None else stdin) as process:
            peak = peak_of(process, time.monotonic() + timeout)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode("utf-8"))
    return Result(process.returncode, *texts, peak)


def alike(got, want):
    if isinstance(want, float):
        return isinstance(got, (int, float)) and math.isclose(got, want, rel_tol=1e-9, abs_tol=1e-12)
    if isinstance(want, (list, tuple)) and isinstance(got, (list, tuple)):
        return len(got) == len(want) and all(map(alike, got, want))
    return got == want


def same(got, want, what):
    check(alike(got, want), f"{what}: {got!r}, not {want!r}")


class Table:
    """One table of a report in JSON."""

    def __init__(self, data):
        self.data = data

    def section(self, name):
        for section in self.data["sections"]:
            if section["id"] == name:
                return section
        raise Failed(f"{self.data['name']}: no section {name}, only {[s['id'] for s in self.data['sections']]}")

    def has(self, name):
        return any(section["id"] == name for section in self.data["sections"])

    def rows(self, name):
        return self.section(name)["rows"]

    def column(self, name):
        return {row["column"]: row for row in self.rows("columns")}[name]

    def value(self, name):
        return self.column(name)["value"]


def report(*args, code=0, **options):
    result = run("--format", "json", *args, **options)
    check(result.code == code, f"exit code {result.code}, not {code}: {result.err}")
    try:
        data = json.loads(result.out)
    except ValueError as error:
        raise Failed(f"not JSON: {error}: {result.out[:300]}") from None
    return {table["name"]: Table(table) for table in data["tables"]}, data["notes"], result


def one(*args, **options):
    tables, _, _ = report(*args, **options)
    check(len(tables) == 1, f"tables {list(tables)}")
    return next(iter(tables.values()))


def complaint(*args, code=1, **options):
    result = run(*args, **options)
    check(result.code == code, f"exit code {result.code}, not {code}: {result.err}")
    return result.err


# --- recordings ---

def stamp(seconds):
    ms = round(seconds * 1000)
    moment = datetime.datetime.fromtimestamp(ms // 1000, datetime.timezone.utc)
    return f"{ms // 1000}.{ms % 1000:03d}", f"[{moment:%Y-%m-%d %H:%M:%S}.{ms % 1000:03d}]"


def write_csv(path, columns, rows, end="\r\n", mode="w"):
    """Rows begin with their time in seconds."""
    opener = gzip.open if str(path).endswith(".gz") else open
    with opener(path, mode + ("t" if opener is gzip.open else ""), newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator=end)
        writer.writerow(["timestamp", "time_str", *columns])
        for row in rows:
            writer.writerow([*stamp(row[0]), *row[1:]])
    return path


SYSCALL = ("comm", "syscall_nr", "syscall_name", "category", "count", "error_count", "error_rate")
CALLS = ((0, "read", "file_io"), (1, "write", "file_io"), (45, "recvfrom", "network"), (257, "openat", "file_io"))


def syscall_rows(seed, steps=100, begin=T0, comms=("ffmpeg", "nginx", "mysqld", "bash")):
    dice = random.Random(seed)
    for step in range(steps):
        for comm in comms:
            for nr, name, category in CALLS:
                if dice.random() < 0.3:
                    continue
                count = int(dice.expovariate(1 / 200)) + 1
                errors = sum(dice.random() < 0.05 for _ in range(min(count, 40)))
                yield (begin + 2 * step, comm, nr, name, category, count, errors, f"{100 * errors / count:.2f}")


def bucket(value):
    """The bucket of hist(): closed, of a power of two."""
    if value < 0:
        return None, -1
    if value < 2:
        return value, value
    low = 1 << (value.bit_length() - 1)
    return low, 2 * low - 1


def histogram(values):
    counts = collections.Counter(map(bucket, values))
    return sorted(counts.items(), key=lambda item: -1 if item[0][0] is None else item[0][0])


def cell(values):
    return " ".join(f"{'' if low is None else low}..{high}:{n}" for (low, high), n in histogram(values))


def quantile(buckets, share):
    """By definition: counts are spread evenly over [low, high + 1), single integers are themselves."""
    total = sum(n for _, n in buckets)
    target, before = share * total, 0
    for (low, high), n in buckets:
        if before + n >= target:
            return low if low == high else low + (high + 1 - low) * (target - before) / n
        before += n
    raise AssertionError


BIO = ("comm", "io_type", "io_type_str", "count", "total_bytes", "avg_latency_us", "min_latency_us", "max_latency_us",
       "throughput_mbps", "lat_us")


def bio_data(seed, steps=60):
    """(time, comm, type, latencies, bytes) per row."""
    dice = random.Random(seed)
    for step in range(steps):
        for comm in ("ffmpeg", "mysqld", "kworker/u8:1"):
            for kind, name in ((1, "READ"), (6, "WRITE|SYNC")):
                latencies = [int(dice.lognormvariate(6, 1.5)) for _ in range(dice.randint(1, 40))]
                yield T0 + 2 * step, comm, (kind, name), latencies, len(latencies) * dice.choice((4096, 131072, 1 << 21))


def bio_rows(data):
    for time, comm, (kind, name), latencies, size in data:
        yield (time, comm, kind, name, len(latencies), size, f"{statistics.fmean(latencies):.6f}", min(latencies),
               max(latencies), f"{size / 2e6:.2f}", cell(latencies))


def ranked(sums):
    return sorted(sums.items(), key=lambda item: (-item[1], item[0]))


# --- tests ---

@case
def totals(tmp):
    rows = list(syscall_rows(1))
    table = one(write_csv(tmp / "syscall_20251121_140000.csv", SYSCALL, rows))
    same(table.data["name"], "syscall", "name")
    counts, errors = sum(row[5] for row in rows), sum(row[6] for row in rows)
    same(table.value("count"), counts, "count")
    same(table.value("error_count"), errors, "errors")
    # The rate of the sums, not the mean of the rates.
    same(table.value("error_rate"), errors / counts, "error rate")
    check(table.column("error_rate")["taken_as"] == "error_count / count", "parts of the rate")
    # 100 steps of 2 s cover 200 s, although the last row comes 198 s after the first.
    same(table.column("count")["per_second"], counts / 200, "per second")
    same(table.column("count")["greatest"], max(row[5] for row in rows), "greatest row")
    same(table.column("count")["least"], min(row[5] for row in rows), "least row")
    overview = table.section("overview")["values"]
    same(overview["rows"], len(rows), "rows")
    same(overview["time"], "2025-11-21 14:00:00 to 2025-11-21 14:03:18", "time")
    same(overview["interval"], 2, "interval")
    same(overview["groups"], "4 comm, 4 syscall_name, 2 category", "different")


@case
def rankings(tmp):
    rows = list(syscall_rows(2))
    path = write_csv(tmp / "syscall.csv", SYSCALL, rows)
    table = one(path, "--top", 3)
    for name, index in (("comm", 1), ("syscall_name", 3)):
        sums, errors = collections.Counter(), collections.Counter()
        for row in rows:
            sums[row[index]] += row[5]
            errors[row[index]] += row[6]
        total, running = sum(sums.values()), 0
        got = table.rows(f"ranking:{name}")
        same(len(got), 4, "rows and the rest")
        for place, (key, count) in enumerate(ranked(sums)[:3]):
            running += count
            same(got[place][name], key, "key")
            same(got[place]["rank"], place + 1, "rank")
            same(got[place]["count"], count, key)
            same(got[place]["share"], count / total, f"share of {key}")
            same(got[place]["cumulative"], running / total, f"cumulative share of {key}")
            same(got[place]["error_rate"], errors[key] / count, f"error rate of {key}")
        same(got[3]["count"], total - running, "the rest")
        same(got[3]["cumulative"], 1, "all")
        same(got[3][name], "(1 others)", "name of the rest")
    by_errors = table.rows("errors:comm")
    errors, sums = collections.Counter(), collections.Counter()
    for row in rows:
        errors[row[1]] += row[6]
        sums[row[1]] += row[5]
    same([(row["comm"], row["error_count"]) for row in by_errors], ranked(errors)[:3], "most errors")
    rates = ranked({key: errors[key] / sums[key] for key in errors})
    same([row["comm"] for row in table.rows("error_rate:comm")], [key for key, _ in rates][:3], "highest rates")
    # Another number to rank by.
    got = one(path, "--sort", "error_rate", "--by", "comm", "--min-count", max(sums.values())).rows("ranking:comm")
    same([row["comm"] for row in got if row["rank"]], [ranked(sums)[0][0]], "only those with enough")
    got = one(path, "--sort", "error_count", "--by", "comm").rows("ranking:comm")
    same([(row["comm"], row["error_count"]) for row in got], ranked(errors), "sorted by errors")


@case
def two_columns(tmp):
    rows = list(syscall_rows(3))
    table = one(write_csv(tmp / "syscall.csv", SYSCALL, rows), "--by", "comm,syscall_name", "--by", "category", "-n", 2)
    pairs, categories = collections.Counter(), collections.Counter()
    for row in rows:
        pairs[row[1], row[3]] += row[5]
        categories[row[4]] += row[5]
    got = table.rows("ranking:comm, syscall_name")
    same([(row["comm"], row["syscall_name"], row["count"]) for row in got[:2]],
         [(*key, count) for key, count in ranked(pairs)[:2]], "pairs")
    same([(row["category"], row["count"]) for row in table.rows("ranking:category")], ranked(categories), "categories")
    cross = table.rows("cross:comm, syscall_name")
    comms = collections.Counter()
    for (comm, _), count in pairs.items():
        comms[comm] += count
    same([row["comm"] for row in cross], [key for key, _ in ranked(comms)[:2]], "rows of the cross table")
    for row in cross:
        same(row["(total)"], comms[row["comm"]], "total")
        for _, name, _ in CALLS:
            same(row[name], pairs[row["comm"], name], f"{row['comm']} {name}")


@case
def latency(tmp):
    data = list(bio_data(4))
    table = one(write_csv(tmp / "bio.csv", BIO, bio_rows(data)))
    every = [value for *_, latencies, _ in data for value in latencies]
    # Means weighted by their counts, the least of the least, the greatest of the greatest.
    check(math.isclose(table.value("avg_latency_us"), statistics.fmean(every), rel_tol=1e-6), "mean")
    same(table.value("min_latency_us"), min(every), "least")
    same(table.value("max_latency_us"), max(every), "greatest")
    same(table.value("total_bytes"), sum(size for *_, size in data), "bytes")
    same(table.value("throughput_mbps"), None, "a rate without its parts is not summed")
    keys = {"comm": lambda row: row[1], "io_type_str": lambda row: row[2][1]}
    for name, key in keys.items():
        groups = collections.defaultdict(list)
        for row in data:
            groups[key(row)] += row[3]
        groups["(all)"] = every
        got = {row[name]: row for row in table.rows(f"quantiles:lat_us:{name}")}
        same(set(got), set(groups), "groups")
        for group, values in groups.items():
            same(got[group]["count"], len(values), f"count of {group}")
            for text, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)):
                same(got[group][text], float(quantile(histogram(values), share)), f"{text} of {group}")
    # Every value lies below the whole of its bucket, so the distribution at its edges is exact.
    counts = {(b["from"], b["below"]): b["count"] for b in table.section("cdf:lat_us")["buckets"]}
    same(counts, {(low, high + 1): n for (low, high), n in histogram(every)}, "buckets")
    course = table.section("quantiles_over_time:lat_us")
    step = course["step"]
    for i, got in enumerate(course["series"]["p90"]):
        values = [v for row in data for v in row[3] if course["begin"] + i * step <= row[0] < course["begin"] + (i + 1) * step]
        same(got, float(quantile(histogram(values), 0.9)) if values else None, f"p90 of span {i}")


@case
def sizes(tmp):
    data = list(bio_data(5))
    table = one(write_csv(tmp / "bio.csv", BIO, bio_rows(data)))
    want = collections.defaultdict(lambda: [0, 0])
    for *_, latencies, size in data:
        entry = want[size // len(latencies)]
        entry[0] += len(latencies)
        entry[1] += size
    got = {row["class"]: [row["count"], row["bytes"]] for row in table.rows("sizes")}
    names = {4096: "up to 4 KiB", 131072: "up to 256 KiB", 1 << 21: "up to 4 MiB"}
    same(got, {names[size]: entry for size, entry in want.items()}, "sizes")
    decades = collections.Counter("1 to 9" if len(row[3]) < 10 else "10 to 99" for row in data)
    same({row["class"]: row["rows"] for row in table.rows("distribution")}, dict(decades), "rows by count")


@case
def small_numbers(tmp):
    """Rows that count nothing, or backwards; quantiles that no row has reached."""
    path = write_csv(tmp / "a.csv", ("comm", "count", "lat_us"), [(T0 + n, "a", count, lat) for n, (count, lat) in enumerate(
        ((-7, 7), (0, 1), (3, 1), (0, 7), (0.5, 7), (20, 1), (8, 3)))])
    table = one(path)
    same({row["class"]: row["rows"] for row in table.rows("distribution")},
         {"below 0": 1, "0": 2, "between 0 and 1": 1, "1 to 9": 2, "10 to 99": 1}, "rows by count")
    rows = one(write_csv(tmp / "b.csv", ("comm", "lat_us"), [(T0 + n, "a", lat) for n, lat in enumerate((7, 1, 1, 7, 7, 3))]))
    check(rows.rows("quantiles:lat_us:comm"), "no quantiles")
    for row in rows.rows("quantiles:lat_us:comm"):
        same(row["max"], 7, "the greatest")
        check(all(1 <= row[name] <= 7 for name in ("p50", "p90", "p99")), f"quantiles: {row}")


@case
def bucket_rows(tmp):
    """A histogram as one row per bucket, with open ends; and the same column names without one."""
    dice = random.Random(6)
    rows, every = [], collections.defaultdict(list)
    for step in range(50):
        for comm in ("a", "b"):
            values = [int(dice.gauss(50, 40)) for _ in range(30)]
            every[comm] += values
            for (low, high), n in histogram(values):
                rows.append((T0 + step, comm, "" if low is None else low, high, n))
    table = one(write_csv(tmp / "lat.csv", ("comm", "min", "max", "count"), rows))
    got = {row["comm"]: row for row in table.rows("quantiles:value:comm")}
    for comm, values in every.items():
        same(got[comm]["count"], len(values), comm)
        same(got[comm]["p90"], float(quantile(histogram(values), 0.9)), f"p90 of {comm}")
    same(table.value("count"), 50 * 2 * 30, "count")
    rows = [(T0 + step, comm, 3 + step, 1000 + step, 7) for step in range(50) for comm in ("a", "b")]
    table = one(write_csv(tmp / "agg.csv", ("comm", "min", "max", "count"), rows))
    check(not table.has("quantiles:value:comm"), "minimum and maximum taken for a histogram")
    same((table.value("min"), table.value("max"), table.value("count")), (3, 1049, 700), "minimum, maximum, count")


@case
def open_ends(tmp):
    path = write_csv(tmp / "x.csv", ("comm", "lat"), [(T0, "a", "..-1:50 0..0:30 1024..:20")] * 2)
    row = one(path).rows("quantiles:lat:comm")[0]
    same((row["p50"], row["p50_bound"], row["p99"], row["p99_bound"]), (-1, "<=", 1024, ">="), "bounds")
    check("<=-1" in run(path).out and ">=1,024" in run(path).out, "bounds are not shown")


@case
def quantile_columns(tmp):
    """Quantiles of rows cannot be merged: only their range may be said."""
    rows = [(T0 + i, "a", 10, 5 + i, 100 + i) for i in range(30)]
    path = write_csv(tmp / "q.csv", ("comm", "count", "p50", "p99_us"), rows)
    table = one(path)
    same(table.value("p99_us"), None, "no number for all")
    same((table.column("p99_us")["least"], table.column("p99_us")["greatest"]), (100, 129), "range")
    course = table.section("range:p99_us")["series"]
    same((min(x for x in course["least"] if x), max(x for x in course["greatest"] if x)), (100, 129), "course")
    check("p99_us" not in table.rows("ranking:comm")[0], "a quantile in a ranking")


@case
def events(tmp):
    """Single events: counted by row, their numbers ranked by quantiles, negative results are errors."""
    dice = random.Random(7)
    names = ("/usr/bin/ls", "/tmp/a,b \"c\"", "/tmp/two\nlines", "/home/ä/日本語", " lead", "")
    rows = [(T0 + i * 0.037, dice.randrange(3), 1000 + i, dice.choice(("bash", "make")), dice.choice(names),
             dice.choice((0, 0, 0, -2, -13)), f"{dice.lognormvariate(3, 1):.3f}") for i in range(5000)]
    table = one(write_csv(tmp / "open.csv", ("uid", "pid", "comm", "filename", "ret", "us"), rows))
    files = collections.Counter(row[4] or "(none)" for row in rows)
    got = table.rows("ranking:filename")
    same([(row["filename"], row["rows"]) for row in got], ranked(files), "files")
    failed = collections.Counter(row[3] for row in rows if row[5] < 0)
    same([(row["comm"], row["errors"]) for row in table.rows("errors:comm")], ranked(failed), "errors")
    got = {row["comm"]: row for row in table.rows("quantiles:us:comm")}
    for comm in ("bash", "make"):
        values = sorted(float(row[6]) for row in rows if row[3] == comm)
        for text, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
            exact = values[math.ceil(share * len(values)) - 1]
            check(abs(got[comm][text] / exact - 1) < 0.02, f"{text} of {comm}: {got[comm][text]}, not {exact}")
    same((table.column("us")["least"], table.column("us")["greatest"]),
         (min(float(row[6]) for row in rows), max(float(row[6]) for row in rows)), "range of us")


@case
def balance(tmp):
    dice = random.Random(8)
    rows = [(T0 + step, "TIMER", cpu, dice.randint(1, 100) * (cpu + 1)) for step in range(100) for cpu in range(6)]
    table = one(write_csv(tmp / "interrupt.csv", ("irq_type_str", "cpu", "count"), rows))
    sums = collections.Counter()
    for row in rows:
        sums[row[2]] += row[3]
    got = table.section("balance:cpu")
    same([(int(row["cpu"]), row["count"]) for row in got["rows"]], ranked(sums), "processors")
    numbers = [float(text.replace(",", "")) for text in re.findall(r"[a-z] ([0-9][0-9,.]*)", got["note"])]
    values = list(sums.values())
    want = [max(values), min(values), statistics.fmean(values), statistics.pstdev(values),
            max(values) / statistics.fmean(values)]
    check(all(math.isclose(a, b, rel_tol=0.005) for a, b in zip(numbers, want)) and len(numbers) == 5,
          f"{got['note']}: {want}")


@case
def rates(tmp):
    """Parts of a rate are found by the numbers, whatever they are called; without parts it is a range."""
    dice = random.Random(9)
    rows = []
    for step in range(80):
        voluntary, forced, size = dice.randint(0, 50), dice.randint(1, 50), dice.randint(1, 9000)
        rows.append((T0 + step, "a", voluntary + forced, voluntary, forced, f"{100 * voluntary / (voluntary + forced):.1f}",
                     size, size / (voluntary + forced), dice.random()))
    table = one(write_csv(tmp / "context_switch.csv", ("comm", "total_switches", "voluntary", "involuntary",
                                                       "voluntary_rate", "bytes", "bytes_per_switch", "load_ratio"), rows))
    voluntary, total = sum(row[3] for row in rows), sum(row[2] for row in rows)
    same(table.value("voluntary_rate"), voluntary / total, "voluntary")
    same(table.value("bytes_per_switch"), sum(row[6] for row in rows) / total, "bytes per switch")
    check(table.column("load_ratio")["taken_as"] == "range", "a rate without parts")


@case
def exact_sums(tmp):
    """Integers of 64 bits add up to the last digit."""
    rows = [(T0 + i, "a", (1 << 53) + 2 * i + 1, (1 << 62) + i) for i in range(3)]
    table = one(write_csv(tmp / "big.csv", ("comm", "count", "total_bytes"), rows))
    same(table.value("count"), sum(row[2] for row in rows), "count")
    same(table.value("total_bytes"), sum(row[3] for row in rows), "bytes")


@case
def overruled(tmp):
    rows = [(T0 + i, i % 3, i, 10 * i) for i in range(30)]
    path = write_csv(tmp / "x.csv", ("shard", "weight_x", "count"), rows)
    same(one(path).column("weight_x")["taken_as"], "range", "by name")
    table = one(path, "--sum", "weight_x", "--no-sum", "count", "--key", "shard", "--sort", "weight_x")
    same(table.value("weight_x"), sum(range(30)), "--sum")
    same(table.column("count")["taken_as"], "range", "--no-sum")
    sums = collections.Counter()
    for row in rows:
        sums[str(row[1])] += row[2]
    same([(row["shard"], row["weight_x"]) for row in table.rows("ranking:shard")], ranked(sums), "--key")


@case
def activity(tmp):
    """Rows of three days: spans, hours of the day, the busiest span."""
    dice = random.Random(10)
    begin = T0 - T0 % 86400
    rows = []
    for hour in range(72):
        for _ in range(20 if hour % 24 in (9, 10) else 3):
            rows.append((begin + hour * 3600 + dice.random() * 3600, "a", dice.randint(1, 9)))
    rows.sort()
    table = one(write_csv(tmp / "x.csv", ("comm", "count"), rows))
    hours = collections.Counter()
    for row in rows:
        hours[f"{int(row[0] // 3600 % 24):02d}"] += row[2]
    same({row["hour"]: row["count"] for row in table.rows("hours")}, {f"{h:02d}": hours[f"{h:02d}"] for h in range(24)},
         "hours")
    course = table.section("activity")
    values = course["series"]["count"]
    want = [sum(row[2] for row in rows if course["begin"] + i * course["step"] <= row[0] < course["begin"] + (i + 1) * course["step"])
            for i in range(len(values))]
    same(values, want, "spans")
    same(sum(values), sum(row[2] for row in rows), "all")
    check(f"with {max(want)}," in course["note"], f"busiest: {course['note']}")


@case
def far_apart(tmp):
    """Times that are years apart, and clocks that were wrong."""
    rows = [(T0 - 600000000, "a", 1), (T0, "a", 2), (T0 + 2 * 10**9, "a", 4), (T0 + 1, "a", 8)]
    path = write_csv(tmp / "x.csv", ("comm", "count"), rows)
    table = one(path)
    same(table.value("count"), 15, "count")
    same(sum(table.section("activity")["series"]["count"]), 15, "spans")
    same(run(path).code, 0, "text")
    early = tmp / "early.csv"
    early.write_text("timestamp,comm,count\n12.5,a,1\n0,a,2\n" + "".join(f"{T0 + i},a,1\n" for i in range(10)))
    tables, _, result = report(early)
    same(tables["early"].value("count"), 13, "rows without a time are counted")
    same(sum(tables["early"].section("activity")["series"]["count"]), 10, "but not at any time")
    check(":2: 2 rows have no time in column timestamp (the first: '12.5')" in result.err, result.err)


@case
def time_ranges(tmp):
    rows = list(syscall_rows(11, steps=300))
    path = write_csv(tmp / "syscall.csv", SYSCALL, rows)
    total = sum(row[5] for row in rows)
    middle = sum(row[5] for row in rows if T0 + 100 <= row[0] < T0 + 300)
    for since, until in ((T0 + 100, T0 + 300), ("2025-11-21 14:01:40", "2025-11-21 14:05"),
                         ("2025-11-21T15:01:40+01:00", "[2025-11-21 14:05:00.000]")):
        same(one(path, "--since", since, "--until", until).value("count"), middle, f"{since} to {until}")
    parts = [one(path, *args).value("count") for args in (("--until", "2025-11-21 14:03:20"),
                                                          ("--since", "2025-11-21 14:03:20"))]
    same(sum(parts), total, "both halves")
    same(one(path, "--date", "20251121").value("count"), total, "--date")
    err = complaint(path, "--since", "2025-11-22")
    check("2025-11-21 14:00:00 to 2025-11-21 14:09:58" in err, err)
    now = datetime.datetime.now(datetime.timezone.utc).timestamp()
    recent = write_csv(tmp / "recent.csv", ("comm", "count"), [(now - 7200, "a", 1), (now - 1800, "a", 10), (now - 60, "a", 100)])
    same(one(recent, "--since", "-1h").value("count"), 110, "-1h")
    same(one(recent, "--since", "-3h", "--until", "-30min").value("count"), 11, "until -30min")


@case
def conditions(tmp):
    rows = list(syscall_rows(12))
    path = write_csv(tmp / "syscall.csv", SYSCALL, rows)

    def want(keep):
        return sum(row[5] for row in rows if keep(row))

    cases = {
        ("comm=ffmpeg",): lambda row: row[1] == "ffmpeg",
        ("comm=*n*x",): lambda row: row[1] == "nginx",
        ("comm!=ffmpeg", "comm!=bash"): lambda row: row[1] not in ("ffmpeg", "bash"),
        ("comm=ffmpeg", "comm=bash"): lambda row: row[1] in ("ffmpeg", "bash"),
        ("count>100", "count<=300"): lambda row: 100 < row[5] <= 300,
        ("error_rate>=5.5", "category=file_io"): lambda row: float(row[7]) >= 5.5 and row[4] == "file_io",
        ("count=7.0",): lambda row: row[5] == 7,
        ("syscall_nr<1",): lambda row: row[2] < 1,
    }
    for conditions_, keep in cases.items():
        args = [word for condition in conditions_ for word in ("--where", condition)]
        if want(keep):
            same(one(path, *args).value("count"), want(keep), str(conditions_))
    check("--where" in complaint(path, "--where", "comm=nobody"), "nothing left")


@case
def shapes(tmp):
    """Folders, gzip, standard input, streams of several tables, repeated headers, line ends: the same rows."""
    rows = list(syscall_rows(13))
    total = sum(row[5] for row in rows)
    folder = tmp / "out"
    folder.mkdir()
    half = len(rows) // 2
    write_csv(folder / "syscall_20251121_140000.csv", SYSCALL, rows[:half], end="\n")
    write_csv(folder / "syscall_20251121_150000.csv.gz", SYSCALL, rows[half:])
    (folder / "notes.txt").write_text("not a recording")
    tables, _, _ = report(folder)
    same(list(tables), ["syscall"], "tables")
    same(tables["syscall"].value("count"), total, "folder")
    # gzip of several members, as appending makes it.
    twice = tmp / "twice.csv.gz"
    twice.write_bytes(gzip.compress((folder / "syscall_20251121_140000.csv").read_bytes()) +
                      gzip.compress("".join(f"{','.join(map(str, [*stamp(r[0]), *r[1:]]))}\n" for r in rows[half:]).encode()))
    same(one(twice).value("count"), total, "two members")
    with open(folder / "syscall_20251121_150000.csv.gz", "rb") as file:
        same(one("-", stdin=file).value("count"), sum(row[5] for row in rows[half:]), "stdin")
    stream = tmp / "stream.csv"
    text = io.StringIO()
    for i, part in enumerate((rows[:half], rows[half:])):
        write = csv.writer(text, lineterminator="\r\n")
        text.write("\r\n" if i else "\ufeff")
        write.writerow(["timestamp", "time_str", *SYSCALL])
        for row in part:
            write.writerow([*stamp(row[0]), *row[1:]])
        text.write("\r\ntimestamp,time_str,comm,func_name,count\r\n")
        write.writerow([*stamp(T0 + i), "bash", "vfs_read", 5 + i])
        write.writerow([*stamp(T0 + i), "bash", "vfs_write", 7])
    stream.write_text(text.getvalue(), newline="")
    tables, _, _ = report(stream)
    same(sorted(table.value("count") for table in tables.values()), sorted((total, 25)), "stream")
    # Started again on the same file, without an empty line; mixed line ends.
    again = tmp / "again.csv"
    write_csv(again, SYSCALL, rows[:half], end="\r\n")
    write_csv(again, SYSCALL, rows[half:], end="\n", mode="a")
    same(one(again).value("count"), total, "header repeated")
    semicolons = tmp / "semicolons.csv"
    with open(semicolons, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["timestamp", "time_str", *SYSCALL])
        writer.writerows([*stamp(row[0]), *row[1:]] for row in rows)
    same(one(semicolons).value("count"), total, "semicolons")
    same(list(report(folder, stream, "--type", "sys*")[0]), ["syscall"], "--type")


@case
def any_text(tmp):
    """Whatever Python's csv module writes: the same rows come back."""
    dice = random.Random(14)
    alphabet = "ab,;\"'\n\r\t #äß€😀\\|:{}<>&"
    keys = ["".join(dice.choices(alphabet, k=dice.randint(0, 12))) for _ in range(300)]
    keys = [key for key in keys if not key.startswith("#")]
    rows = [(T0 + i, dice.choice(keys), "x" + dice.choice(keys), 1) for i in range(6000)]
    path = tmp / "any.csv"
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL):
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, quoting=quoting)
            writer.writerow(["timestamp", "comm", "name", "count"])
            writer.writerows([stamp(row[0])[0], *row[1:]] for row in rows)
        got = one(path, "--top", 1000, "--by", "comm", "--by", "name")
        for column, index in (("comm", 1), ("name", 2)):
            want = collections.Counter(row[index] or "(none)" for row in rows)
            same({row[column]: row["count"] for row in got.rows(f"ranking:{column}")}, dict(want), column)


@case
def json_input(tmp):
    """The same rows as events, as arrays of rows and as CSV: the same report."""
    rows = list(syscall_rows(15))
    want = one(write_csv(tmp / "syscall.csv", SYSCALL, rows)).data["sections"]
    forms = {"event": [], "rows": []}
    for row in rows:
        numbers = dict(zip(SYSCALL, row[1:]))
        numbers["error_rate"] = float(numbers["error_rate"])
        forms["event"].append({"type": "event", "name": "syscall", "timestamp": float(stamp(row[0])[0]), "data": numbers})
    by_time = collections.defaultdict(list)
    for event in forms["event"]:
        by_time[event["timestamp"]].append(event["data"])
    forms["rows"] = [{"type": "rows", "name": "syscall", "timestamp": time, "data": data} for time, data in by_time.items()]
    for form, records in forms.items():
        path = tmp / f"{form}.json"
        path.write_text('{"type": "attached_probes", "count": 1, "data": {"probes": 1}}\n' +
                        "".join(json.dumps(record) + "\n" for record in records))
        table = one(path)
        same(table.data["name"], "syscall", "name")
        same(table.data["sections"], want, form)
    packed = tmp / "packed.json.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    same(one(packed).data["sections"], want, "gzip")


@case
def json_types(tmp):
    """The reference's own records: map, hist, stats."""
    lines = [
        {"type": "map", "data": {"@reads": {"bash": 10, "ls,2": 5}}},
        {"type": "map", "data": {"@total": 42}},
        {"type": "hist", "data": {"@lat": {"bash": [{"min": 2, "max": 3, "count": 3}, {"min": 4, "max": 7, "count": 1}],
                                           "ls": [{"max": -1, "count": 2}, {"min": 1024, "count": 1}]}}},
        {"type": "hist", "data": {"@one": [{"min": 8, "max": 15, "count": 4}]}},
        {"type": "stats", "data": {"@s": {"count": 2, "average": 6, "total": 12}}},
        {"type": "stats", "data": {"@k": {"a": {"count": 2, "average": 6, "total": 12},
                                          "b": {"count": 8, "average": 1, "total": 8}}}},
        {"type": "printf", "data": "text\n"},
        {"type": "lost_events", "count": 4, "data": {"events": 4}},
    ]
    path = tmp / "out.json"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    tables, notes, _ = report(path)
    same([(row["key"], row["value"]) for row in tables["@reads"].rows("ranking:key")], [("bash", 10), ("ls,2", 5)], "map")
    same(tables["@total"].value("value"), 42, "map without key")
    rows = {row["key"]: row for row in tables["@lat"].rows("quantiles:value:key")}
    same((rows["bash"]["count"], rows["bash"]["p50"]), (4, 2 + 2 * 2 / 3), "hist")
    same((rows["ls"]["p50"], rows["ls"]["p50_bound"]), (-1, "<="), "open end")
    same(tables["@one"].section("quantiles:value")["values"]["p50"], 12, "hist without key")
    same(tables["@k"].value("average"), 2, "mean of means, weighted")
    same(tables["@k"].value("total"), 20, "total")
    check(any("4 events were lost" in note for note in notes), f"lost events: {notes}")
    same(list(report(path, "--type", "reads")[0]), ["@reads"], "--type without @")


@case
def running_totals(tmp):
    """Maps printed without being cleared: the sum is what they grew by, also over a restart."""
    dice = random.Random(16)
    state, rows, true, latencies = collections.Counter(), [], collections.Counter(), collections.defaultdict(list)
    for step in range(60):
        if step == 30:
            state.clear()
            for values in latencies.values():
                true["hist"] += len(values)
                values.clear()
        for comm in ("a", "b", "c"):
            grown = dice.randint(0, 20)
            state[comm] += grown
            true[comm] += grown
            latencies[comm] += [dice.randint(1, 5000) for _ in range(grown)]
            rows.append((T0 + step, comm, state[comm], cell(latencies[comm])))
    true["hist"] += sum(map(len, latencies.values()))
    path = write_csv(tmp / "x.csv", ("comm", "count", "lat"), rows[:90])
    _, notes, _ = report(path)
    check(any("--running" in note for note in notes), f"no hint: {notes}")
    table = one(write_csv(path, ("comm", "count", "lat"), rows), "--running")
    same({row["comm"]: row["count"] for row in table.rows("ranking:comm")}, {key: true[key] for key in "abc"}, "sums")
    same(table.rows("quantiles:lat:comm")[0]["count"], true["hist"], "histogram")
    _, notes, _ = report(write_csv(tmp / "plain.csv", SYSCALL, syscall_rows(17)))
    check(not any("--running" in note for note in notes), "a hint for cleared maps")


@case
def comparison(tmp):
    sides, sums = {}, {}
    for seed, host in ((18, "hostA"), (19, "hostB")):
        comms = ("ffmpeg", "nginx", "bash") if host == "hostA" else ("ffmpeg", "nginx", "cron")
        sides[host] = list(syscall_rows(seed, comms=comms))
        (tmp / host).mkdir()
        write_csv(tmp / host / "syscall_20251121_140000.csv", SYSCALL, sides[host])
        sums[host] = collections.Counter()
        for row in sides[host]:
            sums[host][row[1]] += row[5]
    table = one("--compare", tmp / "hostA", f"{tmp / 'hostB'}/")
    totals_ = {row["measure"]: row for row in table.rows("totals")}
    a, b = (sum(sums[host].values()) for host in ("hostA", "hostB"))
    same((totals_["count"]["hostA"], totals_["count"]["hostB"]), (a, b), "totals")
    same(totals_["count"]["difference"], b - a, "difference")
    same(totals_["count"]["change"], b / a - 1, "change")
    ranks = {host: {key: i + 1 for i, (key, _) in enumerate(ranked(sums[host]))} for host in sums}
    got = {row["comm"]: row for row in table.rows("ranking:comm")}
    same(set(got), {"ffmpeg", "nginx", "bash", "cron"}, "union")
    for comm in ("ffmpeg", "nginx"):
        same((got[comm]["hostA"], got[comm]["hostB"]), (sums["hostA"][comm], sums["hostB"][comm]), comm)
        same(got[comm]["difference"], sums["hostB"][comm] - sums["hostA"][comm], f"difference of {comm}")
        first, last = ranks["hostA"][comm], ranks["hostB"][comm]
        same(got[comm]["rank"], str(first) if first == last else f"{first} to {last}", f"rank of {comm}")
    same((got["bash"]["rank"], got["bash"]["change"]), (f"{ranks['hostA']['bash']}, gone", "gone"), "gone")
    same((got["cron"]["rank"], got["cron"]["change"]), (f"new, {ranks['hostB']['cron']}", "new"), "new")
    movers = [abs(row["difference"]) for row in table.rows("movers:comm")]
    same(movers, sorted(movers, reverse=True), "movers")
    # Files of any name are told by their columns.
    table = one("--compare", write_csv(tmp / "monday.csv", SYSCALL, sides["hostA"]),
                write_csv(tmp / "tuesday.csv", SYSCALL, sides["hostB"]))
    same({row["measure"]: row for row in table.rows("totals")}["count"]["tuesday.csv"], b, "files")
    check("needs two" in complaint("--compare", tmp / "hostA"), "one side only")


@case
def days(tmp):
    """Days side by side; a day that is not whole is compared by what came per second."""
    begin = T0 - T0 % 86400
    rows = [(begin + day * 86400 + hour * 3600, "a", 100 * (day + 1)) for day in range(3) for hour in range(24 if day < 2 else 12)]
    path = write_csv(tmp / "x.csv", ("comm", "count"), rows)
    table = one("--compare", "--by-day", path)
    totals_ = {row["measure"]: row for row in table.rows("totals")}
    names = ["2025-11-21", "2025-11-22", "2025-11-23"]
    same([totals_["count"][name] for name in names], [2400, 4800, 3600], "days")
    row = table.rows("ranking:comm")[0]
    # 24 rows an hour apart cover 24 hours.
    same([row[name] for name in names], [100 / 3600, 200 / 3600, 300 / 3600], "per second")
    same(row["change"], 2.0, "change")
    check("per second" in table.section("ranking:comm")["title"], "title")
    check("one day only" in complaint("--by-day", path, "--until", "2025-11-22"), "one day")


@case
def many_groups(tmp):
    """More groups than are kept: sums stay exact, the large ones are found, bounds hold."""
    dice = random.Random(20)
    true, path = collections.Counter(), tmp / "exec.csv"
    with open(path, "w", encoding="utf-8") as file:
        file.write("timestamp,time_str,comm,filename\n")
        for i in range(300000):
            name = f"/tmp/{i:x}" if dice.random() < 0.7 else f"/usr/bin/tool{int(dice.expovariate(0.2))}"
            true[name] += 1
            file.write(f"{T0 + i / 100:.3f},x,make,{name}\n")
    table, notes, result = report(path, "--groups", 1000, "--top", 10)
    table = table["exec"]
    got = table.rows("ranking:filename")
    same(sum(row["rows"] for row in got), 300000, "all rows")
    for row, (name, count) in zip(got, ranked(true)[:10]):
        same(row["filename"], name, "order")
        lack = float(re.search(r"up to (\d+)", table.section("ranking:filename")["note"]).group(1))
        check(row["rows"] <= count <= row["rows"] + lack, f"{name}: {row['rows']}, true {count}")
    distinct = re.search(r"about ([\d,]+) filename", table.section("overview")["values"]["groups"])
    check(abs(int(distinct.group(1).replace(",", "")) / len(true) - 1) < 0.06, f"{distinct}, true {len(true)}")
    del notes, result
    exact = one(path, "--top", 10).rows("ranking:filename")
    same([(row["filename"], row["rows"]) for row in exact[:10]], ranked(true)[:10], "enough room: exact")
    check("rows_bound" not in exact[0], "exact numbers are not bounds")


@case
def damage(tmp):
    """What is broken is told with its place, and costs no more than itself."""
    head = "timestamp,time_str,comm,count\n"
    good = "".join(f"{','.join(stamp(T0 + i))},bash,{i}\n" for i in range(100))
    line = f"{','.join(stamp(T0))},"
    cases = {
        "torn": (head + good + line + "bash,12", r":102: the last line is not complete"),
        "torn_in_quotes": (head + good + line + '"ba', r":102: the last line is not complete"),
        "short": (head + line + "bash\n" + good, r":2: a row does not have the columns"),
        "long": (head + good + (line + "bash,1,2,3\n") * 2, r":102: 2 rows do not have the columns"),
        "unclosed": (head + line + '"ba,1\n' + good, r":2: a quote is not closed"),
        "nul": (head + line + "ba\0sh,1\n" + good, r":2: a row has NUL bytes"),
        "garbage": (head + good + line + "bash,many\n", r":102: a row has no number in column count \('many'\)"),
        "time": (head + good + "yesterday,x,bash,0\n", r":102: a row has no time in column timestamp"),
        "zeros": (head + good + "\0" * 5000, r":102: the last line is not complete"),
    }
    want = sum(range(100))
    for name, (text, message) in cases.items():
        path = tmp / f"{name}.csv"
        path.write_text(text)
        tables, notes, result = report(path)
        same(tables[name].value("count"), want, name)
        check(re.search(re.escape(str(path)) + message, result.err), f"{name}: {result.err}")
        check(any(re.search(message, note) for note in notes), f"{name}: {notes}")
    many = tmp / "many.csv"
    many.write_text(head + good * 10 + (line + "bash,x\n") * 1000)
    check(":1002: 1000 rows have no number" in report(many)[2].err, "garbage is not counted")
    broken = tmp / "broken.json"
    record = json.dumps({"type": "event", "name": "e", "timestamp": T0, "data": {"comm": "a", "count": 1}})
    broken.write_text(f"{record}\nnot json\n{record}\n{record[:-9]}")
    tables, _, result = report(broken)
    same(tables["e"].value("count"), 2, "JSON")
    check(":2: a line is not a JSON object" in result.err and ":4: the last line" in result.err, result.err)


@case
def unusable(tmp):
    """Files that are none of ours, and files that are not there."""
    good = write_csv(tmp / "good.csv", ("comm", "count"), [(T0, "a", 1)])
    cases = {
        "binary.csv": (b"\x7fELF\x02\x01\x01\0\0\0", "not a CSV or JSON recording"),
        "text.csv": (b"just some words\nand more\n", "not a CSV or JSON recording"),
        "headless.csv": (b"1763733600.000,[2025-11-21 14:00:00.000],bash,1\n", ":1: the first line is data"),
        "empty.csv": (b"", "empty"),
        "blank.csv": (b"\n\n\r\n", "empty"),
        "header.csv": (b"timestamp,time_str,comm,count\n", "no rows"),
        "cut.csv.gz": (gzip.compress(good.read_bytes() * 100)[:60], "ends too early"),
        "bad.csv.gz": (b"\x1f\x8b\x08\0" + b"\xff" * 500, "damaged"),
    }
    for name, (data, message) in cases.items():
        path = tmp / name
        path.write_bytes(data)
        err = complaint(path)
        check(message in err and str(path) in err, f"{name}: {err}")
        # Beside a good one it does not stand in the way.
        result = run("-f", "json", path, good)
        check('"name": "good"' in result.out and message in result.err, f"{name}: {result.err}")
    check("No such file" in complaint(tmp / "missing.csv"), "missing file")
    (tmp / "nothing").mkdir()
    check("there is no *.csv" in complaint(tmp / "nothing"), "folder without recordings")
    if os.geteuid():
        good.chmod(0)
        check("Permission denied" in complaint(good), "unreadable file")


@case
def huge_field(tmp):
    path = tmp / "huge.csv"
    with open(path, "w", encoding="utf-8") as file:
        file.write("timestamp,time_str,comm,count\n")
        for i, text in enumerate(("x" * (10 << 20), "y\n" * (5 << 20), "x" * (10 << 20))):
            file.write(f'{T0 + i},t,"{text}",{10 ** i}\n')
        file.write(f'{T0},t,{"z" * (40 << 20)},1000\n{T0},t,ok,10000\n')
    tables, _, result = report(path)
    same(tables["huge"].value("count"), 10111, "count")
    same([row["count"] for row in tables["huge"].rows("ranking:comm")], [10000, 101, 10], "keys of 10 MB are told apart")
    check("longer than 32 MiB" in result.err, result.err)
    check(result.rss < MAX_RSS, f"{result.rss >> 20} MiB")


@case
def usage(tmp):
    columns = write_csv(tmp / "columns.csv", ("comm", "count"), [(T0, "a", 1)])
    said = run("--by", "nosuch", columns).err
    check("no table has a column 'nosuch', but 'timestamp', 'time_str', 'comm' and 'count'" in said, said)
    path = write_csv(tmp / "syscall.csv", SYSCALL, syscall_rows(21, steps=3))
    cases = {
        ("--by", "com"): "did you mean 'comm'?",
        ("--sort", "cuont"): "did you mean 'count'?",
        ("--where", "comn=a"): "did you mean 'comm'?",
        ("--where", "comm"): "--where wants",
        ("--where", "count>many"): "not a number",
        ("--since", "soon"): "--since wants",
        ("--since", "2025-11-22", "--until", "2025-11-21"): "not before",
        ("--top", "0"): "--top wants",
        ("--top", "x"): "--top wants",
        ("--groups", "1"): "--groups wants",
        ("--format", "xml"): "text or json",
        ("--tpo", "3"): "did you mean --top?",
        ("--by",): "needs a value",
        ("--type", "nothing"): "there is no table 'nothing'",
        ("--html", "/nonexistent/x.html"): "cannot write",
    }
    for args, message in cases.items():
        err = complaint(path, *args)
        check(message in err, f"{args}: {err}")
        check(len(err.splitlines()) == 1, f"{args}: more than a sentence: {err}")
    check("wants files" in complaint(), "no file")
    help_ = run("--help")
    check(help_.code == 0 and "--since" in help_.out, "--help")


@case
def text(tmp):
    path = write_csv(tmp / "syscall.csv", SYSCALL, syscall_rows(22))
    for columns in (60, 80, 100, 160):
        out = run(path, env={"COLUMNS": str(columns)}).out
        widest = max(len(line) for line in out.splitlines())
        check(widest <= columns, f"{widest} wide, not {columns}")
    plain = run(path, env={"LC_ALL": "C"}).out
    check(plain.isascii() and "##" in plain, "bars without UTF-8")
    check("█" in run(path).out and "\x1b" not in run(path).out, "bars in UTF-8, no colors into a file")
    # Names are not to reach a terminal as they are.
    hostile = tmp / "x.json"
    hostile.write_text(json.dumps({"type": "event", "name": "n\x1b[5m", "timestamp": T0, "data": {
        "comm": "evil\x1b]0;x\x07\u202e", "a\x1b[31mb": "1", "count\x1b": 1, "count": 5}}) + "\n")
    out = run(hostile).out
    same(run(write_csv(tmp / "y.csv", ("a\x1b[31mb", "count"), [(T0, "a", 1)])).code, 1, "a header with control characters")
    check("\x1b" not in out and "\x07" not in out and "\u202e" not in out, f"control characters: {out!r}")
    check("evil\\x1b]0;x\\x07" in out, f"not shown: {out!r}")
    binary = tmp / "bytes.csv"
    binary.write_bytes(b"timestamp,comm,count\n1763733600,\xff\xfe\x80name,1\n")
    check("\\xff\\xfe\\x80name" in run(binary).out, "broken UTF-8")
    same(one(binary).rows("ranking:comm")[0]["comm"], "\\xff\\xfe\\x80name", "broken UTF-8 in JSON")


class Page(html.parser.HTMLParser):
    """Collects a page's texts and tables, and checks that its tags are balanced."""

    VOID = {"meta", "link", "br", "img", "input", "hr"}

    def __init__(self):
        super().__init__()
        self.open, self.attributes, self.texts, self.tables = [], [], [], []
        self.tags = collections.Counter()

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        check(self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}")
        self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.texts.append(data)
            if self.tables and ("td" in self.open or "th" in self.open):
                self.tables[-1][-1][-1] += data


def page_of(path):
    source = path.read_text(encoding="utf-8")
    page = Page()
    page.feed(source)
    page.close()
    check(not page.open, f"not closed: {page.open}")
    return source, page


@case
def html_page(tmp):
    data = list(bio_data(23))
    rows = [(*row[:1], '<script>alert("1")</script>' if row[1] == "ffmpeg" else row[1], *row[2:]) for row in bio_rows(data)]
    path = write_csv(tmp / "bio.csv", BIO, rows)
    result = run(path, "--html", tmp / "r.html")
    check(result.code == 0 and not result.out, f"{result.err}{result.out[:100]}")
    source, page = page_of(tmp / "r.html")
    check("<script>alert" not in source, "a name became a tag")
    check(any('<script>alert("1")</script>' in text_ for text_ in page.texts), "the name is not shown")
    # Nothing is loaded: no address but places of the page itself, and the policy says so.
    for tag, name, value in page.attributes:
        check(name not in ("src", "href", "action", "data", "poster", "srcset") or value.startswith("#"),
              f"<{tag} {name}={value}>")
        check(not name.startswith("on"), f"<{tag} {name}>")
    check("url(" not in source and "@import" not in source and "://" not in source, "an address in the page")
    check("default-src 'none'" in source, "no policy")
    same(page.tags["script"], 1, "scripts")
    check("prefers-color-scheme:dark" in source, "no dark colors")
    # The same numbers as in JSON.
    want = one(path)
    ranking = next(table for table in page.tables if table[0][:3] == ["#", "comm", "count"])
    for got, row in zip(ranking[1:], want.rows("ranking:comm")):
        same(got[1:3], [row["comm"], f"{row['count']:,}"], "ranking")
    exact = {value for tag, name, value in page.attributes if name == "data-v"}
    check(str(want.value("total_bytes")) in exact, "the exact sum of bytes")
    spans = sum(value > 0 for value in want.section("activity")["series"]["count"])
    same(sum(1 for tag, name, value in page.attributes if (name, value) == ("class", "col")), spans, "columns")
    check(page.tags["path"] >= 4, "lines of quantiles and distribution")
    check(any((name, value) == ("class", "cell") for _, name, value in page.attributes), "heat map")
    out = run(path, "--html", "-")
    check(out.out == source, "--html -")


@case
def html_compare(tmp):
    for seed, host in ((24, "a"), (25, "b")):
        (tmp / host).mkdir()
        write_csv(tmp / host / "syscall.csv", SYSCALL, syscall_rows(seed))
    result = run("--compare", tmp / "a", tmp / "b", "--html", tmp / "r.html")
    check(result.code == 0, result.err)
    _, page = page_of(tmp / "r.html")
    check(page.tables[0][0][1:3] == ["a", "b"], f"sides: {page.tables[0][0]}")


def repeat_rows(path, block, seconds, times, head):
    """A long recording of one block of rows, moved on in time for each repetition."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(head)
        for i in range(times):
            file.write(block.replace("@", str(T0 + i * seconds)))


@case
def streaming_csv(tmp):
    """200 MB in bounded memory, with the right sums."""
    dice = random.Random(26)
    lines, sums = [], collections.Counter()
    for _ in range(20000):
        comm, count = f"proc-{dice.randrange(300)}", dice.randint(1, 5000)
        errors = dice.randint(0, 3)
        sums[comm] += count
        lines.append(f"@.123,[2025-11-21 14:00:00.123],{comm},0,read,file_io,{count},{errors},{100 * errors / count:.2f}\n")
    block, times = "".join(lines), 125
    head = "timestamp,time_str," + ",".join(SYSCALL) + "\n"
    repeat_rows(tmp / "syscall.csv", block, 30, times, head)
    size = (tmp / "syscall.csv").stat().st_size
    check(size > 170e6, f"only {size} bytes")
    tables, _, result = report(tmp / "syscall.csv", "--by", "comm")
    table = tables["syscall"]
    same(table.value("count"), sum(sums.values()) * times, "count")
    got = table.rows("ranking:comm")
    same([(row["comm"], row["count"]) for row in got[:10]], [(key, n * times) for key, n in ranked(sums)[:10]], "ranking")
    check(result.rss < MAX_RSS / 4, f"{result.rss >> 20} MiB")


@case
def streaming_many_keys(tmp):
    """Millions of different keys, and histograms for each: memory stays bounded."""
    path, total = tmp / "x.csv", 0
    with open(path, "w", encoding="utf-8") as file:
        file.write("timestamp,time_str,comm,filename,count,lat_us\n")
        for i in range(700000):
            n = i % 7 + 1
            total += n
            low = 1 << i % 20
            file.write(f"{T0 + i // 1000}.000,x,proc{i % 5000},/var/lib/some/long/path/{i * 7919 % 1000003:x}/{i:08x},{n},"
                       f"{low}..{2 * low - 1}:{n} {8 * low}..{16 * low - 1}:1\n")
    tables, _, result = report(path, "--groups", 5000000)
    table = tables["x"]
    same(table.value("count"), total, "count")
    same(sum(row["count"] for row in table.rows("ranking:filename")), total, "ranking and rest")
    check(result.rss < MAX_RSS, f"{result.rss >> 20} MiB")


@case
def streaming_json(tmp):
    record = json.dumps({"type": "rows", "name": "@io", "timestamp": "TIME", "data":
                         [{"comm": f"proc{i}", "count": i, "total_bytes": 4096 * i} for i in range(1000)]})
    with open(tmp / "io.json", "w", encoding="utf-8") as file:
        for i in range(800):
            file.write(record.replace('"TIME"', f"{T0 + i}.500") + "\n")
    check((tmp / "io.json").stat().st_size > 40e6, "too small")
    tables, _, result = report(tmp / "io.json")
    same(tables["@io"].value("total_bytes"), 4096 * sum(range(1000)) * 800, "bytes")
    check(result.rss < MAX_RSS / 4, f"{result.rss >> 20} MiB")


@case
def manual(tmp):
    """The manual has every option, and its examples run on recordings of the names they use."""
    man = (ROOT / "src" / "jbtrace.1.in").read_text()
    help_ = run("--help").out
    for option in re.findall(r"--[a-z-]+", help_):
        check(option.replace("-", "\\-") in man, f"{option} is not in the manual")
    now = datetime.datetime.now(datetime.timezone.utc).timestamp()
    for host in ("host1", "host2"):
        (tmp / host).mkdir()
        begin = now - now % 86400 - 7200
        write_csv(tmp / host / "bio.csv", BIO, [(row[0] - T0 + begin, *row[1:]) for row in bio_rows(bio_data(27, steps=3000))])
        write_csv(tmp / host / "syscall.csv", SYSCALL, [(row[0] - T0 + begin, *row[1:]) for row in syscall_rows(28, steps=3000)])
        write_csv(tmp / host / "open.csv", ("comm", "operation", "filename", "count", "errors", "error_rate"),
                  [(begin + i, "bash", "OPENAT", f"/tmp/{i % 7}", 5, i % 3, 20 * (i % 3)) for i in range(1000)])
    examples = re.findall(r"^\.B jbtrace report (.*)$", man, re.M)
    check(len(examples) >= 5, f"only {len(examples)} examples")
    for example in examples:
        words = example.replace("\\-", "-").replace("\\(aq", "'").replace("\\(dq", '"')
        result = subprocess.run(f"{JBTRACE} report {words}", shell=True, cwd=tmp, capture_output=True, text=True,
                                env={**os.environ, "TZ": "UTC"}, timeout=60, check=False)
        check(result.returncode == 0, f"{example}: {result.stderr}")


OWN = """begin {
	$i = 0;
	while ($i < 1000) {
		@h = hist($i); @b = bhist($i, 10, 100, 500); @l[$i % 2] = lhist($i, 0, 500, 50); @q = quantiles($i);
		@c["key,\\"", $i % 4] = count(); @s["k"] = stats($i);
		@row[$i % 2 == 0 ? "even" : "odd"] = agg(n = count(), bytes = sum($i), err = sum($i % 10 == 0), err_pct = err * 100 / n,
			lat = stats($i), took = hist($i * 3));
		emit("ev", odd = $i % 2, name = "a,\\"b\\"\\n", us = $i, ret = $i % 4 == 0 ? -2 : 0);
		$i++;
	}
	printf("one,\\"two\\"\\n");
	exit();
}"""


def own_folder(tmp, form):
    """Files as a script's run leaves them in a folder, and the same as one stream."""
    script, folder = tmp / "x.jt", tmp / form
    script.write_text(OWN)
    folder.mkdir()
    for out in (f"{folder}/", tmp / f"stream.{form}"):
        result = subprocess.run([JBTRACE, "-q", "-f", form, "-o", out, script], capture_output=True, text=True, timeout=60,
                                check=False)
        if "not supported yet" in result.stderr:
            raise Skip(f"jbtrace has no -f {form} yet")
        check(result.returncode == 0, result.stderr)
    return folder, tmp / f"stream.{form}"


def check_own(tables, names):
    """`names`: what a map is called."""
    numbers = range(1000)
    ev = tables["ev"]
    same(ev.value("rows"), 1000, "rows of emit")
    same((ev.column("us")["least"], ev.column("us")["greatest"]), (0, 999), "range")
    same(ev.rows("ranking:name")[0]["name"], 'a,"b"\n', "text")
    same(ev.value("errors"), 250, "negative results")
    for name, unit in (("h", bucket), ("b", None)):
        values = tables[names(name)].section("quantiles:value")["values"]
        same(values["count"], 1000, f"count of @{name}")
        want = quantile(histogram(numbers), 0.9) if unit else 501  # bounds of bhist() belong to the bucket below
        same((values["p90"], values.get("p90_bound")), (float(want), None if unit else ">="), f"p90 of @{name}")
    same(tables[names("l")].value("count"), 1000, "lhist")
    q = tables[names("q")]
    same((q.value("count"), q.value("max")), (1000, 999), "quantiles")
    same((q.column("p50")["least"], q.value("p50")), (q.column("p50")["greatest"], None), "range of p50")
    stats = tables[names("s")]
    same((stats.value("count"), stats.value("total")), (1000, sum(numbers)), "stats")
    rows = tables[names("row")]
    got = {row["key0"]: row for row in rows.rows("ranking:key0")}
    for name, part in (("even", numbers[::2]), ("odd", numbers[1::2])):
        errors = sum(i % 10 == 0 for i in part)
        same((got[name]["n"], got[name]["bytes"], got[name]["err"]), (500, sum(part), errors), name)
        same(got[name]["err_pct"], errors / 500, f"rate of {name}")
        same(got[name]["lat_total"], sum(part), f"total of {name}")
    took = {row["key0"]: row for row in rows.rows("quantiles:took:key0")}
    same(took["(all)"]["p50"], float(quantile(histogram([3 * i for i in numbers]), 0.5)), "hist in agg")


@case
def own_recordings(tmp):
    """What jbtrace itself records, in both formats, in files and as a stream, adds up to what the script did."""
    if os.geteuid():
        raise Skip("tracing needs root")
    for form, names in (("csv", "x_{}".format), ("json", "@{}".format)):
        folder, stream = own_folder(tmp, form)
        tables, _, result = report(folder)
        check("warning" not in result.err, f"{form}: {result.err}")
        check_own(tables, names)
        streamed, _, result = report(stream)
        # Tables of a CSV stream have no names of their own, and two of this script have the same columns.
        check(("same columns" in result.err) == (form == "csv") and "left out" not in result.err, f"{form}: {result.err}")
        same(sorted(table.section("overview")["values"]["rows"] for table in streamed.values()),
             sorted(table.section("overview")["values"]["rows"] for table in tables.values()), f"rows in the {form} stream")
        if form == "json":
            check_own(streamed, names)


if __name__ == "__main__":
    sys.exit(run_cases(root=False))
