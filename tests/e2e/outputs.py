#!/usr/bin/env python3
"""End to end: what scripts write as text, JSON and CSV, to streams, files and folders. Usage: outputs.py [NAME].

The readers are Python's json, csv and gzip; the truth is what this program computed, or what the traced program counted
itself (tests/progs/selfcount). A full disk is a tmpfs of 64 KiB in a mount namespace of our own. Last line: passed, failed,
skipped.
"""
import contextlib
import csv
import glob
import gzip
import io
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

from jbtest import ARMED, JBTRACE, ROOT, Jbtrace, Skip, case, check, equal, prog, run_cases, wait_until

SELFCOUNT = str(prog("selfcount"))
INSIDE = "JB_TEST_NAMESPACE"  # set in the process that has a mount namespace of its own
WAIT_S = 20

# --- jbtrace ---


def run(script, *options, code=0):
    """A script that ends by itself: its output."""
    done = subprocess.run([JBTRACE, *options, "-e", script], capture_output=True, timeout=WAIT_S, cwd=ROOT, check=False)
    equal(done.returncode, code, f"exit status; {done.stderr.decode(errors='replace')}")
    return done.stdout.decode("utf-8")


def trace(script, *options):
    return Jbtrace(*options, "-e", script)


def call_target(n):
    """Have selfcount call target_add(1..n, 1000); how often it says that it did."""
    done = subprocess.run([SELFCOUNT, "--no-wait", "--add", str(n)], capture_output=True, text=True, timeout=WAIT_S,
                          stdin=subprocess.DEVNULL, check=True)
    return int(re.search(r"^add (\d+)$", done.stdout, re.M).group(1))


ADD = f"uprobe:{SELFCOUNT}:target_add"

# --- readers ---


def json_lines(text):
    """Every line, strictly: no NaN, no doubled keys."""
    def pairs(items):
        equal(len({key for key, _ in items}), len(items), "distinct keys")
        return dict(items)

    def constant(name):
        check(False, f"{name} is not JSON")

    return [json.loads(line, object_pairs_hook=pairs, parse_constant=constant)
            for line in text.split("\n")[:-1] if line != ARMED]


def csv_tables(text):
    """A stream of tables: (header, rows as dicts). An empty line parts them."""
    tables, header = [], None
    for row in csv.reader(io.StringIO(text, newline=""), strict=True):
        if not row:
            header = None
        elif header is None:
            header = row
            equal(header[:2], ["timestamp", "time_str"], "first columns")
            equal(len(set(header)), len(header), "distinct columns")
            tables.append((header, []))
        else:
            equal(len(row), len(header), f"cells of {row}")
            check(re.fullmatch(r"\d+\.\d{3}", row[0]), row[0])
            second, ms = row[0].split(".")
            clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(int(second)))
            equal(row[1], f"[{clock}.{ms}]", "time_str")
            tables[-1][1].append(dict(zip(header, row)))
    return tables


def read_table(path):
    """One file of a folder, which holds one table, packed or not."""
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8", newline="") as file:
        text = file.read()
    check(text.endswith("\n"), f"{path} ends within a row")
    tables = csv_tables(text)
    equal(len(tables), 1, f"headers in {path}")
    return tables[0][1]


def buckets_of(numbers, bounds):
    """Python's own histogram: (min, max) of non-empty buckets -> count."""
    found = {}
    for number in numbers:
        low, high = bounds(number)
        found[low, high] = found.get((low, high), 0) + 1
    return found


def log2_bounds(number):
    if number < 0:
        return None, -1
    if number < 2:
        return number, number
    low = 1 << (number.bit_length() - 1)
    return low, 2 * low - 1


def json_buckets(items):
    return {(item.get("min"), item.get("max")): item["count"] for item in items if item["count"]}


def csv_buckets(rows):
    def number(cell):
        return int(cell) if cell else None

    return {(number(row["min"]), number(row["max"])): int(row["count"]) for row in rows if row["count"] != "0"}


