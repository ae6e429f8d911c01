#!/usr/bin/env python3
"""--listen and those who ask: who may, what strangers can send and hold up, and what that costs. Usage: web_access.py [NAME].
Last line: passed, failed, skipped."""
import base64
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
from jbtest import Failed, case, check, equal, need, prog, run_cases, sanitized, status_of, wait_until
from web_client import Jbtrace, ask, counted, metric, raw, slow_reader


def resident_mib(pid):
    return int(status_of(pid, "VmRSS").split()[0]) / 1024


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


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
    refused("--series is for --listen", "--series", 5)
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


if __name__ == "__main__":
    sys.exit(run_cases())
