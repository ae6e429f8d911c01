#!/usr/bin/env python3
"""Random valid programs, which the compiler must take and the kernel's verifier must load: none is refused.

Usage: generated.py [NAME] [--programs N] [--seed S]. The programs follow from the seed, so a failure can be had again; a
script that is refused is cut down to the probe that is, which is shown. Last line: passed, failed, skipped."""
import argparse
import os
import pathlib
import random
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
JBTRACE = ROOT / os.environ.get("JB_BUILD", "build") / "jbtrace"
PROGRAMS, PER_SCRIPT, SEED = 500, 20, 20261121
SLOW = float(os.environ.get("JB_TIME_FACTOR", "1"))

# Attach points, with the numbers and texts that their bodies may use beyond those that all have.
# Names of what fired come last: they are keys and can be printed, but are no strings.
PLAIN, USER = ([], []), (["arg0", "arg1", "arg2 & 0xff"], ["str(arg0)"])
PROBES = {
    "interval:s:1": PLAIN,
    "interval:ms:500": PLAIN,
    "profile:hz:19": ([], []),
    "begin": PLAIN,
    "end": PLAIN,
    "tracepoint:sched:sched_switch": (["args.prev_pid", "args.next_prio", "args.prev_state"], ["args.next_comm", "args.prev_comm"]),
    "tracepoint:sched:sched_process_exec": (["args.pid", "args.old_pid"], ["str(args.filename)"]),
    "tracepoint:syscalls:sys_enter_openat": (["args.flags", "args.dfd", "args.mode"], ["str(args.filename)", "str(args.filename, 16)"]),
    "tracepoint:syscalls:sys_exit_read": (["args.ret"], []),
    "tracepoint:syscalls:sys_enter_*": ([], [], "probe"),
    "rawtracepoint:sched_switch": (["arg0", "args.prev.pid", "args.next.tgid", "args.preempt"], ["args.next.comm", "args.prev.comm"]),
    "rawtracepoint:sys_enter": (["arg1", "args.id"], []),
    "uprobe:libc:malloc": USER,
    "uprobe:libc:fopen": (["arg0", "arg1"], ["str(arg0)", "str(arg1, 8)"]),
    "uprobe:libc:mem*": (["arg2"], [], "func", "probe"),
    "uretprobe:libc:malloc": (["retval"], [], "func"),
    "span:libc:malloc": (["retval", "duration", "arg0"], [], "func"),
    "span:syscall:read": (["retval", "duration", "args.fd", "args.count"], []),
    "span:syscall:openat": (["retval", "duration"], ["str(args.filename)"]),
    "kprobe:vfs_read": (["arg0", "arg2", "args.count"], [], "func"),
    "kretprobe:vfs_read": (["retval"], [], "func"),
    "fentry:vfs_write": (["args.count"], [], "func"),
    "fexit:vfs_write": (["args.count", "retval"], [], "func"),
}
NUMBERS = ["pid", "tid", "uid", "gid", "cpu", "nsecs", "elapsed", "rand", "ncpus", "jiffies", "ppid", "cgroup", "numaid", "len(@keyed)",
           "strlen(comm)", "curtask.pid", "curtask.signal.nr_threads", "curtask.prio", "nsecs(monotonic)"]
TEXTS = ["comm", '"a"', '"a longer constant text"', "pcomm", "leader_comm"]


class Body:
    """Writes one probe's body. Variables have the type of their name: $i a number, $t a text."""

    def __init__(self, rng, extra):
        self.rng = rng
        self.numbers, self.texts, self.names = NUMBERS + extra[0], TEXTS + extra[1], extra[2:]
        self.variables, self.depth = [], 0

    def pick(self, *choices):
        return self.rng.choice(choices)

    def literal(self):
        return str(self.pick(1, 2, 3, 7, 10, 255, 1000, 65535, 4096, 100000, 2**31, 2**40, "0x7f", "1e3", "5ms", "-1"))

    def number(self, depth=3):
        rng = self.rng
        if depth == 0 or rng.random() < 0.25:
            kind = rng.random()
            if kind < 0.3:
                return self.literal()
            if kind < 0.5 and self.variables:
                return rng.choice(self.variables)
            return rng.choice(self.numbers)
        one = lambda: self.number(depth - 1)  # noqa: E731
        return self.pick(
            lambda: f"({one()} {self.pick('+', '-', '*', '&', '|', '^')} {one()})",
            lambda: f"({one()} {self.pick('/', '%')} {self.pick('3', '10', f'({one()} | 1)')})",
            lambda: f"({one()} {self.pick('<<', '>>')} {rng.randrange(20)})",
            lambda: f"({self.condition(depth - 1)} ? {one()} : {one()})",
            lambda: f"({self.pick('int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64')})({one()})",
            lambda: f"{self.pick('-', '~')}({one()})",
            lambda: f"@keyed[{one()}]",
            lambda: "@number",
            lambda: f"@pair[{self.text()}, {one()}]",
            lambda: f"strncmp({self.text()}, {self.text()}, {rng.randrange(1, 12)})",
            lambda: f"(int64)@sum_of[{self.text()}]",
            lambda: f"bswap((uint32)({one()}))",
        )()

    def condition(self, depth=2):
        rng = self.rng
        if depth == 0 or rng.random() < 0.4:
            return f"{self.number(1)} {self.pick('<', '<=', '>', '>=', '==', '!=')} {self.number(1)}"
        return self.pick(
            lambda: f"({self.condition(depth - 1)} {self.pick('&&', '||')} {self.condition(depth - 1)})",
            lambda: f"!({self.condition(depth - 1)})",
            lambda: f"{self.text()} {self.pick('==', '!=')} {self.text()}",
            lambda: f"strcontains({self.text()}, \"{self.pick('a', 'sh', 'lib')}\")",
            lambda: f"has_key(@keyed, {self.number(1)})",
        )()

    def text(self):
        return self.rng.choice(self.texts)

    def block(self):
        self.depth += 1
        known = len(self.variables)
        inner = " ".join(self.statement() for _ in range(self.rng.randrange(1, 4)))
        del self.variables[known:]
        self.depth -= 1
        return "{ " + inner + " }"

    def assign(self):
        name = f"$v{self.rng.randrange(4)}"
        text = f"{name} = (int64)({self.number()});"
        if name not in self.variables:
            self.variables.append(name)
        return text

    def loop(self):
        name = f"$i{self.depth}"
        self.variables.append(name)
        text = f"for ({name} : 0..{self.pick(3, 10, 50)}) {self.block()}"
        self.variables.remove(name)
        return text

    def counted_while(self):
        name = f"$w{self.depth}"
        return f"{name} = 0; while ({name} < {self.pick(3, 20)}) {{ {name}++; {self.pick('if (' + self.condition(1) + ') { break; }', '')} @number++; }}"

    def statement(self):
        rng = self.rng
        simple = [
            self.assign, self.assign,
            lambda: f"@keyed[{self.number(2)}] = {self.number()};",
            lambda: f"@pair[{self.text()}, {self.number(2)}] = {self.number(2)};",
            lambda: f"@number = {self.number()};",
            lambda: "@number++;",
            lambda: f"@keyed[{self.number(1)}] += {self.number(1)};",
            lambda: "@counted = count();",
            lambda: f"@counts[{self.text()}, {self.number(1)}] = count();",
            lambda: f"@sum_of[{self.text()}] = sum({self.number(2)});",
            lambda: f"@logs[{self.number(1)}] = hist({self.number(2)});",
            lambda: f"@steps = lhist({self.number(2)}, 0, 1000, 50);",
            lambda: f"@bounds[cpu] = bhist({self.number(2)}, 1, 10, 1000);",
            lambda: f"@tails[{self.text()}] = quantiles({self.number(2)});",
            lambda: f"@rows[{self.text()}, {self.number(1)}] = agg(n = count(), s = sum({self.number(1)}), m = max({self.number(1)}), "
                    f"a = avg({self.number(1)}), h = hist({self.number(1)}));",
            lambda: f"@least = min({self.number(2)});",
            lambda: f"@numbers_of[{self.number(1)}] = stats({self.number(2)});",
            lambda: f"@texts[{self.number(1)}] = {self.pick('comm', 'pcomm', 'leader_comm')};",
            lambda: f"@tuples[({self.number(1)}, {self.text()})] = count();",
            lambda: f'printf("%d %s %x %-8s|%5d\\n", {self.number(2)}, {self.text()}, {self.number(1)}, {self.text()}, {self.number(1)});',
            lambda: f'emit("row", a = (int64)({self.number(2)}), b = {self.text()});',
            lambda: f"print(({self.number(1)}, {self.text()}));",
            lambda: f"delete(@keyed, {self.number(1)});",
            lambda: f"@seen[tid, {self.number(1)}] = nsecs;",
        ]
        for name in self.names:
            simple.append(lambda name=name: f"@by_{name}[{name}, {self.number(1)}] = count(); printf(\"%s\\n\", {name});")
        nested = [
            lambda: f"if ({self.condition()}) {self.block()}",
            lambda: f"if ({self.condition()}) {self.block()} else {self.block()}",
            self.loop,
            self.counted_while,
        ]
        if self.depth < 2 and rng.random() < 0.25:
            return rng.choice(nested)()
        return rng.choice(simple)()


