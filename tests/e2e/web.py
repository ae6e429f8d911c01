#!/usr/bin/env python3
"""--listen over the wire: what /metrics, /health and /state.json say, held against what the traced programs counted; who may
ask; what strangers can send and hold up. Usage: web.py [NAME]. Last line: passed, failed, skipped."""
import base64
import gzip
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

import jbtest
from jbtest import Failed, case, check, equal, need, prog, run_cases, sanitized, start, status_of, wait_until

COUNT = 'uprobe:%s:target_add { @calls[comm] = count(); @sizes = hist(arg0); @last = arg0; }' % prog("selfcount")


class Reply:
    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)


def ask(port, path, method="GET", headers=None, body=None, host="127.0.0.1", tls=None, timeout=15):
    if tls:
        connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=tls)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        return Reply(connection.getresponse())
    finally:
        connection.close()


def raw(port, data, timeout=15):
    """Send bytes, read until the other side closes."""
    with socket.create_connection(("127.0.0.1", port), timeout) as sock:
        sock.sendall(data)
        parts = []
        while chunk := sock.recv(65536):
            parts.append(chunk)
        return b"".join(parts)


class Jbtrace(jbtest.Jbtrace):
    """jbtrace that serves: its first turn is done, so that /health is not that of the start."""

    def __init__(self, *argv, armed=True, **options):
        super().__init__(*argv, armed=armed, **options)
        if armed and "--listen" in argv and "--tls-cert" not in argv:
            host = "::1" if "[::1]:0" in argv else "127.0.0.1"
            wait_until(lambda: b"no script has started" not in ask(self.port, "/health", host=host).body, 10, "the first turn")


def counted(n, *script, options=()):
    """jbtrace --listen over a program that calls target_add(i, ...) n times; returned when the calls are done."""
    program = start([prog("selfcount"), "--add", n, "--linger"], subprocess.PIPE)
    check(program.out.wait_for(b"\n", time.monotonic() + 10), "selfcount did not start")
    tracer = Jbtrace("--listen", 0, "-p", program.pid, *options, "-e", *(script or [COUNT]))
    program.process.stdin.write(b"go\n")
    program.process.stdin.flush()
    check(program.out.wait_for(b"add ", time.monotonic() + 10), "selfcount did not count")
    return tracer, program


def metric(text, name, **labels):
    """The value of one series of an exposition."""
    want = ",".join(f'{key}="{value}"' for key, value in labels.items())
    match = re.search(rf"^{re.escape(name)}{re.escape('{' + want + '}') if want else ''} (\S+)$", text, re.M)
    return float(match.group(1)) if match else None


def map_of(state, name, script=0):
    return next(one for one in state["scripts"][script]["maps"] if one["name"] == name)


def resident_mib(pid):
    return int(status_of(pid, "VmRSS").split()[0]) / 1024


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


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
    tracer = Jbtrace("--listen", 0, "-e", 'config = { missing_probes = "warn" } uprobe:libc:pthread_spin_lock { } '
                     'interval:s:1 { }')
    reply = ask(tracer.port, "/health")
    equal((reply.status, reply.json["status"]), (503, "unhealthy"), "health")
    script = reply.json["scripts"][0]
    equal((script["state"], script["missing"]), ("running", 1), "the script's health")
    check("1 of 2 probes" in script["why"], f"why: {script['why']}")


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


# --- who may ask ---

