#!/usr/bin/env python3
"""Speed and memory of jbtrace beside bpftrace and hand-written C, in one run. Usage: bench.py --build DIR [--quick].

Prints one markdown table: medians, limits, verdicts. Wall time and peak memory come from wait4(2); ns per run
from the kernel's own accounting (bpf_stats, switched on for as long as this process holds a descriptor for it). The floor is tests/bench/floor: C by hand with
libbpf. "Until armed" is the time to the word that jbtrace prints on stdout and bpftrace 0.17 on stderr when
everything is attached; the floor prints "armed". Exit status 1 when a limit is missed.
"""
import argparse
import ctypes
import os
import pathlib
import re
import resource
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
WORD = "__BPFTRACE_NOTIFY_PROBES_ATTACHED"
LIBRARY = "/usr/lib/x86_64-linux-gnu/libavcodec.so.59"
PEER_LIMIT_S = 60
LIBC = ctypes.CDLL(None, use_errno=True)
ENV = {**os.environ, WORD: "1", "BPFTRACE_MAX_PROBES": "4096", "BPFTRACE_MAP_KEYS_MAX": "1100000"}
ENV.pop("BPFTRACE_STRLEN", None)


# --- the kernel's accounting ---

def bpf(command, attr):
    buffer = ctypes.create_string_buffer(attr.ljust(128, b"\0"), 128)
    return LIBC.syscall(321, command, buffer, 128), buffer.raw


def program_ids():
    last, found = 0, set()
    while True:
        result, out = bpf(11, struct.pack("II", last, 0))  # BPF_PROG_GET_NEXT_ID
        if result:
            return found
        last = struct.unpack_from("I", out, 4)[0]
        found.add(last)


def program_stats(number):
    """(ns, runs) of a program; struct bpf_prog_info has them at byte 192."""
    fd, _ = bpf(13, struct.pack("I", number))  # BPF_PROG_GET_FD_BY_ID
    if fd < 0:
        return 0, 0
    info = ctypes.create_string_buffer(256)
    bpf(15, struct.pack("IIQ", fd, 256, ctypes.addressof(info)))  # BPF_OBJ_GET_INFO_BY_FD
    os.close(fd)
    return struct.unpack_from("QQ", info.raw, 192)


def programs_of(pid):
    """Ids named by the process's file descriptors, programs and links alike."""
    found = set()
    for entry in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            lines = entry.read_text().split("\n")
        except OSError:
            continue
        found.update(int(line.split()[1]) for line in lines if line.startswith("prog_id:"))
    return found


def exported(path, prefix):
    """File offsets of the functions a shared object exports."""
    names = subprocess.run(["nm", "-D", "--defined-only", path], capture_output=True, text=True, check=True).stdout
    return [file_offset(path, int(line.split()[0], 16)) for line in names.splitlines()
            if line.split()[-2] == "T" and line.split()[-1].startswith(prefix)]


def symbol(path, name):
    names = subprocess.run(["nm", path], capture_output=True, text=True, check=True).stdout
    address = next(line.split()[0] for line in names.splitlines() if line.split()[-1] == name)
    return file_offset(path, int(address, 16))


def file_offset(path, address):
    with open(path, "rb") as file:
        data = file.read(4096)
    start, size, count = struct.unpack_from("Q", data, 32)[0], *struct.unpack_from("HH", data, 54)
    for i in range(count):
        kind, _, offset, vaddr, _, length = struct.unpack_from("IIQQQQ", data, start + i * size)
        if kind == 1 and vaddr <= address < vaddr + length:
            return address - vaddr + offset
    return address


# --- running ---

class Life:
    """One process from start to end: when it was armed, when it ended, what it took."""

    def __init__(self, argv, word, stdin_text=None):
        self.start = time.monotonic()
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env=ENV)
        self.word, self.seen, self.armed_ms = word.encode(), b"", None
        if stdin_text is not None:
            self.process.stdin.write(stdin_text.encode())
            self.process.stdin.close()

    def wait_armed(self, limit_s=PEER_LIMIT_S):
        pipes = [self.process.stdout, self.process.stderr]
        while pipes and self.word not in self.seen:
            ready, _, _ = select.select(pipes, [], [], max(0, self.start + limit_s - time.monotonic()))
            if not ready:
                return False
            for pipe in ready:
                chunk = os.read(pipe.fileno(), 65536)
                self.seen += chunk
                if not chunk:
                    pipes.remove(pipe)
        self.armed_ms = (time.monotonic() - self.start) * 1e3
        return self.word in self.seen

    def end(self, limit_s=PEER_LIMIT_S, ask=None):
        """(wall ms, peak MiB), or None when it had to be killed. Drains its pipes, so it cannot block on them."""
        asked = time.monotonic()
        if ask == "line":
            self.process.stdin.write(b"\n")
            self.process.stdin.flush()
        elif ask:
            self.process.send_signal(ask)
        end = time.monotonic() + limit_s
        pipes = [self.process.stdout, self.process.stderr]
        killed = False
        while pipes:
            ready, _, _ = select.select(pipes, [], [], max(0, end - time.monotonic()))
            if not ready and not killed:
                self.process.kill()
                killed, end = True, time.monotonic() + 5
                continue
            if not ready:
                break
            for pipe in ready:
                if not os.read(pipe.fileno(), 65536):
                    pipes.remove(pipe)
        _, status, usage = os.wait4(self.process.pid, 0)
        now = time.monotonic()
        self.process.returncode = os.waitstatus_to_exitcode(status)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                pipe.close()
            except OSError:
                pass
        self.ending_ms = (now - asked) * 1e3
        self.code = self.process.returncode
        return None if killed else ((now - self.start) * 1e3, usage.ru_maxrss / 1024)


class Tool:
    """jbtrace, bpftrace or the floor, as something that runs one of the measured jobs."""

    def __init__(self, name, argv):
        self.name, self.argv = name, argv
        self.floor = name == "floor"
        self.word = "armed" if self.floor else WORD
        self.ask = "line" if self.floor else signal.SIGINT

    def life(self, script, floor_args, stdin_text=None, options=()):
        argv = self.argv + (floor_args if self.floor else [*options, "-e", script])
        return Life(argv, self.word, stdin_text if self.floor else None)


