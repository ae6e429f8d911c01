#!/usr/bin/env python3
"""--listen over the wire: what /metrics, /health and /state.json say, held against what the traced programs counted. Usage:
web.py [NAME]. Last line: passed, failed, skipped."""
import gzip
import http.client
import os
import re
import signal
import subprocess
import sys
import threading
import time

from jbtest import case, check, equal, prog, run_cases, start, wait_until
from web_client import Jbtrace, Reply, ask, counted, metric, raw, slow_reader


def map_of(state, name, script=0):
    return next(one for one in state["scripts"][script]["maps"] if one["name"] == name)


# --- what is served ---


@case
def counts_are_the_programs():
    tracer, _ = counted(1234)
    text = ask(tracer.port, "/metrics").text
    equal(metric(text, "jbtrace_calls_total", comm="selfcount"), 1234, "calls in /metrics")
    equal(metric(text, "jbtrace_sizes_count"), 1234, "values of the histogram in /metrics")
    state = ask(tracer.port, "/state.json").json
    equal(map_of(state, "@calls")["rows"], [["selfcount", 1234]], "rows of @calls in /state.json")
    hist = map_of(state, "@sizes")["rows"][0][0]["hist"]
    equal(sum(hist[2::3]), 1234, "values of the histogram in /state.json")
    equal(tracer.stop(), 0, "exit code")
    check("@calls[selfcount]: 1234" in tracer.out, f"END print differs: {tracer.out}")