def basic(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@case
def password(folder):
    secret = folder / "secret"
    secret.write_text("correct: horse ü\nsecond line\n")
    secret.chmod(0o600)
    tracer = Jbtrace("--listen", 0, "--listen-user", f"ann:{secret}", "-e", "interval:s:1 { }")
    port = tracer.port
    good = basic("ann", "correct: horse ü")
    for path in ("/", "/metrics", "/state.json", "/nothing"):
        reply = ask(port, path)
        equal(reply.status, 401, f"{path} without a password")
        check(reply.headers["www-authenticate"].startswith("Basic realm="), "no WWW-Authenticate")
    for wrong in (basic("ann", "correct: horse"), basic("bob", "correct: horse ü"), basic("ann", ""), basic("", ""),
                  {"Authorization": "Basic"}, {"Authorization": "Basic ===="}, {"Authorization": "Bearer x"},
                  {"Authorization": "Basic " + "A" * 5000}):
        equal(ask(port, "/metrics", headers=wrong).status, 401, f"with {wrong}")
    equal(ask(port, "/metrics", headers=good).status, 200, "with the right password")
    equal(ask(port, "/metrics", "POST", headers=good).status, 405, "POST with the right password")
    # A probe of liveness has no password; it hears one word.
    reply = wait_until(lambda: (lambda r: r if r.status == 200 else None)(ask(port, "/health")), 5, "a good health")
    equal(reply.json, {"status": "healthy"}, "/health without a password")
    check("scripts" in ask(port, "/health", headers=good).json, "/health with the password is short")
    argv = open(f"/proc/{tracer.pid}/cmdline", "rb").read()
    check(b"horse" not in argv, "the password is on the command line")


@case
def password_from_the_environment():
    tracer = Jbtrace("--listen", 0, "--listen-user", "ann", "-e", "interval:s:1 { }", env={"JBTRACE_LISTEN_PASSWORD": "pw"})
    equal(ask(tracer.port, "/metrics").status, 401, "without")
    equal(ask(tracer.port, "/metrics", headers=basic("ann", "pw")).status, 200, "with")


def refused(what, *options, env=None, wrapper=()):
    """These options end jbtrace before anything is attached, with this in its message."""
    tracer = Jbtrace(*options, "-e", "begin { } interval:s:1 { }", armed=False, env=env, wrapper=wrapper)
    code = tracer.wait()
    check(code == 1, f"exit code {code} with {options}")
    check(re.search(what, tracer.err), f"{options}: no {what!r} in:\n{tracer.err}")
    check("Attached" not in tracer.err, "attached before it was refused")


@case
def options_that_are_wrong(folder):
    (folder / "empty").write_text("")
    for value in ("x", "-1", "65536", "99999", "1.2.3.4:", "1.2.3.4:x", ":80", "[::1]", "[]:80"):
        refused(r"--listen wants \[ADDRESS:\]PORT", f"--listen={value}")
    refused("in brackets: ", "--listen", "::1:9310")
    refused("'300.1.1.1' is not an address", "--listen", "300.1.1.1:0")
    refused("'somewhere' is not an address", "--listen", "somewhere:0")
    refused("this machine has no address 203.0.113.7", "--listen", "203.0.113.7:0")
    refused("cannot read the password from", "--listen", 0, "--listen-user", "ann:/nonexistent")
    refused("is to be the password, but it is empty", "--listen", 0, "--listen-user", f"ann:{folder}/empty")
    refused("USER:PASSWORD-FILE", "--listen", 0, "--listen-user", ":x")
    refused("JBTRACE_LISTEN_PASSWORD", "--listen", 0, "--listen-user", "ann")
    refused("are given together", "--listen", 0, "--tls-cert", "x")
    refused("are for --listen", "--series", 5)
    refused("--series wants", "--listen", 0, "--series", 0)
    refused("--expire wants a time", "--listen", 0, "--expire", "x")


@case
def port_in_use():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        with open(f"/proc/{os.getpid()}/comm", encoding="utf-8") as file:
            name = file.read().strip()
        refused(rf"port {port} on 127\.0\.0\.1 is in use by {re.escape(name)} \(process {os.getpid()}\)", "--listen", port)


def make_certificate(folder, name):
    need("openssl")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@case
def tls(folder):
    make_certificate(folder, "a")
    make_certificate(folder, "b")
    tracer = Jbtrace("--listen", 0, "--tls-cert", folder / "a.pem", "--tls-key", folder / "a.key", "-e",
                     "interval:s:1 { @n = count(); }")
    port = tracer.port
    check(f"https://127.0.0.1:{port}/" in tracer.err, "the address told is not https")
    trusted = ssl.create_default_context(cafile=folder / "a.pem")
    wait_until(lambda: ask(port, "/health", tls=trusted).status == 200, 5, "a good health over TLS")
    for path in ("/metrics", "/state.json", "/"):
        equal(ask(port, path, tls=trusted).status, 200, f"{path} over TLS")
    other = ssl.create_default_context(cafile=folder / "b.pem")
    try:
        ask(port, "/health", tls=other)
        raise Failed("the certificate is not the one that was given")
    except ssl.SSLCertVerificationError:
        pass
    answer = raw(port, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    check(b"200 OK" not in answer, "it answers without TLS, too")
    raw(port, os.urandom(500))
    equal(ask(port, "/health", tls=trusted).status, 200, "after garbage")
    # The library does not free a certificate that it refuses.
    quiet = {"ASAN_OPTIONS": "detect_leaks=0"}
    refused("do not belong together", "--listen", 0, "--tls-cert", folder / "a.pem", "--tls-key", folder / "b.key", env=quiet)
    refused("cannot read the certificate '/nonexistent'", "--listen", 0, "--tls-cert", "/nonexistent", "--tls-key", folder / "b.key")
    refused("the certificate '.*a.key' is not in PEM form", "--listen", 0, "--tls-cert", folder / "a.key", "--tls-key", folder / "a.key")
    (folder / "torn.pem").write_text((folder / "a.pem").read_text()[:200])
    refused("do not belong together, or one of them is damaged", "--listen", 0, "--tls-cert", folder / "torn.pem", "--tls-key",
            folder / "a.key", env=quiet)


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
        return True
    except OSError:
        return False


@case
def addresses():
    tracer = Jbtrace("--listen", 0, "-e", "interval:s:1 { }")
    equal(ask(tracer.port, "/health").status, 200, "127.0.0.1")
    try:
        socket.create_connection(("127.0.0.2", tracer.port), 2).close()
        raise Failed("another address than 127.0.0.1 is served")
    except ConnectionRefusedError:
        pass
    if has_ipv6():
        six = Jbtrace("--listen", "[::1]:0", "-e", "interval:s:1 { }")
        check(f"http://[::1]:{six.port}/" in six.err, six.err)
        equal(ask(six.port, "/health", host="::1").status, 200, "[::1]")
        equal(ask(tracer.port, "/health", host="::1").status, 200, "::1, without an address given")
    everywhere = Jbtrace("--listen", "0.0.0.0:0", "-e", "interval:s:1 { }")
    equal(ask(everywhere.port, "/health", host="127.0.0.2").status, 200, "127.0.0.2 of 0.0.0.0")


# --- the thread ---

def loaded(pid):
    with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
        return "libmicrohttpd" in file.read()


@case
def library_only_when_it_is_needed():
    without = jbtest.Jbtrace("-e", "interval:s:1 { }")
    check(not loaded(without.pid), "libmicrohttpd is loaded without --listen")
    tracer = Jbtrace("--listen", 0, "-e", "interval:s:1 { }")
    check(loaded(tracer.pid), "libmicrohttpd is not seen in /proc/PID/maps")


@case
def library_missing():
    need("unshare", "mount", "ldconfig")
    listing = subprocess.run(["ldconfig", "-p"], check=True, capture_output=True, text=True).stdout
    path = re.search(r"libmicrohttpd\.so\.12 .*=> (\S+)", listing).group(1)
    refused("needs the library libmicrohttpd.so.12; install the package libmicrohttpd12", "--listen", 0,
            wrapper=("unshare", "-m", "sh", "-c", f'mount --bind /dev/null "$(readlink -f {path})"; exec "$@"', "sh"))


@case
def privileges_of_the_thread():
    tracer = Jbtrace("--listen", 0, "-e", "interval:s:1 { }")
    ask(tracer.port, "/health")
    tasks = {status_of(tracer.pid, "Name", task): task for task in os.listdir(f"/proc/{tracer.pid}/task")}
    task = tasks["jbtrace-http"]
    for word in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
        equal(int(status_of(tracer.pid, word, task), 16), 0, f"{word} of the HTTP thread")
    equal(status_of(tracer.pid, "NoNewPrivs", task), "1", "NoNewPrivs of the HTTP thread")
    check(int(status_of(tracer.pid, "SigBlk", task), 16) & (1 << (signal.SIGINT - 1)), "it takes signals")
    check(int(status_of(tracer.pid, "CapEff"), 16) != 0, "the run thread has lost its privileges, too")
    equal(tracer.stop(), 0, "exit code")


# --- strangers ---

@case
def garbage():
    tracer, _ = counted(9)
    port = tracer.port
    lines = [b"\0" * 1000, os.urandom(4096), b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\r\n\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
             b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
             b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
             b"GET /%00%ff%2e%2e HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
             b"GET /state.json?sort=1.1.1.d%00&find=%ff%fe HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
             b"HEAD /metrics HTTP/1.0\r\n\r\n", b"\x16\x03\x01" + os.urandom(200)]
    problems = []

    def send(data):
        try:
            raw(port, data, 20)
        except TimeoutError:
            problems.append(data[:60])
        except OSError:
            pass

    threads = [threading.Thread(target=send, args=(data,)) for data in lines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    equal(problems, [], "connections that were left open")
    equal(metric(ask(port, "/metrics").text, "jbtrace_calls_total", comm="selfcount"), 9, "calls after garbage")
    equal(tracer.stop(), 0, "exit code")


@case
def silence_is_cut():
    tracer, _ = counted(9)
    port, began = tracer.port, time.monotonic()
    silent = socket.create_connection(("127.0.0.1", port), 60)
    half = socket.create_connection(("127.0.0.1", port), 60)
    half.sendall(b"GET /metrics HTTP/1.1\r\nHost: local")
    dripping = socket.create_connection(("127.0.0.1", port), 60)
    dripping.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: ")

    def drip():
        try:
            while True:
                dripping.sendall(b"x")
                time.sleep(1)
        except OSError:
            pass

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    equal(silent.recv(1), b"", "a client that says nothing")
    check(8 <= time.monotonic() - began <= 16, f"cut after {time.monotonic() - began:.1f} s")
    while half.recv(4096):
        pass
    check(8 <= time.monotonic() - began <= 17, f"half a request: cut after {time.monotonic() - began:.1f} s")
    try:
        while dripping.recv(4096):
            pass
    except ConnectionError:
        pass
    check(25 <= time.monotonic() - began <= 36, f"a byte each second: cut after {time.monotonic() - began:.1f} s")
    thread.join(5)
    equal(ask(port, "/health").status, 200, "health afterwards")


@case
def two_hundred_silent_clients():
    tracer, _ = counted(9)
    port = tracer.port
    ask(port, "/metrics")
    before, files = resident_mib(tracer.pid), open_files(tracer.pid)
    clients = [socket.create_connection(("127.0.0.1", port), 30) for _ in range(200)]
    for i, client in enumerate(clients):
        if i % 2:
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Pad: " + b"p" * 8000)
    began = time.monotonic()
    equal(metric(ask(port, "/metrics", timeout=30).text, "jbtrace_calls_total", comm="selfcount"), 9, "calls meanwhile")
    took = time.monotonic() - began
    check(took < 10, f"a scrape among 200 silent clients took {took:.1f} s")
    check(open_files(tracer.pid) <= files + 64, f"{open_files(tracer.pid)} files are open, {files} before")
    check(sanitized() or resident_mib(tracer.pid) < before + 8, f"{resident_mib(tracer.pid):.1f} MiB, {before:.1f} before")
    equal(len(os.listdir(f"/proc/{tracer.pid}/task")), 2, "threads")
    for client in clients:
        client.close()
    wait_until(lambda: open_files(tracer.pid) <= files + 1, 15, "the end of their connections")


def slow_reader(port, path, times=1):
    """A client that asks, so many times at once, and reads nothing."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(30)
    sock.connect(("127.0.0.1", port))
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() * times)
    return sock


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
def slow_readers_of_a_big_answer():
    tracer = Jbtrace("--listen", 0, "--series", 50000, "-e", "config = { max_map_keys = 50000 } "
                     f"uprobe:{prog('manykeys')}:key_hit {{ @n[arg0] = count(); }}")
    subprocess.run([prog("manykeys"), "40000", "1"], check=True, stdout=subprocess.DEVNULL)
    port = tracer.port
    whole = ask(port, "/metrics", timeout=30)
    equal(len(re.findall(r"^jbtrace_n_total\{", whole.text, re.M)), 40000, "series")
    before = resident_mib(tracer.pid)
    readers = []
    for _ in range(4):
        readers.append(slow_reader(port, "/metrics"))
        check(readers[-1].recv(20).startswith(b"HTTP/1.1 200"), "no answer")
    fifth = ask(port, "/metrics")
    equal((fifth.status, fifth.headers.get("retry-after")), (503, "1"), "a fifth scrape while four are sent")
    equal(ask(port, "/health").status, 200, "health meanwhile")
    grown, size = resident_mib(tracer.pid) - before, len(whole.body) / (1 << 20)
    check(sanitized() or grown < 5 * size + 24, f"{grown:.1f} MiB more with four answers of {size:.1f} MiB")

    def again():
        return ask(port, "/metrics", timeout=30).status == 200

    # Those that do not read give way to those who ask.
    began = time.monotonic()
    wait_until(again, 15, "a scrape after slow readers")
    check(time.monotonic() - began < 8, f"slow readers held others up for {time.monotonic() - began:.1f} s")
    for reader in readers:
        reader.close()
    for _ in range(30):
        equal(ask(port, "/metrics", headers={"Accept-Encoding": "gzip"}, timeout=30).status, 200, "scrapes afterwards")
    check(sanitized() or resident_mib(tracer.pid) < before + 3 * size + 16, f"{resident_mib(tracer.pid):.1f} MiB afterwards, {before:.1f} before")


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
