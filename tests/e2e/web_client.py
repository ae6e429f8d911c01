"""What the tests of --listen share: asking, and looking at what was answered."""
import http.client
import json
import re
import socket
import subprocess
import time

import jbtest
from jbtest import check, prog, start, wait_until

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


# --- strangers ---


def slow_reader(port, path, times=1):
    """A client that asks, so many times at once, and reads nothing."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(30)
    sock.connect(("127.0.0.1", port))
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() * times)
    return sock
