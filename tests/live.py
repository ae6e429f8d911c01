#!/usr/bin/env python3
"""Runs tests/live/*.test: scripts on the real kernel, as root. Usage: live.py [NAME].

A test is a block of lines "WORD text"; a line that begins with "|" continues the one before. Words:

    NAME            begins a test
    PROG            script text, run as `jbtrace ARGS -e PROG PARAMS`
    ARGS, PARAMS    options before, parameters after it
    RUN             a whole command line instead; {jbtrace} is the program
    STDIN           what it reads, with \\n, \\0 and \\xHH
    ENV             NAME=VALUE for it
    BEFORE          a command started first; it waits for a line on stdin; its lines "name number" are {before:name}
    AFTER           a command run once the probes are armed; {go}: give BEFORE its line and wait for its end;
                    when all of these are done, the signal is sent
    SIGNAL          instead of INT
    ENDS            send none: it must end by itself
    EXPECT          a whole line of stdout
    EXPECT_REGEX    found somewhere in stdout (^ and $ are line ends)
    EXPECT_NONE     found nowhere in stdout
    EXPECT_ALL      all of stdout, byte for byte (a newline is added after each line)
    EXPECT_ERR      found somewhere in stderr
    EXPECT_RANGE    LOW HIGH REGEX: the number in its first group is between them; LOW and HIGH may be A*B,
                    {slow} is how many times slower than a usual one this machine may be
    EXPECT_SUM      TOTAL TIMES REGEX: the numbers in its first group, over all matches, add up to TOTAL exactly; there
                    are at least TIMES matches ({few:N} on slow machines)
    EXPECT_CODE     exit status, default 0; !0: any but 0
    REQUIRES        a command or a file; without it the test is skipped. With arguments: the command must succeed
    NEEDS           a kernel feature by its name in `jbtrace --info`, or after "no " one that must not be there; else the
                    test is skipped
    TIMEOUT         seconds, default 10

Everywhere: {pid} of BEFORE, {tracer} that of jbtrace (in AFTER), {few:N} is N, or fewer where JB_TIME_FACTOR says that the
machine is slow, {bin:NAME} a program of tests/progs, {tmp} an own folder. Without sleeps: the word that
jbtrace writes when armed (__BPFTRACE_NOTIFY_PROBES_ATTACHED) is waited for. After the whole suite no BPF
program may be left that was not there before. Last line: passed, failed, skipped.

JB_TIME_FACTOR multiplies every TIMEOUT, for slow machines. JB_TEST_LOG is a file that gets a line before each test
("start WHERE NAME") and one after it ("passed", "failed", "skipped"), for who watches the machine from outside.
"""
import ctypes
import functools
import json
import math
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / os.environ.get("JB_BUILD", "build")
TIME_FACTOR = float(os.environ.get("JB_TIME_FACTOR", "1"))
ARMED = "__BPFTRACE_NOTIFY_PROBES_ATTACHED"
WORDS = set("NAME PROG ARGS PARAMS RUN STDIN ENV BEFORE AFTER SIGNAL ENDS EXPECT EXPECT_REGEX EXPECT_NONE "
            "EXPECT_ALL EXPECT_ERR EXPECT_RANGE EXPECT_SUM EXPECT_CODE REQUIRES NEEDS TIMEOUT".split())


def few(times):
    """How often something must happen that a slow machine does less often. Once is never enough where twice was wanted."""
    return times if times < 3 else max(2, math.ceil(times / TIME_FACTOR))


class Failure(Exception):
    """Why a test failed, in words."""


class Test:
    """One block of a .test file: word -> list of texts."""

    def __init__(self, path, line):
        self.where = f"{path.name}:{line}"
        self.words = {}

    def all(self, word):
        return self.words.get(word, [])

    def one(self, word, default=None):
        found = self.all(word)
        return found[-1] if found else default

    @property
    def name(self):
        return self.one("NAME")


