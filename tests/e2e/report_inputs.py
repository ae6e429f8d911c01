#!/usr/bin/env python3
"""End to end: what `jbtrace report` takes. Usage: report_inputs.py [NAME].

Recordings of every shape that jbtrace and others write, those that are damaged, hostile or long, and options that make no
sense. Damaged recordings must give a message with the place, and the right numbers of what is left; long ones stay under a
memory limit. Last line: passed, failed, skipped.
"""
import collections
import csv
import datetime
import gzip
import io
import json
import os
import random
import re
import subprocess
import sys
import time

from jbtest import JBTRACE, ROOT, Skip, case, check, run_cases
from recordings import (BIO, MAX_RSS, SYSCALL, T0, bio_data, bio_rows, bucket, cell, complaint, histogram, one,
                        quantile, ranked, report, run, same, stamp, syscall_rows, write_csv)

# --- tests ---


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
    sys.exit(run_cases())
