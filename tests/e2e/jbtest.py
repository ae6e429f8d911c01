"""What end-to-end tests in Python share: jbtrace as a child, waiting for conditions, counting cases.

A test file registers functions with @case and ends with `sys.exit(run_cases())`; NAME on its command line chooses those whose
name contains it. A case fails by an exception, most simply by check(); it is skipped by raising Skip. Cases are given a
folder of their own. Everything started through start() is ended with the case, by its own process id; a jbtrace that still
runs is asked to end, and must end well.
"""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from live import ARMED, BUILD, Child  # noqa: E402  pylint: disable=wrong-import-position

JBTRACE = BUILD / "jbtrace"


class Failed(Exception):
    """Why a case failed, in words."""


class Skip(Exception):
    """Why a case cannot be run here, in words."""


def check(condition, why):
    if not condition:
        raise Failed(why)


def short(value):
    text = repr(value)
    return text if len(text) < 400 else text[:400] + "..."


def equal(got, want, what):
    if got != want:
        raise Failed(f"{what}: {short(got)}, not {short(want)}")


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Skip(f"needs {program}")
    # In a changed root no mount namespace can be had.
    if "unshare" in programs and subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        raise Skip("no mount namespace can be had here")


def wait_until(condition, seconds=10, what="the condition"):
    """The first true value of condition(), which is asked again and again."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failed(f"{what} did not come about in {seconds} s")
        time.sleep(0.02)


_started = []


def start(argv, stdin=subprocess.DEVNULL, env=None):
    """A process in a session of its own; .out and .err collect what it writes."""
    child = Child([str(word) for word in argv], stdin, {**os.environ, **(env or {})})
    _started.append(child)
    return child


def prog(name):
    """A program of tests/progs."""
    return BUILD / "tests/progs" / name


class Jbtrace:
    """jbtrace with these arguments. `armed`: wait until its probes are attached."""

    def __init__(self, *argv, armed=True, env=None, wrapper=()):
        self.child = start([*wrapper, JBTRACE, *argv], env={ARMED: "1", **(env or {})})
        _tracers.append(self)
        if armed:
            self.wait_armed()

    @property
    def pid(self):
        return self.child.pid

    def wait_armed(self, seconds=10):
        check(self.child.out.wait_for(ARMED.encode(), time.monotonic() + seconds), f"was never armed\n{self.err}")

    @property
    def out(self):
        return self.child.out.text().replace(ARMED + "\n", "", 1)

    @property
    def raw(self):
        """The bytes."""
        return self.child.out.data.replace(ARMED.encode() + b"\n", b"", 1)

    @property
    def err(self):
        return self.child.err.text()

    @property
    def port(self):
        """The port of --listen, once it is told."""
        match = wait_until(lambda: re.search(r"^Listening on https?://.*:(\d+)/$", self.err, re.M)
                           or self.child.process.poll() is not None, 10, "'Listening on ...'")
        check(match is not True, f"ended before it listened\n{self.err}")
        return int(match.group(1))

    def running(self):
        return self.child.process.poll() is None

    def trouble(self):
        """What went wrong at its end, in words: a crash, or what a sanitizer found. None: nothing."""
        if self.running():
            self.child.process.send_signal(signal.SIGINT)
            if self.child.wait(time.monotonic() + 20) is None:
                return "jbtrace does not end"
        code = self.child.process.returncode
        if re.search("(Address|Leak|Thread)Sanitizer|runtime error:", self.err):
            return f"a sanitizer found something:\n{self.err[:6000]}"
        return f"jbtrace died of signal {-code}" if code in (-6, -7, -8, -11) else None

    def wait(self, seconds=10):
        """The exit code."""
        code = self.child.wait(time.monotonic() + seconds)
        check(code is not None, f"did not end in {seconds} s")
        return code

    def stop(self, number=signal.SIGINT, seconds=10):
        """Send a signal, wait; the exit code."""
        if self.running():
            self.child.process.send_signal(number)
        return self.wait(seconds)


def sanitized():
    """Is this a build whose sizes in memory say nothing?"""
    return b"libasan.so" in JBTRACE.read_bytes() or b"libtsan.so" in JBTRACE.read_bytes()


def status_of(pid, word, task=None):
    """A field of /proc/PID/status."""
    path = f"/proc/{pid}/task/{task}/status" if task else f"/proc/{pid}/status"
    with open(path, encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith(word + ":"):
                return line.split(":", 1)[1].strip()
    return None


# --- cases ---

_cases = []
_tracers = []


def case(function):
    """Register a test; it may take one argument, the path of an empty folder."""
    _cases.append(function)
    return function


def _end_all():
    """Why an end was not a good one, or None."""
    troubles = []
    while _tracers:
        troubles.append(_tracers.pop().trouble())
    while _started:
        _started.pop().end()
    return next(filter(None, troubles), None)


def _call(function, folder):
    try:
        if function.__code__.co_argcount:
            function(pathlib.Path(folder))
        else:
            function()
    except BaseException:
        _end_all()
        raise
    trouble = _end_all()
    check(not trouble, trouble)


def _run(function):
    """True: passed, False: failed, None: skipped."""
    name = function.__name__
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="jbtrace-e2e-") as folder:
        try:
            _call(function, folder)
        except Skip as why:
            print(f"skip: {name}: {why}", flush=True)
            return None
        except Failed as why:
            where = traceback.extract_tb(why.__traceback__)
            line = next((frame.lineno for frame in reversed(where) if frame.filename != __file__), 0)
            print(f"FAIL: {name} (line {line}): {why}", flush=True)
            return False
        except Exception:  # pylint: disable=broad-except  # the other cases are still to run
            print(f"FAIL: {name}\n{traceback.format_exc()}", flush=True)
            return False
    print(f"ok: {name} ({time.monotonic() - began:.1f} s)", flush=True)
    return True


def run_cases(argv=None, root=True):
    """Run them; the last line is what ./dev counts. The exit status. root: none of them works without."""
    words = sys.argv[1:] if argv is None else argv
    name = words[0] if words else ""
    stem = pathlib.Path(sys.argv[0]).stem
    cases = [function for function in _cases if name in f"{stem} {function.__name__}"]
    why = "needs root" if root and os.geteuid() else None if JBTRACE.exists() else "jbtrace is not built"
    if why and cases:
        print(f"skip: {stem}: {why}")
        print(f"0 passed, 0 failed, {len(cases)} skipped")
        return 0
    results = [_run(function) for function in cases]
    failed = results.count(False)
    print(f"{results.count(True)} passed, {failed} failed, {results.count(None)} skipped")
    return 1 if failed else 0