def parse(path):
    tests, last = [], None
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if line.startswith("|"):
            last[-1] = (last[-1] + "\n" if last[-1] is not None else "") + line[1:]
            continue
        if not line.strip() or line.startswith("#"):
            continue
        word, _, text = line.partition(" ")
        if word not in WORDS or (word != "NAME" and not tests):
            raise SystemExit(f"{path}:{number}: unknown word {word}")
        if word == "NAME":
            tests.append(Test(path, number))
        last = tests[-1].words.setdefault(word, [])
        last.append(text if text else None if word in ("EXPECT_ALL", "PROG") else "")
    return tests


def bpf_programs():
    """id -> name of every BPF program in the kernel."""
    libc = ctypes.CDLL(None, use_errno=True)
    attr, info = (ctypes.c_uint32 * 32)(), (ctypes.c_char * 256)()
    found, last = {}, 0
    while True:
        ctypes.memset(attr, 0, 128)
        attr[0] = last
        if libc.syscall(321, 11, attr, 128) != 0:  # BPF_PROG_GET_NEXT_ID
            return found
        last = attr[1]
        ctypes.memset(attr, 0, 128)
        attr[0] = last
        fd = libc.syscall(321, 13, attr, 128)  # BPF_PROG_GET_FD_BY_ID
        if fd < 0:
            continue
        ctypes.memset(attr, 0, 128)
        attr[0], attr[1] = fd, 256
        ctypes.cast(attr, ctypes.POINTER(ctypes.c_uint64))[1] = ctypes.addressof(info)
        if libc.syscall(321, 15, attr, 128) == 0:  # BPF_OBJ_GET_INFO_BY_FD: the name is at byte 64
            found[last] = info.raw[64:80].split(b"\0")[0].decode(errors="replace")
        os.close(fd)


class Output(threading.Thread):
    """Collects what a pipe delivers, and tells when the armed word came by."""

    def __init__(self, pipe):
        super().__init__(daemon=True)
        self.pipe, self.data = pipe, b""
        self.changed = threading.Condition()
        self.closed = False
        self.start()

    def run(self):
        while chunk := os.read(self.pipe.fileno(), 65536):
            with self.changed:
                self.data += chunk
                self.changed.notify_all()
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    def wait_for(self, what, deadline):
        with self.changed:
            self.changed.wait_for(lambda: what in self.data or self.closed, max(0, deadline - time.monotonic()))
            return what in self.data

    def text(self):
        return self.data.decode("utf-8", "replace")