def cell_buckets(cell):
    found = {}
    for item in cell.split():
        low, high, count = re.fullmatch(r"(-?\d*)\.\.(-?\d*):(\d+)", item).groups()
        found[int(low) if low else None, int(high) if high else None] = int(count)
    return found


# --- values ---

AGGREGATES = """BEGIN { for ($i : 0..1000) {
    @count = count(); @sum = sum($i); @min = min($i + 5); @max = max($i); @avg = avg($i); @stats = stats($i);
    @hist = hist($i - 3); @lhist = lhist($i, 100, 900, 200); @by["a b", $i % 3] = sum($i); @hk[$i % 2] = hist($i);
    @io["x,\\"y", $i % 4] = agg(n = count(), bytes = sum($i), h = hist($i), mean = bytes / n);
    @q = quantiles($i);
} }"""


def truth():
    numbers = range(1000)
    rows = {}
    for part in range(4):
        mine = [i for i in numbers if i % 4 == part]
        rows[part] = {"n": len(mine), "bytes": sum(mine), "mean": sum(mine) / len(mine),
                      "h": buckets_of(mine, log2_bounds)}
    return {
        "@count": 1000, "@sum": sum(numbers), "@min": 5, "@max": 999, "@avg": sum(numbers) // 1000,
        "@stats": {"count": 1000, "average": sum(numbers) // 1000, "total": sum(numbers)},
        "@hist": buckets_of([i - 3 for i in numbers], log2_bounds),
        "@lhist": buckets_of(numbers, lambda i: (None, 99) if i < 100 else (900, None) if i >= 900 else
                             ((i - 100) // 200 * 200 + 100, (i - 100) // 200 * 200 + 299)),
        "@by": {part: sum(i for i in numbers if i % 3 == part) for part in range(3)},
        "@hk": {part: buckets_of([i for i in numbers if i % 2 == part], log2_bounds) for part in range(2)},
        "@io": rows,
    }


@case
def json_numbers():
    want = truth()
    records = json_lines(run(AGGREGATES, "-f", "json"))
    equal(records[0], {"type": "attached_probes", "count": 1, "data": {"probes": 1}}, "first line")
    types, data = {}, {}
    for record in records[1:]:
        name = record.get("name") or next(iter(record["data"]))
        types[name] = record["type"]
        data[name] = record["data"] if "name" in record else record["data"][name]
    equal(types, {"@count": "map", "@sum": "map", "@min": "map", "@max": "map", "@avg": "stats", "@stats": "stats",
                  "@hist": "hist", "@lhist": "hist", "@by": "map", "@hk": "hist", "@io": "rows", "@q": "quantiles"},
          "types")
    for name in ("@count", "@sum", "@min", "@max", "@avg", "@stats"):
        equal(data[name], want[name], name)
    for name in ("@hist", "@lhist"):
        equal(json_buckets(data[name]), want[name], name)
    equal(data["@by"], {f"ab,{part}": total for part, total in want["@by"].items()}, "@by")
    equal({int(key): json_buckets(items) for key, items in data["@hk"].items()}, want["@hk"], "@hk")
    for row in data["@io"]:
        mine = want["@io"][row["key1"]]
        equal((row["key0"], row["n"], row["bytes"], row["mean"]),
              ('x,"y', mine["n"], mine["bytes"], mine["mean"]), "row")
        equal(json_buckets(row["h"]), mine["h"], "histogram of a row")
    equal(len(data["@io"]), 4, "rows")
    for point in (50, 90, 99, 99.9):
        value = data["@q"][f"p{point}"]
        check(abs(value - point * 10) <= point * 10 / 64 + 1, f"p{point} is {value}")


@case
def csv_numbers():
    want = truth()
    tables = csv_tables(run(AGGREGATES, "-f", "csv"))
    # In name order: @avg @by @count @hist @hk @io @lhist @max @min @q @stats @sum
    equal(len(tables), 12, "tables")
    bodies = [rows for _, rows in tables]
    for index, name in ((0, "@avg"), (2, "@count"), (7, "@max"), (8, "@min"), (11, "@sum")):
        equal([row["value"] for row in bodies[index]], [str(want[name])], name)
    equal({int(row["key1"]): int(row["value"]) for row in bodies[1]}, want["@by"], "@by")
    equal({row["key0"] for row in bodies[1]}, {"a b"}, "keys of @by")
    equal(csv_buckets(bodies[3]), want["@hist"], "@hist")
    equal(csv_buckets(bodies[6]), want["@lhist"], "@lhist")
    for part in range(2):
        equal(csv_buckets([row for row in bodies[4] if row["key0"] == str(part)]), want["@hk"][part], "@hk")
    for row in bodies[5]:
        mine = want["@io"][int(row["key1"])]
        equal((row["key0"], int(row["n"]), int(row["bytes"]), float(row["mean"])),
              ('x,"y', mine["n"], mine["bytes"], mine["mean"]), "row")
        equal(cell_buckets(row["h"]), mine["h"], "histogram in a cell")
    stats = bodies[10][0]
    equal({name: int(stats[name]) for name in ("count", "average", "total")}, want["@stats"], "@stats")
    quantiles = json_lines(run(AGGREGATES, "-f", "json"))
    quantiles = [record for record in quantiles if record["type"] == "quantiles"][0]["data"]["@q"]
    equal({name: int(bodies[9][0][name]) for name in quantiles}, quantiles, "@q in both formats")


@case
def text_has_the_same_numbers():
    text = run(AGGREGATES)
    tables = csv_tables(run(AGGREGATES, "-f", "csv"))
    for name, index in (("@avg", 0), ("@count", 2), ("@max", 7), ("@min", 8), ("@sum", 11)):
        shown = re.search(rf"^{name}: (-?\d+)$", text, re.M).group(1)
        equal(shown, tables[index][1][0]["value"], name)
    block = re.search(r"^@io\n.*?\n(.*?)\n\n", text, re.M | re.S).group(1).split("\n")
    for line, row in zip(block, tables[5][1]):
        cells = line.split()
        equal(cells[:4], [row["key0"], row["key1"], row["n"], row["bytes"]], "row")
        check(abs(float(cells[4]) - float(row["mean"])) < 0.001, f"mean {cells[4]}")


def cumulative(buckets, les):
    """Counts up to each bound, from this program's own histogram."""
    return [sum(count for (_, high), count in buckets.items() if high is not None and high <= le) for le in les]


@case
def prom_numbers():
    """The fourth format, by the same truth."""
    want = truth()
    series = {}
    for line in run(AGGREGATES, "-q", "-f", "prom").split("\n"):
        match = re.fullmatch(r'(\w+)(?:\{(.*)\})? (\S+)', line)
        if match and not line.startswith("#"):
            labels = tuple(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match.group(2) or ""))
            series[match.group(1), labels] = float(match.group(3))
    for metric, name in (("count_total", "@count"), ("sum_total", "@sum"), ("min", "@min"), ("max", "@max"),
                         ("avg", "@avg")):
        equal(series["jbtrace_" + metric, ()], want[name], name)
    equal(series["jbtrace_stats_sum", ()], want["@stats"]["total"], "@stats")
    for part, total in want["@by"].items():
        equal(series["jbtrace_by_total", (("key0", "a b"), ("key1", str(part)))], total, "@by")
    for part, row in want["@io"].items():
        key = (("key0", 'x,\\"y'), ("key1", str(part)))
        equal(series["jbtrace_io_n_total", key], row["n"], "n")
        equal(series["jbtrace_io_bytes_total", key], row["bytes"], "bytes")
    for metric, buckets, key in [("hist", want["@hist"], ())] + [
            ("io_hval", row["h"], (("key0", 'x,\\"y'), ("key1", str(part)))) for part, row in want["@io"].items()]:
        found = {labels[-1][1]: count for (name, labels), count in series.items()
                 if name == f"jbtrace_{metric}_bucket" and labels[:-1] == key}
        les = [float(le) for le in found if le != "+Inf"]
        equal([found[le] for le in found if le != "+Inf"], cumulative(buckets, les), f"buckets of {metric}")
        check(len(les) > 5, "there are buckets")


@case
def events_are_all_there():
    emit = ADD + ' { emit("add", i = arg0, who = comm); @n = count(); }'
    for form in ("json", "csv"):
        tracer = trace(emit, "-f", form)
        n = call_target(3000)
        equal(tracer.stop(), 0, "exit status")
        if form == "json":
            records = json_lines(tracer.out)
            rows = [record["data"] for record in records if record["type"] == "event"]
            counted = records[-1]["data"]["@n"]
        else:
            tables = csv_tables(tracer.out)
            rows, counted = tables[0][1], int(tables[1][1][0]["value"])
        equal([int(row["i"]) for row in rows], list(range(1, n + 1)), f"events in {form}")
        equal({row["who"] for row in rows}, {"selfcount"}, "comm")
        equal(counted, n, "@n")


# --- strings ---

NASTY = (b'quote " comma , backslash \\ newline \n return \r\n tab \t bell \x07 caf\xc3\xa9 '
         b"\xf0\x9f\x98\x80 bad \xff\xfe \xc3( \xe2\x82 cut \xed\xa0\x80 over \xc0\xaf ;:'\x7f ")


@case
def a_string_of_4_kb():
    payload = (NASTY * 60)[:4095]
    want = payload.decode("utf-8", "backslashreplace")
    script = ('config = { max_strlen = 8192 } tracepoint:syscalls:sys_enter_write /pid == %d/ '
              '{ emit("w", s = str(args.buf, 4096)); @[str(args.buf, 4096)] = count(); exit(); }')
    writer = [sys.executable, "-c", "import os, sys; data = bytes.fromhex(sys.argv[1]) + bytes(1); sys.stdin.read(); "
              "os.write(os.open('/dev/null', os.O_WRONLY), data)", payload.hex()]
    for form in ("text", "json", "csv"):
        child = subprocess.Popen(writer, stdin=subprocess.PIPE)
        tracer = trace(script % child.pid, "-f", form)
        child.communicate()
        equal(tracer.wait(WAIT_S), 0, "exit status")
        raw = tracer.raw
        if form == "text":
            check(payload in raw, "the bytes of the key, as they are")
            line = raw.split(b"\n")[1]
            check(len(raw.split(b"\n\n")[0].split(b"\n")) == 2, "a line of the table is one line")
            check(b"newline \\n return \\x0d\\n tab \\t" in line, "control characters in a table")
            continue
        text = raw.decode("utf-8")  # valid as a whole
        if form == "json":
            records = json_lines(text)
            equal(records[1]["data"]["s"], want, "string in JSON")
            equal(list(records[2]["data"]["@"]), [want], "key in JSON")
        else:
            tables = csv_tables(text)
            equal(tables[0][1][0]["s"], want, "string in CSV")
            equal(tables[1][1][0]["key0"], want, "key in CSV")


@case
def lost_events_are_counted(folder):
    """A reader that stalls: what is lost and what is read make up all."""
    script = ('BEGIN { @pad = (1, "0123456789012345678901234567890123456789012345678901234567890123"); } '
              'tracepoint:syscalls:sys_enter_getppid /comm == "selfcount"/ '
              '{ emit("g", a = @pad, b = @pad, c = @pad, d = @pad, e = @pad, f = @pad, g = @pad, h = @pad); } '
              "END { clear(@pad); }")
    os.mkfifo(folder / "pipe")
    tracer = Jbtrace("-f", "json", "-o", folder / "pipe", "-e", script, armed=False)
    with open(folder / "pipe", "rb", buffering=0) as pipe:
        first = pipe.read(65536)
        done = subprocess.run([SELFCOUNT, "--no-wait", "--getppid", "300000"], capture_output=True, text=True,
                              timeout=WAIT_S, check=True)
        n = int(re.search(r"^getppid (\d+)$", done.stdout, re.M).group(1))
        tracer.child.process.send_signal(signal.SIGINT)
        text = (first + pipe.readall()).decode()
    equal(tracer.wait(WAIT_S), 0, "exit status")
    records = json_lines(text)
    events = sum(record["type"] == "event" for record in records)
    lost = sum(record["count"] for record in records if record["type"] == "lost_events")
    equal(events + lost, n, "events and losses")
    check(lost, "nothing was lost: the test says nothing")
    total = [record for record in records if record["type"] == "warning"]
    equal([record["msg"] for record in total], [f"emit lost {lost}"], "the loss by its place")
    equal(total[0]["line"], 1, "its line")


# --- folders ---


def files_of(folder, table):
    """A table's files, oldest first."""
    def name(path):
        return re.fullmatch(rf"{table}_(\d{{8}}_\d{{6}})(?:-(\d+))?\.csv(?:\.gz)?", os.path.basename(path))

    def order(path):
        stamp, number = name(path).groups()
        return stamp, int(number or 0)

    return sorted(filter(name, glob.glob(f"{folder}/*")), key=order)


def rows_of(folder, table, key="i"):
    return [int(row[key]) for path in files_of(folder, table) for row in read_table(path)]


@case
def a_folder_has_a_file_per_table(folder):
    script = ADD + ' { emit("add", i = arg0); @sums[comm] = sum(arg0); @ = count(); printf("%d\\n", arg0); }'
    tracer = trace(script, "-f", "csv", "-o", f"{folder}/new/sub/")
    equal(os.listdir(f"{folder}/new/sub"), [], "files before the first row")
    n = call_target(200)
    wait_until(lambda: glob.glob(f"{folder}/new/sub/add_*.csv"), WAIT_S, "a file")
    made = time.monotonic()
    wait_until(lambda: rows_of(f"{folder}/new/sub", "add") == list(range(1, n + 1)), WAIT_S, "all rows while it runs")
    check(time.monotonic() - made < 1.5, "rows reach the file within a second")
    equal(tracer.stop(), 0, "exit status")
    names = sorted(re.sub(r"\d{8}_\d{6}", "TIME", name) for name in os.listdir(f"{folder}/new/sub"))
    equal(names, ["add_TIME.csv", "stdin_TIME.csv", "stdin_sums_TIME.csv", "stdin_text_TIME.csv"], "files")
    equal(rows_of(f"{folder}/new/sub", "stdin", "value"), [n], "@")
    equal(rows_of(f"{folder}/new/sub", "stdin_sums", "value"), [n * (n + 1) // 2], "@sums")
    equal(rows_of(f"{folder}/new/sub", "stdin_text", "text"), list(range(1, n + 1)), "printf")


@case
def rotation_and_gzip(folder):
    tracer = trace(ADD + ' { emit("add", i = arg0); }', "-f", "csv", "-o", folder, "--rotate", "4K", "--gzip")
    n = call_target(2000)
    equal(tracer.stop(), 0, "exit status")
    names = os.listdir(folder)
    check(len(names) > 10, f"many files: {names}")
    check(all(name.endswith(".csv.gz") for name in names), f"all compressed: {names}")
    for name in names:
        with gzip.open(f"{folder}/{name}") as file:
            check(len(file.read()) <= 4096, f"{name} is within its size")
    equal(rows_of(folder, "add"), list(range(1, n + 1)), "rows of all files, in order")


@case
def keep(folder):
    for name, age in (("add_20200101_000000.csv", 8), ("add_20200102_000000.csv.gz", 6), ("other_20200101_000000.csv", 8)):
        path = pathlib.Path(folder, name)
        path.write_text("timestamp,time_str,i\n1.000,[x],1\n" * 100, encoding="utf-8")
        os.utime(path, (time.time() - age * 86400,) * 2)
    tracer = trace(ADD + ' { emit("add", i = arg0); }', "-f", "csv", "-o", folder, "--keep", "7d", "--keep", "20K",
                   "--rotate", "4K")
    n = call_target(3000)
    equal(tracer.stop(), 0, "exit status")
    names = sorted(os.listdir(folder))
    check("other_20200101_000000.csv" in names, "files of other tables stay")
    check("add_20200101_000000.csv" not in names, "the old one has gone")
    mine = [name for name in names if name.startswith("add_")]
    check(sum(os.path.getsize(f"{folder}/{name}") for name in mine) <= 20 * 1024, f"within the limit: {mine}")
    rows = rows_of(folder, "add")
    equal(rows, list(range(n - len(rows) + 1, n + 1)), "the newest rows are there")
    check(len(rows) > 150, "not more was removed than needed")


@case
def kill_leaves_whole_rows(folder):
    options = ("-f", "csv", "-o", folder, "--rotate", "64K", "--gzip")
    tracer = trace(ADD + ' { emit("add", i = arg0); }', *options)
    caller = subprocess.Popen([SELFCOUNT, "--no-wait", "--add", "20000"], stdout=subprocess.DEVNULL,
                              stdin=subprocess.DEVNULL)
    wait_until(lambda: len(glob.glob(f"{folder}/add_*")) > 2, WAIT_S, "some files")
    tracer.stop(signal.SIGKILL)
    equal(caller.wait(WAIT_S), 0, "selfcount")
    with open(files_of(folder, "add")[-1], "rb+") as file:  # the kernel may have stopped within a row, at the end of the last file only
        whole = file.read().rfind(b"\n") + 1
        file.truncate(whole)
    if not whole:
        os.unlink(files_of(folder, "add")[-1])
    before = rows_of(folder, "add")
    equal(before, list(range(1, len(before) + 1)), "rows up to the kill")
    tracer = trace(ADD + ' { emit("add", i = arg0); }', *options)
    n = call_target(10)
    equal(tracer.stop(), 0, "exit status")
    check(not [name for name in os.listdir(folder) if not name.endswith(".csv.gz")], "what was left is compressed")
    equal(rows_of(folder, "add"), before + list(range(1, n + 1)), "nothing was lost or doubled by that")


@case
def two_processes_share_a_folder(folder):
    options = ("-f", "csv", "-o", folder, "--rotate", "2K", "--gzip")
    script = ADD + ' { emit("add", i = arg0); }'
    one, two = trace(script, *options), trace(script, *options)
    n = call_target(3000)
    equal((one.stop(), two.stop()), (0, 0), "exit statuses")
    equal([line for line in (one.err + two.err).split("\n") if "output" in line], [], "messages")
    equal(sorted(rows_of(folder, "add")), sorted(2 * list(range(1, n + 1))), "rows of both")


@case
def a_folder_that_cannot_be_written(folder):
    path = pathlib.Path(folder, "file")
    path.write_text("x", encoding="utf-8")
    for where, why in ((f"{path}/", "Not a directory"), (f"{path}/sub/", "Not a directory"),
                       ("/proc/jbtrace/", "No such file")):
        done = subprocess.run([JBTRACE, "-f", "csv", "-o", where, "-e", "BEGIN { print(1); }"], capture_output=True,
                              text=True, timeout=WAIT_S, check=False)
        equal(done.returncode, 1, f"exit status for {where}")
        check(f"cannot write into folder '{where}': {why}" in done.stderr, done.stderr)
        check("Attached" not in done.stderr, "told before anything is traced")


# --- several scripts in one place ---

TWINS = {"one": 'BEGIN { emit("tick", n = 1); } interval:ms:50 { @x = 1; @y["k"] = count(); exit(); }',
         "two": 'BEGIN { emit("tick", n = 2); } interval:ms:50 { @x = 2; @y["k"] = count(); exit(); }'}


def run_twins(folder, *options):
    for name, text in TWINS.items():
        (folder / f"{name}.jt").write_text(text, encoding="utf-8")
    done = subprocess.run([JBTRACE, "-q", *options, "-m", ",".join(f"{folder}/{name}.jt" for name in TWINS)],
                          capture_output=True, text=True, timeout=WAIT_S, check=True)
    return done.stdout


@case
def whose_record_in_json(folder):
    found = {}
    for record in json_lines(run_twins(folder, "-f", "json")):
        found.setdefault(record["script"], []).append((record["type"], record["data"]))
    equal(found, {name: [("event", {"n": n}), ("map", {"@x": n}), ("map", {"@y": {"k": 1}})]
                  for n, name in enumerate(TWINS, 1)}, "records by script")
    check('"script"' not in run('BEGIN { @x = 1; print(2); }', "-f", "json"), "one script alone says its name")


@case
def whose_row_in_csv(folder):
    found = {}
    for row in csv.reader(io.StringIO(run_twins(folder, "-f", "csv"), newline=""), strict=True):
        if row and row[0] == "timestamp":
            header = row
            equal(row[:4], ["timestamp", "time_str", "script", "table"], "first columns")
        elif row:
            cells = dict(zip(header, row))
            found[cells["script"], cells["table"]] = [cells[name] for name in header[4:]]
    want = {}
    for n, name in enumerate(TWINS, 1):
        want.update({(name, "tick"): [str(n)], (name, "@x"): [str(n)], (name, "@y"): ["k", "1"]})
    equal(found, want, "rows by script and table")


@case
def whose_line_in_text(folder):
    found, name = {}, None
    for line in run_twins(folder).split("\n"):
        heading = re.fullmatch(r"==> (\w+) <==", line)
        if heading:
            equal(heading.group(1) != name, True, "a heading says something new")
            name = heading.group(1)
        elif line.startswith("@"):
            found.setdefault(name, []).append(line)
    equal(found, {name: [f"@x: {n}", "@y[k]: 1"] for n, name in enumerate(TWINS, 1)}, "maps by heading")


@case
def whose_file_in_a_folder(folder):
    run_twins(folder, "-f", "csv", "-o", f"{folder}/out/")
    names = {re.sub(r"\d{8}_\d{6}", "TIME", name) for name in os.listdir(folder / "out")}
    equal(names, {f"{name}_{table}_TIME.csv" for name in TWINS for table in ("tick", "x", "y")}, "files")
    for n, name in enumerate(TWINS, 1):
        equal(rows_of(folder / "out", f"{name}_tick", "n"), [n], f"rows of {name}")


@case
def a_report_keeps_scripts_apart(folder):
    for form in ("json", "csv"):
        path = folder / f"all.{form}"
        path.write_text(run_twins(folder, "-f", form), encoding="utf-8")
        done = subprocess.run([JBTRACE, "report", "-f", "json", path], capture_output=True, text=True, timeout=WAIT_S, check=True)
        names = {table["name"] for table in json.loads(done.stdout)["tables"]}
        equal({f"{name}: tick" for name in TWINS} - names, set(), f"tables of {form}: {names}")
        equal({f"{name}: @x" for name in TWINS} - names, set(), f"tables of {form}: {names}")
        check("By script" not in done.stdout and '"ranking:script"' not in done.stdout, "a name as a key")


# --- a full disk ---


def need_namespace():
    if not os.environ.get(INSIDE):
        raise Skip(os.environ.get("JB_TEST_NO_NAMESPACE") or "no mount namespace of our own")


@contextlib.contextmanager
def small_disk():
    """64 KiB, half of it taken by a file `filler`."""
    need_namespace()
    with tempfile.TemporaryDirectory(prefix="jbtrace-test-") as place:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", place], capture_output=True, text=True,
                              check=False)
        if done.returncode:
            raise Skip(f"cannot mount a tmpfs: {done.stderr.strip()}")
        try:
            pathlib.Path(place, "filler").write_bytes(bytes(32768))
            yield place
        finally:
            subprocess.run(["umount", "-l", place], check=True)


def fill_and_make_room(tracer, place):
    """Calls until rows are dropped, room, calls until rows are written again. Returns all calls."""
    calls = call_target(2000)
    wait_until(lambda: "rows are being dropped" in tracer.err, WAIT_S, "rows are being dropped")
    check("no space left on " + place in tracer.err, tracer.err)
    calls += call_target(100)
    os.unlink(f"{place}/filler")

    def resumed():
        nonlocal calls
        calls += call_target(3)
        return "resumed" in tracer.err

    wait_until(resumed, WAIT_S, "rows are written again")
    calls += call_target(20)
    equal(tracer.stop(), 1, "exit status")
    equal(tracer.err.count("rows are being dropped"), 1, "told once")
    equal(tracer.err.count("resumed, "), 1, "told once")
    equal(tracer.err.count("Lost "), 0, "losses in the ring")
    return calls


def dropped_of(messages):
    resumed = int(re.search(r"output: resumed, (\d+) rows were dropped", messages).group(1))
    total = int(re.search(r"output: (\d+) rows were dropped: no space left on ", messages).group(1))
    equal(resumed, total, "dropped")
    return total


@case
def full_folder():
    with small_disk() as place:
        tracer = trace(ADD + ' { emit("add", i = arg0); @n = count(); } END { clear(@n); }', "-f", "csv", "-o", f"{place}/")
        calls = fill_and_make_room(tracer, place)
        rows = rows_of(place, "add")
        equal(len(rows) + dropped_of(tracer.err), calls, "rows and dropped rows")
        check(rows[:100] == list(range(1, 101)) and rows[-20:] == list(range(1, 21)), "the rows are the right ones")
        equal(len(glob.glob(f"{place}/add_*")), 1, "it went on in the same file")


@case
def full_file():
    for form in ("csv", "json", "text"):
        script = ADD + (' { printf("row %d of the call\\n", arg0); }' if form == "text" else ' { emit("add", i = arg0); }')
        options = ("-f", form, "-q") if form == "json" else ("-f", form)
        with small_disk() as place:
            tracer = trace(script, *options, "-o", f"{place}/out")
            calls = fill_and_make_room(tracer, f"{place}")
            text = pathlib.Path(place, "out").read_text(encoding="utf-8")
            if form == "csv":
                tables = csv_tables(text)
                equal(len(tables), 1, "headers")
                rows = [int(row["i"]) for row in tables[0][1]]
            elif form == "json":
                rows = [record["data"]["i"] for record in json_lines(text)]
            else:
                lines = text[:-2].split("\n")[:-1]  # two newlines stand at the end
                check(all(re.fullmatch(r"row \d+ of the call", line) for line in lines), "torn rows")
                rows = [int(line.split()[1]) for line in lines]
            equal(len(rows) + dropped_of(tracer.err), calls, f"rows and dropped rows as {form}")
            equal(rows[-20:], list(range(1, 21)), "the last rows")


@case
def folder_on_a_disk_that_is_read_only(place):
    need_namespace()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", place], capture_output=True, text=True,
                          check=False)
    if done.returncode:
        raise Skip(f"cannot mount a tmpfs: {done.stderr.strip()}")
    try:
        done = subprocess.run([JBTRACE, "-f", "json", "-o", place, "-e", "BEGIN { print(1); }"], capture_output=True,
                              text=True, timeout=WAIT_S, check=False)
    finally:
        subprocess.run(["umount", "-l", place], check=True)
    equal(done.returncode, 1, "exit status")
    equal(done.stderr, f"jbtrace: error: output: cannot write into folder '{place}': Read-only file system\n", "words")
    equal(done.stdout, "", "output")


# --- mounts that nobody else sees ---


def enter_namespace():
    """Once, for the whole program, so that mounts are seen by nobody else."""
    if os.environ.get(INSIDE):
        return
    done = subprocess.run(["unshare", "-m", "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        os.environ["JB_TEST_NO_NAMESPACE"] = f"no mount namespace of our own: {done.stderr.strip()}"
        return
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", "-m", sys.executable, *sys.argv])


if __name__ == "__main__":
    if not os.geteuid():
        enter_namespace()
    sys.exit(run_cases())
