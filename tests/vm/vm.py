#!/usr/bin/env python3
"""The second kernel for people and for the tests (see ./dev help). Usage:

    vm.py run [-t SECONDS] [--with PATH]... COMMAND
                        runs COMMAND by bash there, in the tree, as root; its output and exit status are this one's.
                        PATH: a file or folder of the build that is wanted besides jbtrace and the programs of the tests
    vm.py live [NAME]   runs tests/live.py there; last line: passed, failed, skipped. build/artifacts/second-kernel.log
                        tells meanwhile where it is
    vm.py generated [NAME]
                        the same with tests/generated.py

Exit status 125: there was no machine, or it ended before the command did; stderr has the reason.
"""
import argparse
import os
import pathlib
import re
import shlex
import signal
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import generated  # noqa: E402
import guest  # noqa: E402
import live  # noqa: E402
import root  # noqa: E402

LIVE_SECONDS = 1800
# Software emulation, and two of its processors for all.
TIME_FACTOR = 6


def show(lines):
    for line in lines:
        print(line, file=sys.stderr)


def run(argv):
    parser = argparse.ArgumentParser(prog="./dev vm", description="Runs a command on the second kernel, in the tree.")
    parser.add_argument("-t", "--timeout", type=int, default=300, metavar="SECONDS", help="how long it may take (300)")
    parser.add_argument("--with", dest="more", action="append", default=[], metavar="PATH",
                        help="a file or folder of the build to take along, besides jbtrace and tests/progs")
    parser.add_argument("command", nargs="+", help="for bash; several words are joined by spaces")
    options = parser.parse_args(argv)
    try:
        machine, status, trouble, warnings = guest.execute(" ".join(options.command), options.timeout,
                                                           sys.stdout.buffer, sys.stderr.buffer, options.more)
    except root.Missing as reason:
        print(f"vm: no second kernel: {reason}", file=sys.stderr)
        return 125
    if warnings:
        show(["vm: the kernel warned:", *("    " + line for line in warnings)])
    if trouble:
        show(["vm: " + trouble[0], *trouble[1:]])
        return 125
    if status in (124, 137):
        print(f"vm: status {status}: ended after {options.timeout} s, or by itself with that status", file=sys.stderr)
    return status


class Filter:
    """Passes what a suite says on to stdout, all but its last line, whose numbers are kept."""

    RESULT = re.compile(rb"(\d+) passed, (\d+) failed, (\d+) skipped\n")

    def __init__(self):
        self.rest, self.result = b"", None

    def write(self, chunk):
        *lines, self.rest = (self.rest + chunk).split(b"\n")
        for line in lines:
            match = self.RESULT.fullmatch(line + b"\n")
            if match:
                self.result = [int(number) for number in match.groups()]
            else:
                sys.stdout.buffer.write(line + b"\n")

    def flush(self):
        sys.stdout.buffer.flush()


# The suites: which tests they have for a name that is asked for.
SUITES = {"live": live.chosen, "generated": generated.is_meant}


def suite_command(suite, name):
    factor = float(os.environ.get("JB_TIME_FACTOR", "1")) * TIME_FACTOR
    return f"JB_BUILD={shlex.quote(guest.BUILD)} JB_TIME_FACTOR={factor} python3 tests/{suite}.py {shlex.quote(name)}"


def judge(machine, status, trouble, result):
    """Prints what went wrong with the machine itself; returns passed, failed, skipped."""
    log = machine.said["log"].decode(errors="replace").split("\n")
    at = next((line[6:] for line in reversed(log) if line.startswith("start ")), "its start")
    if status in (124, 137) and not result:
        trouble = trouble or [f"the suite did not end within {machine.seconds} s"]
    if trouble:
        print(f"FAIL: the second kernel, at {at}: {trouble[0]}")
        print("\n".join(trouble[1:]))
    if result:
        return [result[0], result[1] + bool(trouble), result[2]]
    if not trouble:
        print(f"FAIL: the suite ended without a result at {at}, status {status}")
    return [log.count("passed"), log.count("failed") + 1, log.count("skipped")]


def execute_suite(suite, argv):
    name = argv[0] if argv else ""
    if not SUITES[suite](name):
        return [0, 0, 0]
    seconds = int(os.environ.get("JB_VM_SECONDS", LIVE_SECONDS))
    out = Filter()
    artifacts = guest.TREE / guest.BUILD / "artifacts"
    artifacts.mkdir(exist_ok=True)
    try:
        machine, status, trouble, warnings = guest.execute(suite_command(suite, name), seconds, out, sys.stderr.buffer,
                                                           watch=artifacts / "second-kernel.log")
    except root.Missing as reason:
        if suite != "live":
            return [0, 0, 0]  # that suite has told it
        print(f"skip: all tests on a second kernel: {reason}")
        return [0, 0, 1]
    print(f"kernel: {machine.machine.release}")
    if warnings:
        print("\n".join(["note: the kernel warned:", *("    " + line for line in warnings)]))
    return judge(machine, status, trouble, out.result)


def run_suite(suite, argv):
    result = execute_suite(suite, argv)
    print("{} passed, {} failed, {} skipped".format(*result))
    return 1 if result[1] else 0


def main(argv):
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(143))
    if len(argv) < 2 or argv[1] not in ("run", *SUITES):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    try:
        return run(argv[2:]) if argv[1] == "run" else run_suite(argv[1], argv[2:])
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv))
