#!/usr/bin/env python3
"""End to end: jbtrace as a service. Usage: service.py [NAME].

The truth of counts is what tests/progs/selfcount counted itself; the service manager is a datagram socket of this program,
which is also how it knows that a service is ready or has reloaded. Last line: passed, failed, skipped.
"""
import base64
import csv
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

from jbtest import (JBTRACE, ROOT, Failed, Jbtrace, Skip, case, check, equal, need, prog, run_cases, start, wait_until)

SELFCOUNT = prog("selfcount")
COUNT = f"uprobe:{SELFCOUNT}:target_add"


class Manager:
    """The socket that NOTIFY_SOCKET names."""

    def __init__(self, folder):
        self.path = folder / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.settimeout(20)
        self.heard = []

    def hear(self):
        """The next message, as words."""
        text = self.socket.recv(4096).decode()
        self.heard.append((time.monotonic(), text))
        return dict(line.split("=", 1) for line in text.split("\n"))

    def wait_for(self, word):
        """Hear until one has the word; that one."""
        while True:
            message = self.hear()
            if word in message:
                return message


class Service:
    """jbtrace --config in the foreground, ready when this is made."""

    def __init__(self, folder, config, *argv, env=None, ready=True, wrapper=()):
        self.folder, self.config = folder, folder / "c.yaml"
        self.write(config)
        self.manager = Manager(folder)
        self.run = Jbtrace("--config", self.config, *argv, armed=False, wrapper=wrapper,
                           env={"NOTIFY_SOCKET": str(self.manager.path), **(env or {})})
        if ready:
            try:
                self.manager.wait_for("READY")
            except TimeoutError as why:
                raise Failed(f"it was never ready\n{self.run.err}") from why

    def write(self, config):
        self.config.write_text(config, encoding="utf-8")

    def script(self, name, text):
        (self.folder / name).write_text(text, encoding="utf-8")

    def reload(self):
        """SIGHUP; back when it is done."""
        os.kill(self.run.pid, signal.SIGHUP)
        self.manager.wait_for("RELOADING")
        self.manager.wait_for("READY")

    def stop(self, code=0):
        """SIGTERM; what was written to stdout."""
        equal(self.run.stop(signal.SIGTERM, 20), code, f"the exit code\n{self.run.err}")
        return self.run.out


def add(n):
    """Calls target_add n times; what the program counted."""
    done = subprocess.run([SELFCOUNT, "--no-wait", "--add", str(n)], capture_output=True, text=True, timeout=60,
                          check=True)
    return int(re.search(r"^add (\d+)$", done.stdout, re.M).group(1))


def total(text, name):
    """What a map printed, over all of its appearances."""
    return sum(int(n) for n in re.findall(rf"^@{name}: (\d+)$", text, re.M))


def ask(*argv):
    """Run jbtrace to its end: code, stdout, stderr."""
    done = subprocess.run([JBTRACE, *map(str, argv)], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


# --- failing alone ---


@case
def of_three_scripts_one_is_broken(folder):
    service = Service(folder, f"""
scripts:
  one: {{program: "{COUNT} {{ @one = count(); }}"}}
  bad: {{program: "begin {{ nothing(); }}"}}
  lost: {{script: nowhere.jt}}
  deaf: {{program: "uprobe:libc:pthread_spin_lock {{ }}"}}
  two: {{program: "{COUNT} {{ @two = count(); }} end {{ printf(\\"bye\\\\n\\"); }}"}}
""")
    n = add(1000)
    out = service.stop()
    equal(total(out, "one"), n, "@one")
    equal(total(out, "two"), n, "@two")
    check("bye\n" in out, "the end probe did not run")
    err = service.run.err
    for what in (r"\[error\] bad:1:9: error: unknown function 'nothing'", r"\[error\] lost: .*cannot open '.*/nowhere.jt'",
                 r"\[error\] deaf:1:1: error: ", r"\[info\] one: Attached 1 probe",
                 r"started: 2 of 5 scripts run"):
        check(re.search(what, err), f"the log does not say {what}:\n{err}")
    states = [text for _, text in service.manager.heard]
    check(any("STATUS=jbtrace: 2 of 5 scripts run" in text for text in states), f"no STATUS in {states}")


@case
def none_can_be_started(folder):
    service = Service(folder, "scripts: {a: {program: 'begin { nothing(); }'}}\n", ready=False)
    equal(service.run.wait(), 1, "the exit code")
    check("no script runs any more" in service.run.err, service.run.err)


@case
def the_last_script_ends(folder):
    service = Service(folder, "scripts: {a: {program: 'interval:50ms { exit(7); }'}}\n")
    equal(service.run.wait(), 7, "the exit code")
    check("[warning] a: it has ended, with code 7" in service.run.err, service.run.err)


@case
def a_script_is_tried_again(folder):
    late = folder / "late"
    service = Service(folder, f"""
scripts:
  on: {{program: "{COUNT} {{ @on = count(); }}"}}
  late: {{program: "uprobe:{late}:target_add {{ @late = count(); }}"}}
service: {{retry: 100ms}}
""")
    wait_until(lambda: "late:1:" in service.run.err, 10, "a first failure in the log")
    time.sleep(0.5)  # several tries: they say nothing new
    equal(service.run.err.count("[error] late:1:"), 1, "how often the failure was told")
    shutil.copy(SELFCOUNT, late)
    wait_until(lambda: "late: it runs now" in service.run.err, 10, "'it runs now'")
    n = int(re.search(r"^add (\d+)$", subprocess.run([late, "--no-wait", "--add", "77"], capture_output=True, text=True,
                                                       timeout=20, check=True).stdout, re.M).group(1))
    out = service.stop()
    equal(total(out, "late"), n, "@late")


# --- reloading ---


@case
def reload_keeps_counts(folder):
    config = f"""
scripts:
  a: {{script: a.jt, params: {{x: 5}}, filters: {{not_comm: [nobody]}}}}
"""
    (folder / "a.jt").write_text(f"{COUNT} {{ @a = count(); @x = getopt(\"x\", 1); }}")
    service = Service(folder, config)
    n = add(700)
    for _ in range(3):
        service.reload()
        n += add(300)
    out = service.stop()
    equal(total(out, "a"), n, "@a")
    equal(out.count("@a: "), 1, "how often @a was printed")
    equal(service.run.err.count("Attached"), 1, "how often something was attached")


@case
def reload_while_events_come(folder):
    """Unchanged scripts lose nothing, and a changed one is armed before its predecessor ends."""
    config = f"""
scripts:
  same: {{program: "{COUNT} {{ @same = count(); }}"}}
  each: {{program: "{COUNT} {{ printf(\\"each %d\\\\n\\", arg0); }}", output: {{file: each.txt}}}}
  other: {{program: "{COUNT} {{ @other = count(); @v = VERSION; }}"}}
"""
    service = Service(folder, config.replace("VERSION", "1"))
    child = start([SELFCOUNT, "--add", "150000"], stdin=subprocess.PIPE)
    check(child.out.wait_for(b"\n", time.monotonic() + 10), "selfcount did not start")
    child.process.stdin.write(b"go\n")
    child.process.stdin.flush()
    for version in range(2, 5):
        service.write(config.replace("VERSION", str(version)))
        service.reload()
        check(version > 2 or child.process.poll() is None, "the calls were over before the first reload was")
    equal(child.wait(time.monotonic() + 60), 0, "selfcount's exit code")
    n = int(re.search(r"^add (\d+)$", child.out.text(), re.M).group(1))
    out = service.stop()
    equal(total(out, "same"), n, "@same")
    equal(out.count("@other: "), 4, "how many versions of `other` printed their count")
    check(total(out, "other") >= n, f"the versions of `other` saw {total(out, 'other')} of {n} calls")
    lines = [line for line in (folder / "each.txt").read_text().split("\n") if line]
    equal(lines, [f"each {i}" for i in range(1, n + 1)], "the lines of `each`")


@case
def reload_adds_changes_and_removes(folder):
    service = Service(folder, f"""
scripts:
  stays: {{program: "{COUNT} {{ @stays = count(); }}"}}
  changes: {{program: "{COUNT} {{ @changes = sum(getopt(\\"by\\", 1)); }}", params: {{by: 10}}}}
  goes: {{program: "{COUNT} {{ @goes = count(); }} end {{ printf(\\"goes ends\\\\n\\"); }}"}}
""")
    first = add(100)
    service.write(f"""
scripts:
  stays: {{program: "{COUNT} {{ @stays = count(); }}"}}
  changes: {{program: "{COUNT} {{ @changes = sum(getopt(\\"by\\", 1)); }}", params: {{by: 1000}}}}
  comes: {{program: "{COUNT} {{ @comes = count(); }}"}}
""")
    service.reload()
    check("goes ends\n" in service.run.out, "the end probe of the removed script did not run")
    equal(total(service.run.out, "goes"), first, "@goes when it was removed")
    equal(total(service.run.out, "changes"), 10 * first, "@changes of the first version")
    second = add(50)
    out = service.stop()
    equal(total(out, "stays"), first + second, "@stays")
    equal(total(out, "comes"), second, "@comes")
    equal(total(out, "changes"), 10 * first + 1000 * second, "@changes of both versions")
    equal(total(out, "goes"), first, "@goes at the end")


@case
def reload_of_a_broken_configuration(folder):
    config = f"scripts: {{a: {{program: \"{COUNT} {{ @a = count(); }}\"}}}}\n"
    service = Service(folder, config)
    n = add(10)
    for broken, what in (("scripts:\n\ta: {}\n", "this is not YAML"), ("scripts: {a: {}}\noutptu: {}\n", "did you mean"),
                         ("scripts: []\n", "names no script"),
                         ("scripts: {a: {}}\nfilters:\n  pid: [4194305]\n", ":3:9: error: 'pid': there is no process"), ("\0\1\2", "is not a configuration")):
        service.write(broken)
        before = len(service.run.err)
        service.reload()
        n += add(10)
        wait_until(lambda: "everything runs on as it was" in service.run.err[before:], 5, "'everything runs on'")  # pylint: disable=cell-var-from-loop
        said = service.run.err[before:]
        check(what in said, f"{what!r} is not in: {said}")
    service.config.unlink()
    service.reload()
    service.write(config)
    service.reload()
    n += add(10)
    equal(total(service.stop(), "a"), n, "@a")


@case
def reload_of_a_broken_script(folder):
    """The old one runs on, in the same and in later reloads, until the script is right again."""
    (folder / "a.jt").write_text(f"{COUNT} {{ @a = count(); }}")
    service = Service(folder, "scripts: {a: {script: a.jt}}\n")
    n = add(10)
    service.script("a.jt", f"{COUNT} {{ nothing(); }}")
    service.reload()
    wait_until(lambda: "it runs on as it was" in service.run.err, 5, "'it runs on'")
    check("unknown function 'nothing'" in service.run.err, service.run.err)
    check("[error] a: it has changed, but could not be started: it runs on as it was" in service.run.err, service.run.err)
    n += add(10)
    (folder / "a.jt").unlink()
    service.reload()
    wait_until(lambda: "a: jbtrace: error: cannot open" in service.run.err, 5, "'cannot open' in the log")
    n += add(10)
    service.script("a.jt", f"{COUNT} {{ @a = count(); }}")
    service.reload()
    n += add(10)
    out = service.stop()
    equal(out.count("@a: "), 1, "how often @a was printed")
    equal(total(out, "a"), n, "@a")


@case
def a_file_that_is_removed_while_it_runs(folder):
    (folder / "a.jt").write_text(f"{COUNT} {{ @a = count(); }}")
    service = Service(folder, "scripts: {a: {script: a.jt}}\n")
    (folder / "a.jt").unlink()
    n = add(30)
    equal(total(service.stop(), "a"), n, "@a")
    check("[error]" not in service.run.err, service.run.err)


@case
def reload_tries_what_had_failed(folder):
    (folder / "a.jt").write_text("begin { nothing(); }")
    config = f"scripts: {{a: {{script: a.jt}}, b: {{program: '{COUNT} {{ @b = count(); }}'}}}}\n"
    service = Service(folder, config)
    service.script("a.jt", f"{COUNT} {{ @a = count(); }}")
    service.reload()
    n = add(20)
    out = service.stop()
    equal(total(out, "a"), n, "@a")
    equal(total(out, "b"), n, "@b")


@case
def reload_does_not_wake_what_has_ended(folder):
    service = Service(folder, f"""
scripts:
  once: {{program: "begin {{ printf(\\"once\\\\n\\"); exit(); }}"}}
  on: {{program: "{COUNT} {{ @on = count(); }}"}}
""")
    wait_until(lambda: "once: it has ended" in service.run.err, 10, "the end of `once`")
    service.reload()
    equal(service.stop().count("once\n"), 1, "how often `once` ran")


# --- outputs ---


@case
def csv_in_a_folder(folder):
    service = Service(folder, f"""
scripts:
  adds: {{program: "{COUNT} {{ emit(\\"adds\\", n = arg0, name = \\"a;b\\"); }}"}}
output: {{format: csv, folder: out, delimiter: ";"}}
""")
    n = add(200)
    service.stop()
    files = list((folder / "out").glob("*.csv"))
    equal(len(files), 1, f"the number of files {files}")
    with open(files[0], newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    equal([int(row["n"]) for row in rows], list(range(1, n + 1)), "column n")
    equal({row["name"] for row in rows}, {"a;b"}, "column name")


@case
def a_folder_over_a_reload(folder):
    """For a moment a script and its successor write rows of the same table into the same folder: none is lost."""
    config = f"""
scripts:
  adds: {{program: "{COUNT} {{ emit(\\"adds\\", version = VERSION, n = arg0); }}"}}
output: {{format: csv, folder: out}}
"""
    service = Service(folder, config.replace("VERSION", "1"))
    first = add(150)
    service.write(config.replace("VERSION", "2"))
    service.reload()
    second = add(70)
    service.stop()
    rows = []
    for path in (folder / "out").glob("*.csv"):
        with open(path, newline="", encoding="utf-8") as file:
            rows += list(csv.DictReader(file))
    for version, n in (("1", first), ("2", second)):
        equal(sorted(int(row["n"]) for row in rows if row["version"] == version), list(range(1, n + 1)),
              f"the rows of version {version}")


@case
def a_file_that_was_moved_is_begun_anew(folder):
    """As logrotate(8) does it: move, SIGHUP. Output and log."""
    service = Service(folder, f"""
scripts:
  a: {{program: "{COUNT} {{ printf(\\"%d\\\\n\\", arg0); }}"}}
  b: {{program: "{COUNT} {{ printf(\\"b%d\\\\n\\", arg0); }}"}}
output: {{file: out.txt}}
log: {{file: x.log}}
""")
    out, log = folder / "out.txt", folder / "x.log"
    add(3)
    wait_until(lambda: out.exists() and out.read_text().count("\n") == 6, 10, "six lines")
    out.rename(folder / "out.old")
    log.rename(folder / "x.old")
    service.reload()
    add(2)
    wait_until(lambda: out.read_text().count("\n") == 4, 10, "four lines in the new file")
    equal(sorted(out.read_text().split()), ["1", "2", "b1", "b2"], "the new file")
    equal(sorted((folder / "out.old").read_text().split()), ["1", "2", "3", "b1", "b2", "b3"], "the old file")
    service.stop()
    check("reading the configuration again" in log.read_text(), "the new log")
    check("Attached 1 probe" in (folder / "x.old").read_text(), "the old log")
    # A second service appends.
    again = Service(folder / "again" if (folder / "again").mkdir() else folder / "again", f"""
scripts: {{a: {{program: "begin {{ print(5); }} {COUNT} {{ }}", output: {{file: {out}}}}}}}
""")
    again.stop()
    check(out.read_text().startswith("1\n") or out.read_text().startswith("b1\n"), "the file was emptied")


@case
def the_command_line_comes_first(folder):
    service = Service(folder, f"""
scripts:
  a: {{program: "{COUNT} {{ printf(\\"a %d\\\\n\\", getopt(\\"x\\", 1)); }}", params: {{x: 2}}}}
  b: {{program: "{COUNT} {{ printf(\\"b %d\\\\n\\", getopt(\\"y\\", 1)); }}"}}
  c: {{program: "{COUNT} {{ printf(\\"c\\\\n\\"); }}"}}
defaults: {{params: {{y: 7, nobody: 8}}}}
log: {{file: x.log, level: error}}
""", "-m", "a,b", "--log-level", "debug", "--log", folder / "other.log", "--", "--a.x=3")
    add(1)
    equal(sorted(service.stop().split("\n")), ["", "", "", "", "", "a 3", "b 7"], "the output")
    check(not (folder / "x.log").exists(), "the log of the file was written")
    check("Attached" in (folder / "other.log").read_text(), "the log of the command line was not written")


@case
def one_of_m_is_not_in_the_file(folder):
    (folder / "c.yaml").write_text("scripts: {opens: {}, reads: {}}\n")
    code, _, err = ask("--config", folder / "c.yaml", "-m", "opens,read")
    equal(code, 1, "the exit code")
    check("has no script 'read'; did you mean 'reads'?" in err and "its scripts: opens, reads" in err, err)


# --- the port ---


def fetch(port, path, auth=None):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}")
    if auth:
        request.add_header("Authorization", "Basic " + base64.b64encode(auth.encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as why:
        return why.code, why.read().decode()


def port_of(service):
    match = wait_until(lambda: re.search(r"Listening on \S+:(\d+)/", service.run.err), 10, "'Listening on'")
    return int(match.group(1))


@case
def the_port_of_the_file(folder):
    (folder / "secret").write_text("sesame\n")
    (folder / "secret").chmod(0o600)
    config = f"""
scripts:
  a: {{program: "{COUNT} {{ @adds = count(); }}"}}
  bad: {{program: "begin {{ nothing(); }}"}}
listen: {{port: 0, auth: {{user: ali, password_file: secret}}}}
"""
    service = Service(folder, config)
    port = port_of(service)
    n = add(40)
    equal(fetch(port, "/metrics")[0], 401, "without a password")
    equal(fetch(port, "/metrics", "ali:baba")[0], 401, "with a wrong one")
    status, text = fetch(port, "/metrics", "ali:sesame")
    equal(status, 200, "with the right one")
    check(re.search(rf"^jbtrace_adds\S* {n}(\.0)?$", text, re.M), f"{n} is not in:\n{text}")
    status, text = fetch(port, "/health", "ali:sesame")
    check("unknown function 'nothing'" in text, f"/health does not say why `bad` failed: {text}")
    # Counters go on over a reload, and what is said about the port needs a restart.
    service.write(config.replace("port: 0", "port: 0, max_series: 5"))
    service.reload()
    wait_until(lambda: "that takes effect with a restart" in service.run.err, 5, "'with a restart'")
    n += add(2)
    check(re.search(rf"^jbtrace_adds\S* {n}(\.0)?$", fetch(port, "/metrics", "ali:sesame")[1], re.M), "after the reload")
    # A script that is gone is not shown any more.
    service.write(config.replace('  bad: {program: "begin { nothing(); }"}\n', ""))
    service.reload()
    check("nothing" not in fetch(port, "/health", "ali:sesame")[1], "/health still has the script that is gone")
    service.stop()


@case
def a_port_in_use(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        service = Service(folder, f"scripts: {{a: {{program: '{COUNT} {{ }}'}}}}\nlisten: {{port: {port}}}\n", ready=False)
        equal(service.run.wait(), 1, "the exit code")
        check(str(port) in service.run.err, service.run.err)


@case
def it_goes_on_without_scripts(folder):
    service = Service(folder, """
scripts: {a: {program: "begin { exit(3); }"}}
listen: {port: 0}
service: {keep_running: true, name: monitors}
""")
    port = port_of(service)
    wait_until(lambda: "a: it has ended, with code 3" in service.run.err, 10, "the end of `a`")
    fetch(port, "/health")
    check(service.run.running(), "it ended")
    check("monitors: started" in service.run.err, "the name of the service is not in its log")
    service.stop()


# --- the service manager ---


@case
def what_the_manager_hears(folder):
    service = Service(folder, f"scripts: {{a: {{program: '{COUNT} {{ }}'}}}}\n",
                      env={"WATCHDOG_USEC": "400000"})
    os.kill(service.run.pid, signal.SIGHUP)
    message = service.manager.wait_for("RELOADING")
    now = time.clock_gettime(time.CLOCK_MONOTONIC) * 1e6
    check(0 <= now - int(message["MONOTONIC_USEC"]) < 10e6, f"MONOTONIC_USEC is {message}, now it is {now}")
    equal(service.manager.wait_for("READY")["STATUS"], "jbtrace: 1 script runs", "STATUS")
    begin = time.monotonic()
    for _ in range(10):
        service.manager.wait_for("WATCHDOG")
    spent = time.monotonic() - begin
    check(1.2 < spent < 4, f"ten signs of life in {spent:.1f} s, of which there should be one every 0.2 s")
    # Who does not read events is silent.
    os.kill(service.run.pid, signal.SIGSTOP)
    service.manager.socket.settimeout(0.6)
    try:
        while True:
            service.manager.hear()
            check(time.monotonic() - begin < spent + 5, "it goes on while it is stopped")
    except TimeoutError:
        pass
    os.kill(service.run.pid, signal.SIGCONT)
    service.manager.socket.settimeout(20)
    service.manager.wait_for("WATCHDOG")
    os.kill(service.run.pid, signal.SIGTERM)
    service.manager.wait_for("STOPPING")
    equal(service.run.wait(), 0, "the exit code")


@case
def no_sign_of_life_unless_wanted(folder):
    service = Service(folder, f"scripts: {{a: {{program: '{COUNT} {{ }}'}}}}\nservice: {{watchdog: false}}\n",
                      env={"WATCHDOG_USEC": "100000"})
    service.manager.socket.settimeout(0.5)
    before = len(service.manager.heard)
    try:
        while True:
            service.manager.hear()
    except TimeoutError:
        pass
    check(not any("WATCHDOG" in text for _, text in service.manager.heard[before:]), "there was one")
    service.stop()


# --- the daemon ---


class Daemon:
    """jbtrace --daemon with these arguments; ended with the case."""

    def __init__(self, folder, *argv):
        self.file = folder / "d.pid"
        self.argv = ["--pid-file", self.file, *argv]
        self.code, self.out, self.err = ask("--daemon", *self.argv)

    @property
    def pid(self):
        return int(self.file.read_text())

    def ask(self, what):
        return ask(what, "--pid-file", self.file)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ask("--daemon-stop")


@case
def daemon_status_and_stop(folder):
    out = folder / "out.txt"
    with Daemon(folder, "-o", out, "--log", folder / "x.log", "-e", f"{COUNT} {{ @n = count(); }}") as daemon:
        equal((daemon.code, daemon.out, daemon.err), (0, "", ""), "what --daemon says")
        equal(daemon.ask("--daemon-status"), (0, f"running (PID: {daemon.pid})\n", ""), "--daemon-status")
        pid = daemon.pid
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        equal(int(stat[4]), 0, "its terminal")
        check(int(stat[3]) != os.getsid(0) and int(stat[3]) != pid, f"its session is {stat[3]}")
        for fd in range(3):
            equal(os.readlink(f"/proc/{pid}/fd/{fd}"), "/dev/null", f"its descriptor {fd}")
        n = add(123)
        equal(daemon.ask("--daemon-stop"), (0, f"stopped (PID: {pid})\n", ""), "--daemon-stop")
        check(not pathlib.Path(f"/proc/{pid}").exists() or "Z" in pathlib.Path(f"/proc/{pid}/stat").read_text(),
              "it still runs")
        equal(total(out.read_text(), "n"), n, "@n")
        check(not daemon.file.exists(), "the pid file is still there")
        equal(daemon.ask("--daemon-status"), (1, "not running\n", ""), "--daemon-status after that")
        equal(daemon.ask("--daemon-stop"), (1, "not running\n", ""), "--daemon-stop after that")


@case
def two_daemons_with_one_pid_file(folder):
    with Daemon(folder, "-e", f"{COUNT} {{ @n = count(); }}") as daemon:
        equal(daemon.code, 0, daemon.err)
        second = Daemon(folder, "-e", f"{COUNT} {{ }}")
        equal(second.code, 1, "the exit code of the second")
        check(f"process {daemon.pid} runs with the pid file" in second.err, second.err)
        equal(daemon.ask("--daemon-status")[0], 0, "--daemon-status")
        # In the foreground it is the same.
        (folder / "c.yaml").write_text("scripts: {a: {program: 'begin { }'}}\nservice: {pid_file: d.pid}\n")
        code, _, err = ask("--config", folder / "c.yaml")
        equal(code, 1, "the exit code of the third")
        check(f"process {daemon.pid} runs" in err, err)


@case
def a_pid_file_that_was_left_behind(folder):
    (folder / "d.pid").write_text("1\n")
    equal(ask("--daemon-status", "--pid-file", folder / "d.pid"), (1, "not running\n", ""), "--daemon-status")
    with Daemon(folder, "-e", f"{COUNT} {{ }}") as daemon:
        equal(daemon.code, 0, daemon.err)
        check(daemon.pid != 1, "the old number")
        os.kill(daemon.pid, signal.SIGKILL)
        wait_until(lambda: daemon.ask("--daemon-status")[0] == 1, 10, "not running")
        check(daemon.file.exists(), "who is killed leaves its file")
        with Daemon(folder, "-e", f"{COUNT} {{ }}") as second:
            equal(second.code, 0, second.err)


@case
def what_goes_wrong_before_is_said_at_once(folder):
    for argv, code, what in ((("-e", "begin { nothing(); }"), 1, "unknown function 'nothing'"),
                             (("-e", "uprobe:libc:pthread_spin_lock { }"), 255, "error: "),
                             (("-m", "nobody"), 1, "no bundled script 'nobody'"),
                             (("--config", folder / "none.yaml"), 1, "cannot open"),
                             (("-e", f"{COUNT} {{ }}", "-o", "/nowhere/x"), 1, "cannot write '/nowhere/x'"),
                             (("-e", f"{COUNT} {{ }}", "--pid-file", "/nowhere/x"), 1, "cannot make the pid file")):
        daemon = Daemon(folder, "--log", folder / "x.log", *argv)
        check(what in daemon.err, f"{argv}: {what!r} is not in {daemon.err!r}")
        equal(daemon.code, code, f"the exit code of {argv}")
        equal(daemon.ask("--daemon-status")[0], 1, "--daemon-status")
    equal(ask("--daemon")[0], 1, "--daemon alone")


@case
def a_daemon_reloads_its_files(folder):
    script, out = folder / "a.jt", folder / "out.txt"
    script.write_text(f"{COUNT} {{ @a = count(); }}")
    with Daemon(folder, "-o", out, "--log", folder / "x.log", script) as daemon:
        equal(daemon.code, 0, daemon.err)
        first = add(5)
        script.write_text(f"{COUNT} {{ @b = count(); }}")
        os.kill(daemon.pid, signal.SIGHUP)
        wait_until(lambda: "started anew" in (folder / "x.log").read_text(), 10, "'started anew' in the log")
        second = add(6)
        daemon.ask("--daemon-stop")
    equal((total(out.read_text(), "a"), total(out.read_text(), "b")), (first, second), "@a and @b")


@case
def a_second_signal_ends_at_once(folder):
    """SIGTERM twice while the end probe would take long."""
    need("timeout")
    service = Service(folder, f"scripts: {{a: {{program: '{COUNT} {{ }}'}}}}\n")
    os.kill(service.run.pid, signal.SIGSTOP)
    os.kill(service.run.pid, signal.SIGTERM)
    os.kill(service.run.pid, signal.SIGINT)
    os.kill(service.run.pid, signal.SIGCONT)
    equal(service.run.wait(), 130, "the exit code")


# --- the log ---


TMPFS = ("unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=64k none "$0" && exec "$@"')


@case
def a_log_on_a_full_disk(folder):
    """64 KiB are soon full of warnings; the counts are right all the same, and no line is torn."""
    need("unshare")
    disk = folder / "disk"
    disk.mkdir()
    if subprocess.run([*TMPFS, disk, "true"], capture_output=True, check=False).returncode:
        raise Skip("mounting a tmpfs in a namespace of our own is not allowed")
    bad = "\n".join(f"  bad{i}: {{program: 'begin {{ nothing(); }}'}}" for i in range(40))
    service = Service(folder, f"""
scripts:
  a: {{program: "{COUNT} {{ @a = count(); }}"}}
{bad}
log: {{file: {disk}/x.log}}
""", wrapper=(*TMPFS, disk))
    n = 0
    for _ in range(20):  # 10 KB of mistakes each
        service.reload()
        n += add(10)
    log = pathlib.Path(f"/proc/{service.run.pid}/root{disk}/x.log")
    text = log.read_text()
    check(60000 < len(text) <= 65536, f"the log has {len(text)} bytes, so that the disk was not full")
    for line in text.split("\n")[:-1]:
        check(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \[\w+\] |\(\d+ log lines were lost", line), f"torn: {line!r}")
    check(text.endswith("\n"), "the last line is torn")
    log.write_text("")
    service.reload()
    wait_until(lambda: "log lines were lost: No space left on device" in log.read_text(), 10, "what was lost")
    equal(total(service.stop(), "a"), n, "@a")


@case
def a_log_that_cannot_be_written(folder):
    service = Service(folder, f"scripts: {{a: {{program: '{COUNT} {{ @a = count(); }}'}}}}\nlog: {{file: /nowhere/x.log}}\n")
    n = add(10)
    equal(total(service.stop(), "a"), n, "@a")
    check("cannot write the log '/nowhere/x.log'" in service.run.err, service.run.err)
    check("[info] a: Attached 1 probe" in service.run.err, "what the log would have had")


@case
def a_log_is_rotated(folder):
    service = Service(folder, f"""
scripts: {{a: {{program: '{COUNT} {{ }}'}}, bad: {{program: "begin {{ nothing(); }}"}}}}
log: {{file: logs/x.log, rotation: {{size: 1KB}}, keep: 2}}
""" if (folder / "logs").mkdir() is None else "")
    for _ in range(20):
        service.reload()
    service.stop()
    files = sorted((folder / "logs").iterdir())
    equal(len(files), 3, f"the number of files {files}")
    check(all(file.stat().st_size <= 1024 for file in files), "a file is too large")


@case
def the_journal(folder):
    """stderr is a pipe here, and JOURNAL_STREAM names it."""
    (folder / "c.yaml").write_text(f"scripts: {{a: {{program: '{COUNT} {{ }}'}}, bad: {{program: 'begin {{ x(); }}'}}}}\n")
    reader, writer = os.pipe()
    st = os.fstat(writer)
    child = subprocess.Popen([JBTRACE, "--config", folder / "c.yaml"], stderr=writer, stdout=subprocess.DEVNULL,
                             env={**os.environ, "JOURNAL_STREAM": f"{st.st_dev}:{st.st_ino}"})
    os.close(writer)
    try:
        text = b""
        while b"started: " not in text:
            text += os.read(reader, 4096)
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(20)
    check(b"<6>a: Attached 1 probe\n" in text, text)
    check(b"<3>bad:1:9: error: unknown function 'x'\n" in text, text)


# --- files that are no configuration ---


@case
def what_is_no_configuration(folder):
    code, _, err = ask("--config", folder, "--check")
    equal(code, 1, "a folder")
    check("is a directory" in err, err)
    code, _, err = ask("--config", folder / "none.yaml")
    equal(code, 1, "a missing file")
    check("No such file" in err, err)
    garbage = folder / "g.yaml"
    garbage.write_bytes(pathlib.Path(shutil.which("true")).read_bytes())
    code, _, err = ask("--config", garbage, "--check")
    equal(code, 1, "a program")
    check("is not a configuration" in err, err)
    garbage.write_bytes(b"scripts: [a]\n# " + b"x" * (5 << 20))
    code, _, err = ask("--config", garbage, "--check")
    equal(code, 1, "5 MB")
    check("too large" in err, err)
    code, _, err = ask("--config", garbage, "-e", "begin { }")
    equal(code, 1, "-e beside it")


@case
def check_says_how_each_script_does(folder):
    (folder / "c.yaml").write_text(f"""
scripts:
  good: {{program: "{COUNT} {{ @ = count(); }}"}}
  bad: {{program: "begin {{ nothing(); }}"}}
  lost: {{script: lost.jt}}
  off: {{program: "begin {{ nothing(); }}", enabled: false}}
""")
    code, out, err = ask("--config", folder / "c.yaml", "--check")
    equal(code, 1, "the exit code")
    equal(sorted(out.split("\n")), ["", "bad: failed", "good: good", "lost: failed", "off: disabled"], "stdout")
    check("bad:1:9: error: unknown function" in err, err)
    code, out, _ = ask("--config", folder / "c.yaml", "--check", "-m", "good")
    equal((code, out), (0, "good: good\n"), "--check -m good")
    # A wrong name of a parameter, beside other mistakes: all of them at once, each where it stands.
    (folder / "c.yaml").write_text("""scripts:
  one: {program: "begin { printf(\\"%d\\", getopt(\\"clock\\", 5)); }", params: {clokc: 9}}
  two: {program: "begin { nothing(); }", unsave: true}
  three: {program: "begin { }", args: {a: b}}
  four: {program: "begin { }", params: {x: 1}}
output: {format: xml}
""")
    code, out, err = ask("--config", folder / "c.yaml", "--check")
    equal((code, sorted(out.split())), (1, sorted("one: failed two: failed three: good four: failed".split())), "--check")
    for what in ("c.yaml:2:78: error: the script 'one' has no parameter 'clokc'", "did you mean 'clock'?",
                 "c.yaml:3:42: error: there is no key 'unsave' here", "two:1:9: error: unknown function",
                 "c.yaml:4:39: error: 'args' wants", "c.yaml:5:41: error: the script 'four' has no parameter 'x'",
                 "c.yaml:6:18: error: 'format' wants"):
        check(what in err, f"{what!r} is not in {err}")
    check("unexpected program command line" not in err, err)
    code, out, err = ask("--config", folder / "c.yaml")
    equal((code, out), (1, ""), "what has mistakes is not run")
    # What is named and not there.
    (folder / "c.yaml").write_text("""
scripts: {good: {program: "begin { }"}}
output: {folder: /nowhere/at/all, format: csv}
log: {file: /nowhere/x.log}
listen: {port: 1, auth: {user: a, password_file: nopassword}}
""")
    code, out, err = ask("--config", folder / "c.yaml", "--check")
    equal((code, out), (1, "good: good\n"), "--check")
    for what in ("output: cannot write into '/nowhere/at'", "log: cannot write into '/nowhere'", "listen: cannot read '"):
        check(what in err, f"{what!r} is not in {err}")


if __name__ == "__main__":
    assert ROOT
    sys.exit(run_cases())
