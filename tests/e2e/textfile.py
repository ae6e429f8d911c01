#!/usr/bin/env python3
"""-f prom -o FILE while a script runs: who reads the file sees a whole exposition at any time, about one a second; a full
disk is told once, leaves the old file alone, and is no obstacle any more when there is room again. Usage: textfile.py
[NAME]. Last line: passed, failed, skipped."""
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
JBTRACE = ROOT / os.environ.get("JB_BUILD", "build") / "jbtrace"
SCRIPT = """BEGIN { @n["first"] = count(); for ($i : 0..500) { @h[$i] = hist($i); } }
interval:ms:50 { @n["later"] = count(); print(@n); }"""
SECONDS = 20


class Skip(Exception):
    """Why a test cannot run."""


class Running:
    """jbtrace with SCRIPT, and what it says on stderr."""

    def __init__(self, path):
        self.process = subprocess.Popen([JBTRACE, "-q", "-f", "prom", "-o", path, "-e", SCRIPT],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.said = b""
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        while chunk := os.read(self.process.stderr.fileno(), 4096):
            self.said += chunk

    def wait_until(self, what, why):
        deadline = time.monotonic() + SECONDS
        while not what():
            assert time.monotonic() < deadline, f"not in time: {why}; stderr: {self.said.decode()}"
            assert self.process.poll() is None, f"it ended: {self.said.decode()}"
            time.sleep(0.002)

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(SECONDS)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.reader.join(1)
            self.process.stdout.close()
            self.process.stderr.close()


def check_whole(text):
    """The exposition from its first family to its last, and each line of it."""
    assert text.startswith("# HELP jbtrace_n_total "), text[:80]
    assert re.search(r"\nprocess_open_fds \d+\n\Z", text), text[-80:]
    for line in text.splitlines():
        assert re.fullmatch(r"# (HELP|TYPE) .*|[a-zA-Z_:]\w*(\{.*\})? \S+", line), line
    assert text.count("jbtrace_h_bucket{") % 500 == 0


def later(text):
    match = re.search(r'^jbtrace_n_total\{key0="later"\} (\d+)$', text, re.M)
    return int(match.group(1)) if match else 0


def test_whole(folder):
    path = folder / "m.prom"
    running = Running(path)
    seen = {}  # inode and time of change -> count
    try:
        def four():
            try:
                with open(path, encoding="utf-8") as file:
                    state = os.fstat(file.fileno())
                    text = file.read()
            except FileNotFoundError:
                return False
            check_whole(text)
            seen[(state.st_ino, state.st_mtime_ns)] = later(text)
            return len(seen) >= 4
        running.wait_until(four, "four versions of the file")
    finally:
        code = running.end()
    assert code == 0, code
    times = sorted(when for _, when in seen)
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert min(gaps) > 0.9e9, f"more than one a second: {gaps}"
    assert sorted(seen.values()) == [seen[key] for key in sorted(seen, key=lambda key: key[1])], seen
    text = path.read_text(encoding="utf-8")
    check_whole(text)
    assert later(text) >= max(seen.values())
    assert 'jbtrace_script_up{script="stdin"} 0' in text
    assert [entry.name for entry in folder.iterdir()] == ["m.prom"], "a part is left"


def test_full_disk(folder):
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "jbtrace-test", folder],
                      stderr=subprocess.DEVNULL, check=False).returncode:
        raise Skip("cannot mount a tmpfs")
    try:
        path, filler = folder / "m.prom", folder / "filler"
        path.write_text("old\n", encoding="utf-8")
        file = os.open(filler, os.O_WRONLY | os.O_CREAT)
        try:
            while os.write(file, b"x" * 4096):
                pass
        except OSError:
            os.close(file)
        running = Running(path)
        try:
            running.wait_until(lambda: b"No space left" in running.said, "the message")
            before = len(running.said)
            begin = time.monotonic()
            running.wait_until(lambda: time.monotonic() > begin + 2.5, "time for two more tries")
            assert path.read_text(encoding="utf-8") == "old\n", "the old file was touched"
            assert len(running.said) == before, f"told again: {running.said.decode()}"
            filler.unlink()
            running.wait_until(lambda: path.read_text(encoding="utf-8") != "old\n", "a new file")
            check_whole(path.read_text(encoding="utf-8"))
        finally:
            code = running.end()
        assert code == 0, code
        check_whole(path.read_text(encoding="utf-8"))
        assert not (folder / "m.prom.tmp").exists()
    finally:
        subprocess.run(["umount", folder], check=True)


def main(argv):
    name = argv[1] if len(argv) > 1 else ""
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for test in (test_whole, test_full_disk):
        title = f"textfile {test.__name__}"
        if name not in title:
            continue
        try:
            if os.geteuid():
                raise Skip("needs root")
            with tempfile.TemporaryDirectory(prefix="jbtrace-textfile-") as folder:
                test(pathlib.Path(folder))
            counts["passed"] += 1
        except Skip as why:
            print(f"skip: {title}: {why}")
            counts["skipped"] += 1
        except AssertionError as error:
            print(f"FAIL: {title}: {error}")
            counts["failed"] += 1
    print(", ".join(f"{n} {word}" for word, n in counts.items()))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
