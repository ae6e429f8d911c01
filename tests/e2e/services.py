"""What the tests of services share: a service, and its manager, which is a datagram socket of this program; so it knows that a
service is ready or has reloaded."""
import os
import re
import signal
import socket
import subprocess
import time

from jbtest import JBTRACE, Failed, Jbtrace, equal, prog

SELFCOUNT = prog("selfcount")
COUNT = f"uprobe:{SELFCOUNT}:target_add"


class Manager:
    """The socket that NOTIFY_SOCKET names."""

    def __init__(self, folder):
        self.path = folder / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.settimeout(20)
        self.heard = []

    def hear(self):
        """The next message, as words."""
        text = self.socket.recv(4096).decode()
        self.heard.append((time.monotonic(), text))
        return dict(line.split("=", 1) for line in text.split("\n"))

    def wait_for(self, word):
        """Hear until one has the word; that one."""
        while True:
            message = self.hear()
            if word in message:
                return message


class Service:
    """jbtrace --config in the foreground, ready when this is made."""

    def __init__(self, folder, config, *argv, env=None, ready=True, wrapper=()):
        self.folder, self.config = folder, folder / "c.yaml"
        self.write(config)
        self.manager = Manager(folder)
        self.run = Jbtrace("--config", self.config, *argv, armed=False, wrapper=wrapper,
                           env={"NOTIFY_SOCKET": str(self.manager.path), **(env or {})})
        if ready:
            try:
                self.manager.wait_for("READY")
            except TimeoutError as why:
                raise Failed(f"it was never ready\n{self.run.err}") from why

    def write(self, config):
        self.config.write_text(config, encoding="utf-8")

    def script(self, name, text):
        (self.folder / name).write_text(text, encoding="utf-8")

    def reload(self):
        """SIGHUP; back when it is done."""
        os.kill(self.run.pid, signal.SIGHUP)
        self.manager.wait_for("RELOADING")
        self.manager.wait_for("READY")

    def stop(self, code=0):
        """SIGTERM; what was written to stdout."""
        equal(self.run.stop(signal.SIGTERM, 20), code, f"the exit code\n{self.run.err}")
        return self.run.out


def add(n):
    """Calls target_add n times; what the program counted."""
    done = subprocess.run([SELFCOUNT, "--no-wait", "--add", str(n)], capture_output=True, text=True, timeout=60,
                          check=True)
    return int(re.search(r"^add (\d+)$", done.stdout, re.M).group(1))


def total(text, name):
    """What a map printed, over all of its appearances."""
    return sum(int(n) for n in re.findall(rf"^@{name}: (\d+)$", text, re.M))


def ask(*argv):
    """Run jbtrace to its end: code, stdout, stderr."""
    done = subprocess.run([JBTRACE, *map(str, argv)], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr
