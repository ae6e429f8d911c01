#!/usr/bin/env python3
"""Names of flags, held against strace's: the same calls of one program, seen by both at the same time.
Usage: decoding.py [NAME]. Last line: passed, failed, skipped."""
import collections
import re
import sys

from jbtest import Jbtrace, case, check, equal, need, run_cases

TARGET = """
import mmap, os, socket
folder = "{folder}"
for flags in (os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, os.O_WRONLY | os.O_SYNC | os.O_APPEND, os.O_DIRECTORY | os.O_PATH, os.O_RDWR | os.O_TRUNC
              | os.O_DSYNC | os.O_NONBLOCK, os.O_RDWR | os.O_TMPFILE):
    try:
        os.open(folder if flags & (os.O_DIRECTORY | os.O_TMPFILE) else folder + "/file", flags)
    except OSError:
        pass
for flags in (mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS):
    mmap.mmap(-1, 8192, flags=flags, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
for family, kind in ((socket.AF_INET6, socket.SOCK_DGRAM), (socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK),
                     (socket.AF_NETLINK, socket.SOCK_RAW)):
    socket.socket(family, kind)
os.memfd_create("a", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
if not os.fork():
    os._exit(0)
os.wait()
"""

# What strace writes of a call: which of its arguments are flags, by the name of their table.
CALLS = {
    "openat": (r"openat\(\w+, \"[^\"]*\", ([\w|]+)", ["open"]),
    "mmap": (r"mmap\(\w+, \d+, ([\w|]+), ([\w|]+),", ["mmap_prot", "mmap"]),
    "socket": (r"socket\((\w+), ([\w|]+),", ["family", "socket"]),
    "memfd_create": (r"memfd_create\(\"[^\"]*\", ([\w|]+)", ["memfd"]),
    "clone": (r"clone\(.*flags=([\w|]+)", ["clone"]),
}
FIELDS = {"openat": ["flags"], "mmap": ["prot", "flags"], "socket": ["family", "type"], "memfd_create": ["flags"],
          "clone": ["clone_flags"]}


def names(text):
    """Sorted: strace has an order of its own."""
    return "|".join(sorted(text.split("|")))


@case
def flags_as_strace_names_them(folder):
    need("strace")
    script = "".join(
        f'tracepoint:syscalls:sys_enter_{call} /comm == "flagged"/ {{ printf("{call} {" ".join(["%s"] * len(tables))}\\n", '
        + ", ".join(f'flags("{table}", args.{field})' for table, field in zip(tables, FIELDS[call])) + "); }\n"
        for call, (_, tables) in CALLS.items())
    target, trace = folder / "flagged", folder / "strace"
    target.symlink_to("/usr/bin/python3")
    program = folder / "target.py"
    program.write_text(TARGET.format(folder=folder))
    tracer = Jbtrace("-q", "-c", f"strace -f -o {trace} -e trace={','.join(CALLS)} {target} {program}", "-e", script, armed=False)
    equal(tracer.wait(30), 0, "exit code")
    seen, wanted = collections.Counter(), collections.Counter()
    for line in tracer.out.splitlines():
        if line:
            call, *flags = line.split(" ")
            seen[call, *map(names, flags)] += 1
    for line in trace.read_text().splitlines():
        for call, (pattern, _) in CALLS.items():
            found = re.search(r"^\d+\s+" + pattern, line)
            if found:
                wanted[call, *map(names, found.groups())] += 1
    check(len(wanted) >= 15 and {call for call, *_ in wanted} == set(CALLS), f"strace saw too little: {wanted}")
    equal(sorted(seen.items()), sorted(wanted.items()), "calls")


if __name__ == "__main__":
    sys.exit(run_cases())