class Bench:
    def __init__(self, options):
        self.runs = 5
        self.own_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 * 1.1
        self.quick = options.quick
        self.progs = pathlib.Path(options.build).resolve() / "tests/progs"
        self.flood = str(self.progs / "flood")
        self.tmp = tempfile.mkdtemp(prefix="jbtrace-bench-")
        floor, objects = self.build_floor(pathlib.Path(options.build).resolve() / "bench")
        self.ours = Tool("jbtrace", [options.jbtrace or str(pathlib.Path(options.build).resolve() / "jbtrace")])
        self.peer = Tool("bpftrace", ["bpftrace"])
        self.floor = Tool("floor", [floor, objects])
        self.tools = [self.ours, self.peer, self.floor]
        self.missed = 0
        print("| what | unit | jbtrace | bpftrace | floor | limit | |")
        print("|---|---|---|---|---|---|---|")

    @staticmethod
    def build_floor(folder):
        folder.mkdir(parents=True, exist_ok=True)
        objects, floor = str(folder / "floor.bpf.o"), str(folder / "floor")
        subprocess.run(["clang-19", "-target", "bpf", "-mcpu=v3", "-O2", "-g", "-I/usr/include/x86_64-linux-gnu", "-c",
                        str(HERE / "floor/floor.bpf.c"), "-o", objects], check=True)
        subprocess.run(["gcc", "-std=gnu11", "-O2", "-D_GNU_SOURCE", str(HERE / "floor/floor.c"), "-o", floor,
                        "-lbpf"], check=True)
        return floor, objects

    # A row: values by tool; limit as text and a test on ours (and the floor's) value.
    def row(self, what, unit, values, limit_text, fits):
        ours = values.get("jbtrace")
        good = isinstance(ours, (int, float)) and fits(ours, values.get("floor"))
        self.missed += not good
        cells = [self.cell(values.get(tool.name), unit) for tool in self.tools]
        print(f"| {what} | {unit} | {' | '.join(cells)} | {limit_text} | {'pass' if good else '**miss**'} |",
              flush=True)

    def cell(self, value, unit):
        if value is None:
            return "-"
        # wait4's peak includes what this process had when it forked: smaller ones cannot be told apart.
        if unit == "MiB" and value <= self.own_mib:
            return f"<{self.own_mib:.0f}"
        if isinstance(value, str):
            return value
        return f"{value:.0f}" if value >= 100 else f"{value:.1f}"

    def repeat(self, once):
        """Median of the runs; one may fail, and one slow run (over 5 s) is enough."""
        results, failures = [], []
        for _ in range(self.runs):
            result = once()
            if isinstance(result, str):
                failures.append(result)
            else:
                results.append(result)
            if len(failures) > 1 or (isinstance(result, tuple) and result[0] > 5000):
                break
        if len(failures) > 1 or not results:
            return failures[0]
        if isinstance(results[0], tuple):
            return tuple(statistics.median(column) for column in zip(*results))
        return statistics.median(results)

    # --- whole lives ---

    def whole_life(self, tool, script, floor_args, stdin_text=None):
        def once():
            life = tool.life(script, floor_args, stdin_text)
            result = life.end()
            if result is None:
                return f">{PEER_LIMIT_S * 1000}"
            return result if life.code == 0 else f"exit {life.code}"
        return self.repeat(once)

    def life_rows(self, what, scripts, floor_args, limit_ms, limit_mib, stdin_text=None):
        wall, memory = {}, {}
        for tool in self.tools:
            script = scripts[1] if tool is self.peer else scripts[0]
            got = self.whole_life(tool, script, floor_args, stdin_text)
            wall[tool.name], memory[tool.name] = got if isinstance(got, tuple) else (got, None)
        self.row(what, "ms", wall, f"{limit_ms}", lambda ours, _: ours <= limit_ms)
        if limit_mib:
            self.row(f"{what}: peak memory", "MiB", memory, f"{limit_mib}", lambda ours, _: ours <= limit_mib)

    def begin(self):
        script = "BEGIN { exit(); }"
        self.life_rows("`BEGIN { exit(); }`", (script, script), ["begin"], 30, 45)

    def functions(self):
        offsets = exported(LIBRARY, "av")
        script = f"uprobe:{LIBRARY}:av* {{ @[probe] = count(); }} interval:ms:1 {{ exit(); }}"
        self.life_rows(f"{len(offsets)} functions of libavcodec by glob, `probe` as key: whole life", (script, script),
                       ["multi", LIBRARY], 150, 0, "\n".join(map(str, offsets)) + "\n")

    def syscalls(self):
        script = "tracepoint:syscalls:sys_enter_* { @[probe] = count(); } interval:ms:1 { exit(); }"
        self.life_rows("every `sys_enter_*` by glob, `probe` as key: whole life", (script, script), ["syscalls"], 300, 0)

    def armed(self):
        script = (f"uprobe:{self.flood}:flood_pair {{ @a = count(); }} "
                  "tracepoint:syscalls:sys_enter_getppid { @b = count(); }")
        floor_args = ["arm", self.flood, str(symbol(self.flood, "flood_pair"))]
        arming, ending = {}, {}
        for tool in self.tools:
            def once(tool=tool):
                life = tool.life(script, floor_args)
                armed = life.wait_armed()
                time.sleep(0.05)  # bpftrace 0.17 loses a SIGINT that comes right after its word
                ended = life.end(ask=tool.ask)
                return (life.armed_ms, life.ending_ms) if armed and ended else "failed"
            got = self.repeat(once)
            arming[tool.name], ending[tool.name] = got if isinstance(got, tuple) else (got, None)
        self.row("one uprobe and one tracepoint: until armed", "ms", arming, "40",
                 lambda ours, _: ours <= 40)
        self.row("one uprobe and one tracepoint: from SIGINT to the end", "ms", ending, "250",
                 lambda ours, _: ours <= 250)

    # --- ns per run ---

    def cost(self, tool, script, floor_args, what, calls, options=()):
        """ns of BPF per call of the flood, all of the tool's programs together. "{pid}" is the flood's."""
        before = program_ids()
        flood = subprocess.Popen([self.flood, str(calls), what, "wait"], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, text=True)
        pid = flood.stdout.readline().split()[1]
        life = tool.life(script.replace("{pid}", pid), floor_args, options=[word.replace("{pid}", pid)
                                                                            for word in options])
        try:
            if not life.wait_armed():
                return "failed"
            numbers = programs_of(life.process.pid) or program_ids() - before
            start = {number: program_stats(number) for number in numbers}
            flood.communicate("go\n")
            end = {number: program_stats(number) for number in numbers}
        finally:
            flood.poll() is None and flood.kill()
            flood.wait()
            life.end(ask=tool.ask)
        ran = [number for number in numbers if end[number][1] - start[number][1] >= calls // 2]
        return sum(end[number][0] - start[number][0] for number in ran) / calls if ran else "no runs"

    def costs_in_turns(self, jobs):
        """Medians of {name: arguments of cost()}, in turns, so that a slower minute of the machine is everybody's."""
        results = {name: [] for name in jobs}
        for _ in range(self.runs):
            for name, job in jobs.items():
                results[name].append(self.cost(*job))
        values = {}
        for name, costs in results.items():
            numbers = [cost for cost in costs if isinstance(cost, float)]
            values[name] = statistics.median(numbers) if len(numbers) > self.runs // 2 else costs[0]
        return values

    def cost_row(self, what, scripts, floor_args, flood, calls):
        values = self.costs_in_turns({
            tool.name: (tool, scripts[1] if tool is self.peer else scripts[0], floor_args, flood, calls)
            for tool in self.tools})
        ours, floor = values.get("jbtrace"), values.get("floor")
        ratio = f" (x{ours / floor:.2f})" if isinstance(ours, float) and isinstance(floor, float) and floor else ""
        self.row(f"{what}{ratio}", "ns/run", values, "floor x 1.10",
                 lambda ours, floor: isinstance(floor, float) and ours <= floor * 1.10)

    def costs(self):
        stats, _ = bpf(32, struct.pack("I", 0))  # BPF_ENABLE_STATS, BPF_STATS_RUN_TIME: until it is closed
        if stats < 0:
            raise SystemExit("bench: the kernel does not account run times")
        try:
            self.cost_rows()
            self.filter_rows()
        finally:
            os.close(stats)

    def cost_rows(self):
        probe, calls = "tracepoint:syscalls:sys_enter_getppid", 500_000
        for what, body, mode in (("`@ = count()`", "@ = count();", "count"),
                                 ("`@[tid] = count()`", "@[tid] = count();", "count_keyed"),
                                 ("`@ = hist(tid)`", "@ = hist(tid);", "hist")):
            script = f"{probe} {{ {body} }}"
            self.cost_row(what, (script, script), ["tracepoint", mode], "getppid", calls)
        function = f"{self.flood}:flood_pair"
        pair = (f"uprobe:{function} {{ @s[tid] = nsecs; }} "
                f"uretprobe:{function} /@s[tid]/ {{ @ = stats(nsecs - @s[tid]); delete(@s[tid]); }}")
        floor_args = ["pair", self.flood, str(symbol(self.flood, "flood_pair"))]
        self.cost_row("latency pair with `@s[tid]`", (pair, pair), floor_args, "pair", 20_000)
        span = f"span:{function} {{ @ = stats(duration); }}"
        self.cost_row("latency with `span`", (span, pair), floor_args, "pair", 20_000)

    def filter_rows(self):
        """What a filter adds to `@ = count()`; bpftrace's counterpart is a condition, the floor counts without any."""
        probe, calls = "tracepoint:syscalls:sys_enter_getppid", 500_000
        for what, options, condition in (
                ("no filter", [], ""),
                ("`-p`", ["-p", "{pid}"], "/pid == {pid}/"),
                ("`--comm flood`", ["--comm", "flood"], "/comm == \"flood\"/"),
                ("`--comm '*l[o]?d'`", ["--comm", "*l[o]?d"], None),
                ("`--cgroup /`", ["--cgroup", "/"], "/cgroup == 1/"),
                ("`--pidns {pid}`", ["--pidns", "{pid}"], None),
                ("`-p --follow`", ["-p", "{pid}", "--follow"], None),
                ("`--not-comm flood`, so that nothing is counted", ["--not-comm", "flood"], "/comm != \"flood\"/")):
            body = "{ @ = count(); }"
            jobs = {"jbtrace": (self.ours, f"{probe} {body}", [], "getppid", calls, options),
                    "floor": (self.floor, "", ["tracepoint", "count"], "getppid", calls)}
            if condition is not None:
                jobs["bpftrace"] = (self.peer, f"{probe} {condition} {body}", [], "getppid", calls)
            limit = 1.10 if not options else 2.5
            self.row(f"`@ = count()`, {what}", "ns/run", self.costs_in_turns(jobs), f"floor x {limit:.2f}",
                     lambda ours, floor, limit=limit: isinstance(floor, float) and ours <= floor * limit)

    # --- volume ---

    def flood_into(self, tool, make_script, mode, calls):
        """Attach, flood, ask to end: (ms from the ask to the end, output file)."""
        output = f"{self.tmp}/{tool.name}.out"
        flood = subprocess.Popen([self.flood, str(calls), "getppid", "wait"], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE)
        flood.stdout.readline()
        argv = tool.argv + ([mode, str(flood.pid), output] if tool.floor else
                            ["-o", output, "-e", make_script(flood.pid)])
        life = Life(argv, tool.word)
        try:
            armed = life.wait_armed()
            start = time.monotonic()
            flood.communicate(b"\n")
            flood_ms = (time.monotonic() - start) * 1e3
        finally:
            flood.poll() is None and flood.kill()
            flood.wait()
            ended = life.end(ask=tool.ask)
        return (life.ending_ms, flood_ms, output) if armed and ended else None

    def count_lines(self, output, begin):
        with open(output, "rb") as file:
            return sum(line.startswith(begin) for line in file)

    def events(self):
        calls = 2_000_000
        lost, taken = {}, {}
        for tool in self.tools:
            got = self.flood_into(tool, lambda pid: "tracepoint:syscalls:sys_enter_getppid "
                                  f'/pid == {pid}/ {{ printf("e %d\\n", pid); }}', "events", calls)
            lost[tool.name] = calls - self.count_lines(got[2], b"e ") if got else "failed"
            taken[tool.name] = got[0] + got[1] if got else None
        self.row("2 million `printf` at full speed: lost", "events", lost, "0", lambda ours, _: ours == 0)
        self.row("2 million `printf`: flood and drain", "ms", taken, "-", lambda ours, _: True)

    def dump(self):
        calls = 1_000_000
        taken = {}
        for tool in self.tools:
            declare = "let @k = hash(1100000); " if tool is self.ours else ""
            got = self.flood_into(tool, lambda pid, declare=declare: declare +
                                  f"tracepoint:syscalls:sys_enter_getppid /pid == {pid}/ {{ @k[@n] = @n; @n++; }}",
                                  "dump", calls)
            if not got:
                taken[tool.name] = "failed"
                continue
            keys = self.count_lines(got[2], b"@[" if tool.floor else b"@k[")
            taken[tool.name] = got[0] if keys >= calls else f"{keys} keys"
        self.row("a map of a million keys: from SIGINT to all of it printed in order (floor: in no order)", "ms", taken,
                 "5000", lambda ours, _: ours <= 5000)

    # --- stacks ---

    def trace_frames(self, tool, what, arguments):
        """A program whose calls are known, traced from its start to its end: (ms from armed to the end, peak MiB)."""
        program = self.progs / "frames"
        life = Life(tool.argv + ["-c", f"{program} {arguments}", "-e", f"uprobe:{program}:frames_target {{ {what} }}"],
                    tool.word, "\n")
        armed, ended = life.wait_armed(), life.end()
        return (ended[0] - life.armed_ms, ended[1]) if armed and ended and not life.code else None

    def stacks(self):
        taken = {}
        for tool in (self.ours, self.peer):
            got = self.trace_frames(tool, 'printf("%s\\n", ustack);', 10_000)
            taken[tool.name] = got[0] if got else "failed"
        self.row("10,000 user stacks printed (ours: with lines and inlined functions)", "ms", taken, "2000",
                 lambda ours, _: ours <= 2000)
        copied = self.trace_frames(self.ours, 'printf("%s\\n", ustack(dwarf, folded, 16));', 1_000)
        self.row("1,000 copied stacks unwound and printed", "ms", {"jbtrace": copied[0] if copied else "failed"}, "1000",
                 lambda ours, _: ours <= 1000)
        named = self.trace_frames(self.ours, 'printf("%s\\n", ustack);', 10_000)
        raw = self.trace_frames(self.ours, 'printf("%s\\n", ustack(raw));', 10_000)
        self.row("memory of the symboliser, 10,000 stacks", "MiB",
                 {"jbtrace": named[1] - raw[1] if named and raw else "failed"}, "40", lambda ours, _: ours <= 40)
        many = self.trace_frames(self.ours, "@[ustack] = count();", "1 1000")
        self.row("stacks of a thousand processes that have ended: peak memory", "MiB",
                 {"jbtrace": many[1] if many else "failed"}, "100", lambda ours, _: ours <= 100)

    # --- outputs ---

    def scrape(self):
        """One script, one map of 10,000 keys: the time from the request to the last byte, as a scraper sees it."""
        series = 10_000
        script = f"let @x = percpuhash({2 * series}); begin {{ for ($i : 0..{series}) {{ @x[$i] = count(); }} }} interval:s:60 {{ }}"
        life = Life(self.ours.argv + ["--listen", "0", "--series", str(2 * series), "-e", script], self.ours.word)
        taken = []
        try:
            port = life.wait_armed() and re.search(rb"http://127\.0\.0\.1:(\d+)", life.seen)
            for _ in range(21 if port else 0):
                start = time.monotonic()
                with urllib.request.urlopen(f"http://127.0.0.1:{int(port[1])}/metrics", timeout=10) as answer:
                    text = answer.read()
                taken.append((time.monotonic() - start) * 1e3)
                if text.count(b"jbtrace_x_total{") < series:
                    taken = []
                    break
        finally:
            life.end(ask=signal.SIGINT)
        self.row(f"scrape of {series:,} series", "ms", {"jbtrace": statistics.median(taken) if taken else "failed"}, "50",
                 lambda ours, _: ours <= 50)

    def rows(self):
        """Rows of a structured event that reach a file, from a flood that makes them faster than they can be written."""
        calls, rate = 1_000_000, {}
        for name, form, script in (("csv", "csv", 'emit("call", pid, tid, comm, ns = nsecs);'),
                                   ("json", "json", 'emit("call", pid, tid, comm, ns = nsecs);')):
            tool = Tool("jbtrace", self.ours.argv + ["-f", form])
            got = self.flood_into(tool, lambda pid, script=script: "tracepoint:syscalls:sys_enter_getppid "
                                  f"/pid == {pid}/ {{ {script} }}", "events", calls)
            lines = self.count_lines(got[2], b"") if got else 0
            rate[name] = lines / (got[0] + got[1]) * 1e3 if got else "failed"
        for name, value in rate.items():
            self.row(f"`emit` of four columns as {name}", "rows/s", {"jbtrace": value}, "200000",
                     lambda ours, _: ours >= 200_000)

    def run(self):
        self.begin()
        self.armed()
        self.functions()
        if not self.quick:
            self.syscalls()
        self.costs()
        if not self.quick:
            self.events()
            self.dump()
            self.rows()
            self.stacks()
        self.scrape()
        return 1 if self.missed else 0

    def close(self):
        for name in os.listdir(self.tmp):
            os.unlink(os.path.join(self.tmp, name))
        os.rmdir(self.tmp)


def private_tracefs():
    """bpftrace and the floor need tracefs; a mount of our own leaves the machine as it was."""
    if pathlib.Path("/sys/kernel/tracing/events").exists():
        return
    if LIBC.unshare(0x20000) or LIBC.mount(b"none", b"/", None, 0x44000, None):  # CLONE_NEWNS, MS_REC | MS_PRIVATE
        raise SystemExit("bench: cannot make a mount namespace")
    if LIBC.mount(b"nodev", b"/sys/kernel/tracing", b"tracefs", 0, None):
        raise SystemExit("bench: cannot mount tracefs")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--jbtrace", help="another binary to measure in its place")
    parser.add_argument("--quick", action="store_true", help="without the rows that take a minute")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    private_tracefs()
    bench = Bench(options)
    try:
        return bench.run()
    finally:
        bench.close()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
