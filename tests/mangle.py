#!/usr/bin/env python3
"""Feeds broken scripts to the compiler: every .jt under the given folders cut short and with bytes changed.

Usage: mangle.py JBTRACE FOLDER.... The changes follow from a fixed seed, so a failure can be had again. Only
crashes count: a signal, or a sanitizer's report. The script that did it is kept under /tmp and named.
"""
import pathlib
import random
import subprocess
import sys

PER_SCRIPT = 6


def mangled(text, rng):
    data = bytearray(text)
    kind = rng.randrange(3)
    if kind == 0 and data:
        return bytes(data[: rng.randrange(len(data))])
    for _ in range(1 + rng.randrange(4)):
        at = rng.randrange(len(data) + 1)
        if kind == 1:
            data[at:at] = bytes([rng.choice(b"\0\"'{}()[]@$/:;=\xff\n0")])
        elif at < len(data):
            data[at] = rng.randrange(256)
    return bytes(data)


def crashes(jbtrace, text):
    try:
        result = subprocess.run([jbtrace, "--dump", "plan", "-"], input=text, timeout=30, check=False,
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    except subprocess.TimeoutExpired:
        return "hangs"
    if result.returncode < 0 or result.returncode >= 128:
        return f"status {result.returncode}"
    for mark in (b"ERROR: AddressSanitizer", b"ERROR: LeakSanitizer", b"runtime error:"):
        if mark in result.stderr:
            return mark.decode()
    return None


def main(argv):
    rng = random.Random(3550)
    scripts = sorted(p for folder in argv[2:] for p in pathlib.Path(folder).rglob("*.jt"))
    bad = 0
    for script in scripts:
        for n in range(PER_SCRIPT):
            text = mangled(script.read_bytes(), rng)
            why = crashes(argv[1], text)
            if why:
                kept = pathlib.Path(f"/tmp/jbtrace-mangled-{script.stem}-{n}.jt")
                kept.write_bytes(text)
                print(f"{script} mangled as {kept}: {why}")
                bad += 1
    print(f"{len(scripts) * PER_SCRIPT} broken scripts, {bad} crashes")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
