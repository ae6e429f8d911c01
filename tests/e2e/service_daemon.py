#!/usr/bin/env python3
"""End to end: a service and the machine: its port, manager, pid file and log. Usage: service_daemon.py [NAME]. Last line:
passed, failed, skipped.
"""
import base64
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request

from jbtest import JBTRACE, Skip, case, check, equal, need, run_cases, wait_until
from services import COUNT, Service, add, ask, total

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
def records_without_a_place_are_told(folder):
    """With the terminal goes what a script prints: that is said once, while somebody still listens, and in the log."""
    said = "what it prints goes nowhere"
    for argv, is_told in ((), True), (("-o", folder / "x.txt"), False), (("-f", "csv", "-o", f"{folder}/files/"), False), (("--listen", "0"), False):
        log = folder / "x.log"
        log.write_text("")
        with Daemon(folder, *argv, "--log", log, "-e", f'{COUNT} {{ printf("x\\n"); }}') as daemon:
            equal(daemon.code, 0, daemon.err)
            equal((said in daemon.err, said in log.read_text()), (is_told, is_told), f"told with {argv}")


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


if __name__ == "__main__":
    sys.exit(run_cases())
