#!/usr/bin/env python3
"""The second kernel for people and for the tests (see ./dev help). Usage:

    vm.py run [-t SECONDS] [--with PATH]... COMMAND
                        runs COMMAND by bash there, in the tree, as root; its output and exit status are this one's.
                        PATH: a file or folder of the build that is wanted besides jbtrace and the programs of the tests
    vm.py live [NAME]   runs tests/live.py there; last line: passed, failed, skipped

Exit status 125: there was no machine, or it ended before the command did; stderr has the reason.
"""
import argparse
import os
import pathlib
import signal
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
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


def main(argv):
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(143))
    modes = {"run": run}
    if len(argv) < 2 or argv[1] not in modes:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    try:
        return modes[argv[1]](argv[2:])
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv))
