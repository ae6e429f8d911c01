"""What the tests of `jbtrace report` share: running it under a memory limit, its tables, recordings with known answers."""
import collections
import contextlib
import csv
import datetime
import gzip
import json
import math
import os
import pathlib
import random
import re
import shutil
import statistics
import subprocess
import tempfile
import time

from jbtest import JBTRACE, Failed, check

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