class Child:
    """A process in a session of its own, ended by its own id."""

    def __init__(self, argv, stdin=subprocess.PIPE, env=None):
        self.process = subprocess.Popen(argv, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        start_new_session=True, cwd=ROOT, env=env)
        self.out, self.err = Output(self.process.stdout), Output(self.process.stderr)

    @property
    def pid(self):
        return self.process.pid

    def wait(self, deadline):
        try:
            code = self.process.wait(max(0.01, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return None
        self.out.join(1)
        self.err.join(1)
        return code

    def end(self):
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.out.join(1)
        self.err.join(1)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe:
                try:
                    pipe.close()
                except OSError:
                    pass


class Runner:
    """One test being run."""

    def __init__(self, test, tmp):
        self.test, self.tmp = test, tmp
        self.before = self.main = None
        self.deadline = time.monotonic() + float(test.one("TIMEOUT", "10")) * TIME_FACTOR

    def fill(self, text):
        def value(match):
            word = match.group(1)
            if word == "pid":
                return str(self.before.pid)
            if word.startswith("bin:"):
                return str(BUILD / "tests/progs" / word[4:])
            if word.startswith("before:"):
                return self.before_number(word[7:])
            if word == "slow":
                return str(TIME_FACTOR)
            if word == "tracer":
                return str(self.main.process.pid)
            if word.startswith("few:"):
                return str(few(int(word[4:])))
            return {"tmp": self.tmp, "jbtrace": str(BUILD / "jbtrace"), "root": str(ROOT)}[word]

        return re.sub(r"\{(pid|tracer|tmp|jbtrace|root|slow|few:\d+|bin:\w+|before:\w+)\}", value, text)

    def before_number(self, name):
        match = re.search(rf"^{name} (-?\d+)$", self.before.out.text(), re.M)
        if not match:
            raise Failure(f"BEFORE did not print {name}:\n{self.before.out.text()}")
        return match.group(1)

    def command(self):
        run = self.test.one("RUN")
        if run is not None:
            return shlex.split(self.fill(run))
        return [str(BUILD / "jbtrace"), *shlex.split(self.fill(self.test.one("ARGS", ""))), "-e",
                self.fill(self.test.one("PROG")), *shlex.split(self.fill(self.test.one("PARAMS", "")))]

    def start_before(self):
        command = self.test.one("BEFORE")
        if not command:
            return
        self.before = Child(shlex.split(self.fill(command)))
        if not self.before.out.wait_for(b"\n", self.deadline):
            raise Failure(f"BEFORE printed nothing: {self.before.err.text()}")

    def start_main(self):
        env = {**os.environ, ARMED: "1"}
        env.update(pair.split("=", 1) for pair in self.test.all("ENV"))
        text = self.test.one("STDIN")
        self.main = Child(self.command(), subprocess.PIPE if text is not None else subprocess.DEVNULL, env)
        if text is not None:
            with self.main.process.stdin as stdin:
                stdin.write(text.encode().decode("unicode_escape").encode("latin-1"))
            self.main.process.stdin = None

    def after(self):
        for command in self.test.all("AFTER"):
            if command == "{go}":
                self.before.process.stdin.write(b"go\n")
                self.before.process.stdin.flush()
                if self.before.wait(self.deadline) is None:
                    raise Failure("BEFORE did not end")
            else:
                subprocess.run(shlex.split(self.fill(command)), check=False, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT,
                               timeout=max(0.1, self.deadline - time.monotonic()))

    def drive(self):
        if self.test.all("AFTER"):
            if not self.main.out.wait_for(ARMED.encode(), self.deadline):
                raise Failure("was never armed")
            self.after()
            if "ENDS" not in self.test.words and self.main.process.poll() is None:
                self.main.process.send_signal(getattr(signal, "SIG" + self.test.one("SIGNAL", "INT")))
        code = self.main.wait(self.deadline)
        if code is None:
            raise Failure("did not end in time")
        return code

    def judge(self, code):
        want = self.test.one("EXPECT_CODE", "0")
        if (code == 0) if want == "!0" else (code != int(want)):
            raise Failure(f"exit status {code}, not {want}")
        out = self.main.out.text().replace(ARMED + "\n", "", 1)
        lines = out.split("\n")
        for line in map(self.fill, self.test.all("EXPECT")):
            if line not in lines:
                raise Failure(f"no line: {line}")
        for regex in map(self.fill, self.test.all("EXPECT_REGEX")):
            if not re.search(regex, out, re.M):
                raise Failure(f"stdout does not match: {regex}")
        for regex in map(self.fill, self.test.all("EXPECT_NONE")):
            if re.search(regex, out, re.M):
                raise Failure(f"stdout matches: {regex}")
        for regex in map(self.fill, self.test.all("EXPECT_ERR")):
            if not re.search(regex, self.main.err.text(), re.M):
                raise Failure(f"stderr does not match: {regex}")
        for text in self.test.all("EXPECT_ALL"):
            if out != self.fill(text or "") + "\n":
                raise Failure(f"stdout is not:\n{self.fill(text or '')}")
        for text in map(self.fill, self.test.all("EXPECT_RANGE")):
            self.judge_range(text, out)
        for text in map(self.fill, self.test.all("EXPECT_SUM")):
            self.judge_sum(text, out)

    @staticmethod
    def judge_range(text, out):
        low, high, regex = text.split(" ", 2)
        match = re.search(regex, out, re.M)
        if not match:
            raise Failure(f"stdout does not match: {regex}")
        bounds = [math.prod(float(factor) for factor in bound.split("*")) for bound in (low, high)]
        if not bounds[0] <= float(match.group(1)) <= bounds[1]:
            raise Failure(f"{match.group(1)} is not between {bounds[0]:.0f} and {bounds[1]:.0f}: {regex}")

    @staticmethod
    def judge_sum(text, out):
        total, times, regex = text.split(" ", 2)
        numbers = [int(number) for number in re.findall(regex, out, re.M)]
        if len(numbers) < few(int(times)):
            raise Failure(f"only {len(numbers)} matches of: {regex}")
        if sum(numbers) != int(total):
            raise Failure(f"{len(numbers)} numbers add up to {sum(numbers)}, not {total}: {regex}")

    def run(self):
        try:
            self.start_before()
            self.start_main()
            self.judge(self.drive())
        except subprocess.TimeoutExpired as error:
            raise Failure("AFTER did not end in time") from error
        finally:
            for child in (self.main, self.before):
                if child:
                    child.end()

    def story(self):
        """What a person wants to see when it failed."""
        if not self.main:
            return ""
        parts = ["command: " + shlex.join(self.main.process.args)]
        for name, output in (("stdout", self.main.out), ("stderr", self.main.err)):
            text = output.text()
            if text:
                parts.append(f"{name}:\n" + "\n".join("    " + line for line in text.split("\n")[-30:]))
        return "\n".join(parts)


def has(need):
    words = shlex.split(re.sub(r"\{bin:(\w+)\}", lambda match: str(BUILD / "tests/progs" / match.group(1)), need))
    if len(words) > 1:
        return subprocess.run(words, check=False, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0
    return os.path.exists(need) if need.startswith("/") else shutil.which(need)


@functools.cache
def features():
    """Kernel feature -> is it there?, as jbtrace finds it."""
    said = subprocess.run([str(BUILD / "jbtrace"), "--info", "json"], check=True, stdin=subprocess.DEVNULL,
                          capture_output=True).stdout
    return json.loads(said)["features"]


def is_as_needed(test, need):
    feature = need.removeprefix("no ")
    if feature not in features():
        raise SystemExit(f"{test.where}: jbtrace --info has no feature '{feature}', only {', '.join(features())}")
    return features()[feature] != need.startswith("no ")


def missing(test):
    """What the test wants and this machine has not, in words."""
    need = next((need for need in test.all("REQUIRES") if not has(need)), None)
    if need:
        return f"needs {need}"
    need = next((need for need in test.all("NEEDS") if not is_as_needed(test, need)), None)
    return f"needs a kernel with {need}" if need else None


def run_one(test):
    """True: passed, False: failed, None: skipped."""
    why = missing(test)
    if why:
        print(f"skip: {test.where} {test.name}: {why}")
        return None
    with tempfile.TemporaryDirectory(prefix="jbtrace-live-") as tmp:
        runner = Runner(test, tmp)
        try:
            runner.run()
            return True
        except Failure as failure:
            print(f"FAIL: {test.where} {test.name}: {failure}\n{runner.story()}")
            return False


def run_all(tests):
    """The results of run_one, in order; the log says where it is."""
    results = []
    with open(os.environ.get("JB_TEST_LOG") or os.devnull, "w", encoding="utf-8") as log:
        for test in tests:
            print(f"start {test.where} {test.name}", file=log, flush=True)
            results.append(run_one(test))
            print({True: "passed", False: "failed", None: "skipped"}[results[-1]], file=log, flush=True)
            sys.stdout.flush()
    return results


def left_behind(before):
    """Programs that are still loaded; the kernel frees them a little after their last user."""
    deadline = time.monotonic() + 10
    while True:
        left = {number: name for number, name in bpf_programs().items() if number not in before}
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.2)


def chosen(name):
    """The tests whose place or name contains `name`."""
    tests = [test for path in sorted((ROOT / "tests/live").glob("*.test")) for test in parse(path)]
    return [test for test in tests if name in f"{test.where} {test.name}"]


def main(argv):
    tests = chosen(argv[1] if len(argv) > 1 else "")
    why = "needs root" if os.geteuid() else None if (BUILD / "jbtrace").exists() else "jbtrace is not built"
    if why:
        print(f"skip: all live tests: {why}")
        print(f"0 passed, 0 failed, {len(tests)} skipped")
        return 0
    before = bpf_programs()
    results = run_all(tests)
    if tests:
        left = left_behind(before)
        if left:
            print(f"FAIL: left in the kernel: {left}")
        results.append(not left)
    failed = results.count(False)
    print(f"{results.count(True)} passed, {failed} failed, {results.count(None)} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
