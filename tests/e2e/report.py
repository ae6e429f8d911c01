#!/usr/bin/env python3
"""End to end: `jbtrace report` on recordings with known answers. Usage: report.py [NAME].

Each case writes a recording with Python's csv and json modules and calculates what it adds up to by itself; the report
must say the same: sums exactly, quantiles as defined (even spread within a bucket), in JSON, text and HTML. What it makes of
other recordings is report_inputs.py's. Last line: passed, failed, skipped.
"""
import collections
import datetime
import html.parser
import json
import math
import random
import re
import statistics
import sys

from jbtest import case, check, run_cases
from recordings import (BIO, CALLS, SYSCALL, T0, bio_data, bio_rows, complaint, histogram, one, quantile, ranked,
                        report, run, same, syscall_rows, write_csv)

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


if __name__ == "__main__":
    sys.exit(run_cases())