def probe(rng, points):
    point = rng.choice(points)
    body = Body(rng, PROBES[point])
    predicate = f" /{body.condition()}/" if rng.random() < 0.3 and point not in ("begin", "end") else ""
    return f"{point}{predicate} {{ {' '.join(body.statement() for _ in range(rng.randrange(1, 9)))} }}"


# What bodies read has to be stored somewhere.
COMMON = 'begin { @keyed[(int64)1] = (int64)1; @number = (int64)1; @pair["a", (int64)1] = (int64)1; @sum_of["a"] = sum((int64)1); }\n'


def refused(script, options=("-q",)):
    """What is said against it, or None."""
    try:
        result = subprocess.run([JBTRACE, *options, "--check", "-"], input=COMMON + script, text=True, capture_output=True, check=False,
                                timeout=60 * SLOW)
    except subprocess.TimeoutExpired:
        return "it takes more than a minute"
    return (result.stderr or f"status {result.returncode}") if result.returncode else None


def present():
    """The attach points that this machine has."""
    return [point for point in PROBES if not refused(f"{point} {{ }} interval:s:1 {{ }}")]


def is_meant(name):
    return name in "generated programs"


def main():
    options = argparse.ArgumentParser()
    options.add_argument("name", nargs="?", default="")
    options.add_argument("--programs", type=int, default=PROGRAMS)
    options.add_argument("--seed", type=int, default=SEED)
    given = options.parse_args()
    if not is_meant(given.name):
        print("0 passed, 0 failed, 0 skipped")
        return 0
    if os.geteuid():
        print("skip: generated programs: loading programs needs root")
        print("0 passed, 0 failed, 1 skipped")
        return 0
    points, failed = present(), 0
    left_out = sorted(set(PROBES) - set(points))
    if left_out:
        print(f"skip: attach points that this kernel has not: {', '.join(left_out)}")
    rng = random.Random(given.seed)
    for first in range(0, given.programs, PER_SCRIPT):
        probes = [probe(rng, points) for _ in range(min(PER_SCRIPT, given.programs - first))]
        if not refused("\n".join(probes)):
            continue
        bad = [(one, why) for one in probes if (why := refused(one))]
        failed += len(bad) or 1
        for one, why in bad:
            print(f"FAIL: {one}\n{why}")
        if not bad:
            print("FAIL: these together:\n" + "\n".join(probes) + "\n" + refused("\n".join(probes)))
    print(f"{given.programs - failed} passed, {failed} failed, {1 if left_out else 0} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
