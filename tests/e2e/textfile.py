#!/usr/bin/env python3
"""-f prom -o FILE: while a script runs, who reads the file sees a whole exposition at any time, about one a second; a full
disk is told once, leaves the old file alone, and is no obstacle any more when there is room again. Links are followed,
pipes and devices stay what they are. Usage: textfile.py [NAME]. Last line: passed, failed, skipped."""
import os
import re
import stat
import subprocess
import sys
import threading
import time

from jbtest import Jbtrace, Skip, case, check, equal, need, run_cases, wait_until

SCRIPT = """BEGIN { @n["first"] = count(); for ($i : 0..500) { @h[$i] = hist($i); } }
interval:ms:50 { @n["later"] = count(); print(@n); }"""
SHORT = 'BEGIN { @n["only"] = count(); exit(); }'
SECONDS = 20


def running(path):
    return Jbtrace("-q", "-f", "prom", "-o", path, "-e", SCRIPT)


def run_short(path, code=0):
    """What it says on stderr."""
    tracer = Jbtrace("-q", "-f", "prom", "-o", path, "-e", SHORT, armed=False)
    equal(tracer.wait(SECONDS), code, f"exit status; {tracer.err}")
    return tracer.err


def check_whole(text, first="n_total"):
    """The exposition from its first family to its last, and each line of it."""
    check(text.startswith(f"# HELP jbtrace_{first} "), text[:80])
    check(re.search(r"\nprocess_open_fds \d+\n\Z", text), text[-80:])
    for line in text.splitlines():
        check(re.fullmatch(r"# (HELP|TYPE) .*|[a-zA-Z_:]\w*(\{.*\})? \S+", line), line)
    equal(text.count("jbtrace_hval_bucket{") % 500, 0, "part of the histograms")


def later(text):
    match = re.search(r'^jbtrace_n_total\{key0="later"\} (\d+)$', text, re.M)
    return int(match.group(1)) if match else 0


@case
def whole(folder):
    path = folder / "m.prom"
    tracer = running(path)
    seen = {}  # inode and time of change -> count

    def four():
        check(tracer.running(), tracer.err)
        try:
            with open(path, encoding="utf-8") as file:
                state = os.fstat(file.fileno())
                text = file.read()
        except FileNotFoundError:
            return False
        check_whole(text)
        seen[(state.st_ino, state.st_mtime_ns)] = later(text)
        return len(seen) >= 4

    wait_until(four, SECONDS, "four versions of the file")
    equal(tracer.stop(), 0, "exit status")
    times = sorted(when for _, when in seen)
    gaps = [b - a for a, b in zip(times, times[1:])]
    check(min(gaps) > 0.9e9, f"more than one a second: {gaps}")
    equal(sorted(seen.values()), [seen[key] for key in sorted(seen, key=lambda key: key[1])], "counts in time")
    text = path.read_text(encoding="utf-8")
    check_whole(text)
    check(later(text) >= max(seen.values()), "the last file has less")
    check('jbtrace_script_up{script="stdin"} 0' in text, "the script's end is not told")
    equal([entry.name for entry in folder.iterdir()], ["m.prom"], "files")


def fill(path):
    """Write until there is no room."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        while os.write(file, b"x" * 4096):
            pass
    except OSError:
        os.close(file)


def full_disk_and_room(folder):
    path, filler = folder / "m.prom", folder / "filler"
    path.write_text("old\n", encoding="utf-8")
    fill(filler)
    tracer = running(path)
    wait_until(lambda: "No space left" in tracer.err, SECONDS, "the message")
    before = len(tracer.err)
    begin = time.monotonic()
    wait_until(lambda: time.monotonic() > begin + 2.5, SECONDS, "time for two more tries")
    equal(path.read_text(encoding="utf-8"), "old\n", "the old file")
    equal(len(tracer.err), before, f"length of {tracer.err}")
    filler.unlink()
    wait_until(lambda: path.read_text(encoding="utf-8") != "old\n", SECONDS, "a new file")
    check_whole(path.read_text(encoding="utf-8"))
    equal(tracer.stop(), 0, "exit status")
    check_whole(path.read_text(encoding="utf-8"))
    check(not (folder / "m.prom.tmp").exists(), "a part is left")


@case
def full_disk(folder):
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "jbtrace-test", folder],
                      stderr=subprocess.DEVNULL, check=False).returncode:
        raise Skip("cannot mount a tmpfs")
    try:
        full_disk_and_room(folder)
    finally:
        subprocess.run(["umount", folder], check=True)


# What promtool has something against: abbreviated units, units that are no base units, types, suffixes, capitals.
NAMES = """
metric "jbtrace_declared_total" = @declared;
BEGIN {
    $fileName = "x";
    @h = count(); @s[$fileName] = 5; @m = hist(3); @sec = quantiles(3); @d = "text"; @ms = 1; @kb = count();
    @x_h_y = 1; @hours = 2; @kilobytes = count(); @gauge = 1; @x_counter_y = 1; @count = 5; @x_sum = 5; @x_total = 5;
    @y_total = hist(1); @x_bucket = 5; @readBytes = count(); @readNS = 2000000000; @le["x"] = 1; @declared = count();
    @io["a"] = agg(b = count(), s_ns = sum(5), h = hist(7), mean = s_ns / b);
    emit("s", pid);
    exit();
}"""


@case
def promtool_has_nothing_against_names(folder):
    need("promtool")
    path = folder / "m.prom"
    tracer = Jbtrace("-q", "-f", "prom", "-o", path, "-e", NAMES, armed=False)
    equal(tracer.wait(SECONDS), 0, f"exit status; {tracer.err}")
    text = path.read_text(encoding="utf-8")
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    equal((done.returncode, done.stdout + done.stderr), (0, ""), "promtool")
    for line in ("jbtrace_hval_total 1", 'jbtrace_sval{file_name="x"} 5', 'jbtrace_read_seconds 2', "jbtrace_countval 5",
                 'jbtrace_io_bval_total{key0="a"} 1', "jbtrace_read_bytes_total 1", "jbtrace_sval_rows_total 1",
                 "jbtrace_declared_total 1"):
        check(f"\n{line}\n" in text, f"no {line!r} in {text}")


@case
def declared_names_are_warned_about():
    """What promtool objects to in a name that the script declares, jbtrace says where it stands."""
    need("promtool")
    for name, part in (("my_h", "h"), ("wait_ms_most", "ms"), ("up_hours", "hours"), ("a_kilobytes", "kilobytes"),
                       ("a_gauge", "gauge"), ("a_seconds", None), ("h", None), ("my_hat", None)):
        text = f"# HELP {name} x\n# TYPE {name} gauge\n{name} 1\n"
        done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
        tracer = Jbtrace("--dump", "plan", "-e", f'metric "{name}" = @x; BEGIN {{ @x = 1; }}', armed=False)
        equal(tracer.wait(SECONDS), 0, f"exit status; {tracer.err}")
        equal(f"warning: '{part}' in the name of a metric" in tracer.err, bool(part), f"{name}: {tracer.err}")
        equal(done.returncode != 0, bool(part), f"promtool about {name}")


@case
def series_are_limited(folder):
    """As with --listen; what is for --listen alone says so, and names what was given only."""
    path = folder / "m.prom"
    script = "BEGIN { for ($i : 0..9) { @n[$i] = sum($i + 1); } exit(); }"
    tracer = Jbtrace("-q", "-f", "prom", "--series", "3", "--expire", "1s", "-o", path, "-e", script, armed=False)
    equal(tracer.wait(SECONDS), 0, f"exit status; {tracer.err}")
    found = {label: int(n) for label, n in
             re.findall(r'^jbtrace_n_total\{i="(\w+)"\} (\d+)$', path.read_text(encoding="utf-8"), re.M)}
    equal(found, {"8": 9, "7": 8, "6": 7, "_other": 21}, "series")
    for words, said in ((("--series", "3"), "--series is for --listen and -f prom"),
                        (("--expire", "3s"), "--expire is for --listen and -f prom"),
                        (("--tls-key", "x", "-f", "prom"), "--tls-key is for --listen")):
        tracer = Jbtrace("-q", *words, "-e", script, armed=False)
        equal((tracer.wait(SECONDS), tracer.err), (1, f"jbtrace: error: {said}\n"), f"{words}")


@case
def links_are_followed(folder):
    """Through two of them, one relative; the second leads to a file that is not there at first."""
    (folder / "real").mkdir()
    (folder / "links").mkdir()
    (folder / "links/second").symlink_to("../real/m.prom")
    link = folder / "first"
    link.symlink_to(folder / "links/second")
    for what in ("a new file", "an old file"):
        run_short(link)
        check(link.is_symlink() and (folder / "links/second").is_symlink(), f"{what}: a link was replaced")
        check_whole((folder / "real/m.prom").read_text(encoding="utf-8"))
        equal(os.listdir(folder / "real"), ["m.prom"], f"{what}: files")
        (folder / "real/m.prom").write_text("old\n", encoding="utf-8")
    (folder / "round").symlink_to("round")
    check("symbolic links" in run_short(folder / "round", code=255), "a link to itself is not told")


@case
def pipes_stay(folder):
    """Who reads a named pipe gets the exposition, once, and then the end."""
    path, got = folder / "pipe", []
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: got.append(path.read_text(encoding="utf-8")), daemon=True)
    reader.start()
    run_short(path)
    reader.join(SECONDS)
    check(got, "nothing was read")
    check_whole(got[0])
    check(stat.S_ISFIFO(path.stat().st_mode), "the pipe was replaced")
    equal(os.listdir(folder), ["pipe"], "files")


@case
def devices_stay(folder):
    """A device of our own that is like /dev/null, and one that is like /dev/full."""
    for name, minor, code in (("null", 3, 0), ("full", 7, 1)):
        path = folder / name
        try:
            os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, minor))
            os.close(os.open(path, os.O_WRONLY))
        except OSError as why:
            raise Skip(f"no device can be made here: {why}") from why
        said = run_short(path, code)
        equal("No space left" in said, code != 0, f"{name}: {said}")
        check(stat.S_ISCHR(path.stat().st_mode), f"{name} was replaced")
    equal(sorted(os.listdir(folder)), ["full", "null"], "files")


if __name__ == "__main__":
    sys.exit(run_cases())