@case
def openmetrics_on_request():
    tracer, _ = counted(5)
    plain = ask(tracer.port, "/metrics")
    equal(plain.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8", "content type")
    check("# EOF" not in plain.text, "plain text has an # EOF")
    prometheus = ("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
                  "text/plain;version=0.0.4;q=0.5,*/*;q=0.1")
    open_metrics = ask(tracer.port, "/metrics", headers={"Accept": prometheus})
    equal(open_metrics.headers["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8", "content type")
    check(open_metrics.text.endswith("# EOF\n"), "OpenMetrics does not end with # EOF")
    browser = ask(tracer.port, "/metrics", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    equal(browser.headers["content-type"], plain.headers["content-type"], "content type for a browser")


@case
def gzip_is_the_same_text():
    tracer, _ = counted(5)
    for path in ("/state.json?since=0", "/"):
        zipped = ask(tracer.port, path, headers={"Accept-Encoding": "deflate, gzip;q=0.5"})
        equal(zipped.headers.get("content-encoding"), "gzip", f"encoding of {path}")
        check(len(gzip.decompress(zipped.body)) > len(zipped.body), f"{path} did not become smaller")
    plain = ask(tracer.port, "/", headers={"Accept-Encoding": "gzip;q=0"})
    check("content-encoding" not in plain.headers and "</html>" in plain.text, "gzip although it was refused")


@case
def head_has_headers_only():
    tracer, _ = counted(5)
    for path in ("/", "/health", "/state.json"):
        got = ask(tracer.port, path, "GET")
        head = ask(tracer.port, path, "HEAD")
        equal((head.status, head.body), (200, b""), f"HEAD {path}")
        equal(head.headers["content-type"], got.headers["content-type"], f"content type of HEAD {path}")
        check(int(head.headers["content-length"]) > 0, f"HEAD {path} tells no length")


@case
def one_connection_many_requests():
    tracer, _ = counted(7)
    connection = http.client.HTTPConnection("127.0.0.1", tracer.port, timeout=10)
    for path in ("/metrics", "/health", "/state.json", "/nothing", "/metrics"):
        connection.request("GET", path)
        reply = Reply(connection.getresponse())
        equal(reply.status, 404 if path == "/nothing" else 200, f"status of {path}")
        check(connection.sock is not None, f"the connection was closed after {path}")
    connection.close()


@case
def what_is_not_served():
    tracer, _ = counted(5)
    port = tracer.port
    equal(ask(port, "/metrics/").status, 404, "status of /metrics/")
    equal(ask(port, "/../etc/passwd").status, 404, "status of a path upwards")
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"):
        reply = ask(port, "/metrics", method, body=b"x" if method == "POST" else None)
        equal((reply.status, reply.headers.get("allow")), (405, "GET, HEAD"), method)
    equal(ask(port, "/metrics", body=b"x" * 10).status, 413, "status of a GET with content")
    check(raw(port, b"GET /" + b"a" * 40000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n").split(b" ")[1] in (b"414", b"431"),
          "a path of 40 kB was not refused")
    check(raw(port, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 40000 + b"\r\n\r\n").split(b" ")[1] in (b"413", b"431"),
          "a header of 40 kB was not refused")
    for query in ("since=x", "since=", "since=-1", "since=99999999999999999999", "sort=1.2", "sort=1.2.3.x", "sort=1.2.3.d.e",
                  "find=" + "a" * 64, "other=1", "&".join(["sort=1.0.0.d"] * 17)):
        equal(ask(port, "/state.json?" + query).status, 400, f"status of ?{query}")
    equal(ask(port, "/state.json?since=3&find=%22%3C&sort=1.0.0.d&sort=1.1.0.a").status, 200, "status of a good query")
    check(tracer.running(), "jbtrace ended")


@case
def headers_that_protect():
    tracer, _ = counted(5)
    first, second = ask(tracer.port, "/"), ask(tracer.port, "/")
    policy = first.headers["content-security-policy"]
    for part in ("default-src 'none'", "connect-src 'self'", "base-uri 'none'", "frame-ancestors 'none'"):
        check(part in policy, f"no {part} in {policy}")
    check("unsafe" not in policy and policy != second.headers["content-security-policy"], f"a policy that can be guessed: {policy}")
    check("http://" not in first.text.replace("http://www.w3.org/2000/svg", "") and "https://" not in first.text,
          "the page names another host")
    for path in ("/", "/metrics", "/health", "/state.json", "/nothing"):
        headers = ask(tracer.port, path).headers
        equal((headers["x-content-type-options"], headers["cache-control"]), ("nosniff", "no-store"), f"headers of {path}")
        check("access-control-allow-origin" not in headers, f"{path} is open to other sites")


@case
def names_of_other_sites_are_turned_away():
    tracer, _ = counted(5)
    port = tracer.port
    for host in ("localhost", f"localhost:{port}", "127.0.0.1", f"[::1]:{port}", "192.168.1.5:80"):
        equal(ask(port, "/health", headers={"Host": host}).status, 200, f"Host: {host}")
    for host in ("example.com", f"evil.example:{port}", "localhost.example", "127.0.0.1.example", "[::1", ""):
        equal(ask(port, "/health", headers={"Host": host}).status, 421, f"Host: {host}")
    open_to_all = Jbtrace("--listen", "127.0.0.1:0", "-e", "interval:s:1 { }")
    equal(ask(open_to_all.port, "/health", headers={"Host": "monitor.example"}).status, 200, "a name, with an address given")


@case
def strange_bytes_in_keys(folder):
    names = ['quote"s and \\ backslash', "two\nlines\tand a tab", "<img src=x onerror=alert(1)>", "\x7f\x01", "äöü 漢字",
             b"bad \xff\xfe utf-8 \xc3".decode("utf-8", "surrogateescape"), "/".join(["x" * 250] * 16)]
    tracer = Jbtrace("--listen", 0, "-e", "config = { max_strlen = 4096 } tracepoint:syscalls:sys_enter_openat "
                     f"/pid == {os.getpid()}/ {{ @names[str(args.filename)] = count(); }}")
    paths = [str(folder).encode() + b"/" + name.encode("utf-8", "surrogateescape") for name in names]
    for path in paths:
        for _ in range(3):
            try:
                os.open(path, os.O_RDONLY)
            except OSError:
                pass
    text = ask(tracer.port, "/metrics").body.decode("utf-8")
    series = re.findall(r'^jbtrace_names_total\{\w+="((?:[^"\\\n]|\\["\\n])*)"\} (\d+)$', text, re.M)
    equal(len([line for line in text.split("\n") if line.startswith("jbtrace_names_total")]), len(series), "well-formed series")
    values = {re.sub(r"\\(.)", lambda m: "\n" if m.group(1) == "n" else m.group(1), label): int(n) for label, n in series}
    rows = {row[0]: row[1] for row in map_of(ask(tracer.port, "/state.json").json, "@names")["rows"]}
    for path in paths:
        want = path.decode("utf-8", "backslashreplace")
        equal(values.get(want[:1024]), 3, f"metric of {want[:60]!r}")
        equal(rows.get(want[:1024]), 3, f"row of {want[:60]!r}")


@case
def rows_in_the_order_asked_for():
    tracer = Jbtrace("--listen", 0, "-e", "config = { max_map_keys = 10000 } "
                     f"uprobe:{prog('manykeys')}:key_hit {{ @n[arg0] = sum(arg0); }}")
    subprocess.run([prog("manykeys"), "5000", "2"], check=True, stdout=subprocess.DEVNULL)
    port = tracer.port
    script = ask(port, "/state.json").json["scripts"][0]["id"]

    def rows(query):
        return map_of(ask(port, "/state.json?" + query).json, "@n")

    whole = rows("")
    equal((whole["total"], whole["found"], len(whole["rows"])), (5000, 5000, 1000), "rows, without an order")
    equal(whole["rows"][0], [4999, 9998], "the biggest row")
    # A map that is slow to read is not read for each question: its last answer stands for a moment.
    wait_until(lambda: [row[0] for row in rows(f"sort={script}.0.0.a")["rows"]] == list(range(1000)), 5, "keys ascending")
    wait_until(lambda: [row[1] for row in rows(f"sort={script}.0.1.d")["rows"]] == [2 * n for n in range(4999, 3999, -1)], 5,
               "sums descending")
    wait_until(lambda: sorted(row[0] for row in rows("find=4242")["rows"]) == [2121, 4242], 5, "rows that have 4242 in a cell")


@case
def whole_intervals_of_a_map_that_is_cleared():
    program = prog("selfcount")
    tracer = Jbtrace("--listen", 0, "-e", f"uprobe:{program}:target_add {{ @n = count(); }} "
                     "interval:ms:200 { print(@n); clear(@n); }")
    children = [start([program, "--no-wait", "--add", 30000]) for _ in range(2)]
    seen = set()
    while any(child.process.poll() is None for child in children):
        one = map_of(ask(tracer.port, "/state.json").json, "@n")
        if one["age"] is not None:
            seen.add(one["rows"][0][0])
    text = ask(tracer.port, "/metrics").text
    total = wait_until(lambda: metric(ask(tracer.port, "/metrics").text, "jbtrace_n_total") == 60000, 10, f"60000 in {text}")
    check(total, "the metric is not the whole count")
    tracer.stop()
    printed = {int(n) for n in re.findall(r"^@n: (\d+)$", tracer.out, re.M)}
    check(len(seen) > 1 and seen <= printed, f"the page showed {sorted(seen)}, printed were {sorted(printed)}")


@case
def history_of_rates_and_buckets():
    program = prog("selfcount")
    tracer = Jbtrace("--listen", 0, "-e", f"uprobe:{program}:target_add {{ @n[comm] = count(); @h = hist(arg0); "
                     "@q = quantiles(arg0); }")
    port = tracer.port
    subprocess.run([program, "--no-wait", "--add", "100"], check=True, stdout=subprocess.DEVNULL)
    began = ask(port, "/state.json").json["tick"]
    wait_until(lambda: ask(port, "/state.json").json["tick"] > began, 10, "the next sample")
    state = ask(port, "/state.json").json
    subprocess.run([program, "--no-wait", "--add", "4000"], check=True, stdout=subprocess.DEVNULL)
    wait_until(lambda: ask(port, "/state.json").json["tick"] > state["tick"], 10, "one more sample")
    fresh = ask(port, f"/state.json?since={state['tick']}").json
    line = map_of(fresh, "@n")["history"]["lines"][0]
    equal((line["key"], line["from"]), (["selfcount"], state["tick"] + 1), "key and first sample after `since`")
    rate = line["values"][0][0]
    check(4000 / 6 <= rate <= 4000 / 4.5, f"{rate} calls a second, where 4000 came in 5 s")
    heat = map_of(fresh, "@h")["history"]["heat"]
    equal(sum(heat["samples"][0][2::3]), 4000, "values in the sample of the histogram")
    quantiles = map_of(fresh, "@q")
    names = [quantiles["columns"][i]["name"] for i in quantiles["history"]["columns"]]
    p50 = quantiles["history"]["lines"][0]["values"][names.index("p50")][0]
    check(1900 <= p50 <= 2100, f"the median of 0 .. 3999 is {p50}")


# --- health ---


@case
def health_of_a_good_run():
    tracer, _ = counted(5)
    reply = ask(tracer.port, "/health")
    health = reply.json
    equal((reply.status, health["status"], reply.headers["content-type"]), (200, "healthy", "application/json"), "health")
    script = health["scripts"][0]
    equal((script["name"], script["state"], script["probes"], script["missing"], script["lost"], script["why"]),
          ("stdin", "running", 1, 0, 0, None), "the script's health")
    check(health["uptime_seconds"] > 0, "no uptime")


@case
def health_with_a_probe_missing():
    library = re.search(r"(\S*/libc\.so\S*)", open("/proc/self/maps", encoding="ascii").read())[1]  # other processes may map another
    for function in ("pthread_spin_lock", "no_such_function"):  # the kernel refuses it; it is not there at all
        probe = f"uprobe:{library}:{function}"
        tracer = Jbtrace("--listen", 0, "-e", f'config = {{ missing_probes = "warn" }} {probe} {{ }} interval:s:1 {{ }}')
        reply = ask(tracer.port, "/health")
        equal((reply.status, reply.json["status"]), (503, "unhealthy"), f"health without {function}")
        script = reply.json["scripts"][0]
        equal((script["state"], script["missing"]), ("running", 1), "the script's health")
        check("1 of 2 probes" in script["why"], f"why: {script['why']}")
        attached = re.findall(r"^jbtrace_probe_attached{.*:(\w+)\"} ([01])$", ask(tracer.port, "/metrics").text, re.M)
        equal(sorted(attached), [("1", "1"), (function, "0")], "jbtrace_probe_attached")
        tracer.stop()


@case
def health_without_a_probe_that_may_be_missing():
    tracer = Jbtrace("--listen", 0, "-e", 'config = { missing_probes = "ignore" } uprobe:libc:no_such_function { } interval:s:1 { }')
    wait_until(lambda: ask(tracer.port, "/health").status == 200, 10, "health")


@case
def hits_of_probes():
    """What a predicate leaves out is a hit, too; other processes' calls are none."""
    tracer = Jbtrace("--listen", 0, "--comm", "selfcount", "-c", f"{prog('selfcount')} --no-wait --getppid 25 --linger", "-e",
                     "tracepoint:syscalls:sys_enter_getppid /pid == 0/ { @never = count(); } interval:s:1 { @ticks = count(); }")
    pattern = r'^jbtrace_probe_hits_total{.*sys_enter_getppid"} (\d+)$'
    wait_until(lambda: re.findall(pattern, ask(tracer.port, "/metrics").text, re.M) == ["25"], 10, "25 hits")


@case
def health_when_scripts_end_and_fail(folder):
    (folder / "short.jt").write_text("interval:s:1 { exit(); } begin { @x = 42; }")
    (folder / "long.jt").write_text("interval:s:1 { @ticks = count(); }")
    (folder / "bad.jt").write_text("begin { nothing(); }")
    (folder / "refused.jt").write_text("uprobe:libc:pthread_spin_lock { }")
    tracer = Jbtrace("--listen", 0, "-m", ",".join(str(folder / f"{name}.jt") for name in ("short", "long", "bad", "refused")))
    port = tracer.port

    def states():
        return {one["name"]: one["state"] for one in ask(port, "/health").json["scripts"]}

    wait_until(lambda: states().get("short") == "ended", 10, "the end of the first script")
    equal(states(), {"short": "ended", "long": "running", "bad": "failed", "refused": "failed"}, "states")
    equal(ask(port, "/health").status, 503, "status of /health")
    state = ask(port, "/state.json").json
    short = next(i for i, one in enumerate(state["scripts"]) if one["name"] == "short")
    equal(map_of(state, "@x", short)["rows"], [[42]], "the map of the script that has ended")
    equal(metric(ask(port, "/metrics").text, "jbtrace_script_up", script="bad"), 0, "jbtrace_script_up of the failed one")


@case
def health_when_the_loop_is_stuck():
    read_end, write_end = os.pipe()
    with open("/proc/sys/fs/pipe-max-size", encoding="ascii") as file:
        check(int(file.read()) > 0, "no pipes")
    tracer = Jbtrace("--listen", 0, "-o", f"/proc/{os.getpid()}/fd/{write_end}", "-e",
                     'interval:ms:1 { printf("%s\\n", "' + "x" * 50 + '"); }')
    port = tracer.port
    equal(ask(port, "/health").status, 200, "health at first")
    # The pipe fills in about 1.3 s; from then on the run thread hangs in write().
    reply = wait_until(lambda: (lambda r: r if r.status == 503 else None)(ask(port, "/health")), 20, "an unhealthy answer")
    check("event loop has not answered for" in reply.json["why"], reply.text)
    began = time.monotonic()
    scrape = ask(port, "/metrics")
    equal((scrape.status, scrape.text), (503, "the event loop does not answer\n"), "a scrape meanwhile")
    check(scrape.headers.get("retry-after"), "no Retry-After")
    check(4.5 <= time.monotonic() - began <= 7, f"the scrape was given up after {time.monotonic() - began:.1f} s")
    drained = threading.Event()

    def drain():
        while not drained.is_set() and os.read(read_end, 65536):
            pass

    thread = threading.Thread(target=drain, daemon=True)
    thread.start()
    wait_until(lambda: ask(port, "/health").status == 200, 10, "health when the pipe is read")
    equal(ask(port, "/metrics").status, 200, "a scrape when the pipe is read")
    tracer.stop()
    drained.set()
    os.close(write_end)
    thread.join(5)
    os.close(read_end)


# --- strangers ---


@case
def requests_in_a_row_at_the_end():
    """Whoever has sent many requests at once still has some to be answered when jbtrace ends."""
    for _ in range(5):
        tracer, program = counted(9)
        readers = [slow_reader(tracer.port, "/metrics", 200) for _ in range(12)]
        check(readers[0].recv(20).startswith(b"HTTP/1.1 200"), "no answer")
        equal(tracer.stop(signal.SIGTERM), 0, f"exit code; {tracer.err}")
        for reader in readers:
            reader.close()
        program.end()


@case
def scrapes_side_by_side():
    tracer, _ = counted(321)
    port, problems = tracer.port, []

    def scrape():
        for _ in range(40):
            reply = ask(port, "/metrics")
            if reply.status == 503:
                continue
            if metric(reply.text, "jbtrace_calls_total", comm="selfcount") != 321:
                problems.append(reply.text[:200])

    threads = [threading.Thread(target=scrape) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    equal(problems, [], "wrong answers")
    equal(tracer.stop(), 0, "exit code")


if __name__ == "__main__":
    sys.exit(run_cases())
