#!/usr/bin/env python3
"""Are the example configuration and the systemd unit right? Usage: service_files.py [NAME].

The configuration must have every key that --help-config lists, and pass --check both as it is and with all keys that are
commented out put in force. The unit is read by systemd-analyze; its capabilities must be enough for a live run whose count
is known, and its system call filter must let through what strace(1) sees of a life with reload and page. Last line: passed,
failed, skipped.
"""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import urllib.request

from jbtest import BUILD, JBTRACE, ROOT, Failed, Jbtrace, Skip, case, check, equal, need, prog, run_cases, wait_until

CONFIG = ROOT / "examples/config/monitors.yaml"
UNIT = ROOT / "examples/deploy/systemd/jbtrace.service"
SELFCOUNT = prog("selfcount")


def keys_of_help():
    """Every key as a path: "log.rotation.size". Below a script, `filters` and `output` are those at the top."""
    text = subprocess.run([JBTRACE, "--help-config"], capture_output=True, text=True, check=True).stdout
    path, found = [], set()
    for line in text.splitlines():
        match = re.match(r"( *)(\w+):", line)
        depth = len(match.group(1)) // 2
        path = path[:depth] + [match.group(2)]
        if match.group(2) != "NAME":
            found.add(".".join(path))
    return found


def keys_of_example(text):
    """The same of the configuration, by its indentation; names of scripts are NAME, names of parameters are left out."""
    path, found, program = [], set(), None
    for line in text.splitlines():
        match = re.match(r"( *)([\w-]+):(.*)", line)
        if not match:
            continue
        depth = len(match.group(1)) // 2
        if program is not None and depth > program:
            continue
        program = depth if match.group(3).strip() == "|" else None
        path = path[:depth] + ["NAME" if depth == 1 and path[0] == "scripts" else match.group(2)]
        if "params" not in path[:-1]:
            found.add(".".join(path))
    return found


def in_force():
    """The text with keys that are commented out (`#key:`) put in force."""
    return re.sub(r"^( *)#(?=\w+:)", r"\1", CONFIG.read_text(encoding="utf-8"), flags=re.M)


def check_config(path):
    done = subprocess.run([JBTRACE, "--config", path, "--check"], capture_output=True, text=True, timeout=60, check=False)
    equal((done.returncode, done.stderr), (0, ""), f"--check of {path}")
    equal(sorted(line.split(": ")[1] for line in done.stdout.splitlines()), ["good"] * 4, "what it says of each script")


@case
def the_example_passes():
    check_config(CONFIG)


@case
def the_example_has_every_key():
    have = keys_of_example(in_force())
    have |= {key.removeprefix("scripts.NAME.") for key in have if "NAME.output." in key}  # file and folder exclude each other
    want = keys_of_help()
    check(len(want) > 60, f"--help-config has {len(want)} keys only")
    equal(sorted(want - have), [], "keys that the example lacks")
    extra = {key for key in have - want if not key.startswith(("x-", "scripts.NAME.output.", "scripts.NAME.filters."))}
    equal(sorted(extra), ["scripts.NAME"], "what the example has and the help has not")


@case
def the_example_passes_with_all_keys(folder):
    place = folder / "examples/config"
    place.mkdir(parents=True)
    for script in (ROOT / "examples").glob("*.jt"):
        shutil.copy(script, folder / "examples")
    for name in ("password", "cert.pem", "key.pem"):
        (place / name).write_text("x\n", encoding="ascii")
    text = in_force()
    # What is said of processes has to be true here.
    text = text.replace("not_pid: [2]", f"not_pid: [{os.getppid()}]").replace("pid: [1]", f"pid: [{os.getpid()}]", 1)
    text = text.replace("pgid: [1]", f"pgid: [{os.getpgrp()}]").replace("not_pgid: [2]", f"not_pgid: [{os.getpgrp()}]")
    text = text.replace("pidns: [4026531836]", f"pidns: [{os.stat('/proc/self/ns/pid').st_ino}]")
    text = text.replace("not_pidns: [1]", f"not_pidns: [{os.stat('/proc/self/ns/pid').st_ino}]")
    text = text.replace("/nowhere", "/")
    (place / "monitors.yaml").write_text(text, encoding="utf-8")
    check_config(place / "monitors.yaml")


# --- the unit ---


def unit():
    """Setting -> value of the [Service] section; of those that may be given twice the last."""
    section, found = None, {}
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = line
        elif section == "[Service]" and "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            found[key] = value
    return found


@case
def systemd_takes_the_unit(folder):
    need("systemd-analyze")
    text = UNIT.read_text(encoding="utf-8").replace("/usr/local/bin/jbtrace", str(JBTRACE))
    copy = folder / "jbtrace.service"
    copy.write_text(text, encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True, timeout=60,
                          check=False)
    ours = [line for line in done.stderr.splitlines() if "jbtrace" in line]
    equal((done.returncode, ours), (0, []), "systemd-analyze verify")
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", copy], capture_output=True,
                          text=True, timeout=60, check=False)
    match = re.search(r"exposure level for jbtrace.service: ([\d.]+)", done.stdout)
    if not match:
        raise Skip("systemd-analyze cannot rate a file")
    check(float(match.group(1)) < 4, f"exposure {match.group(1)} of 10")


@case
def the_unit_notifies():
    have = unit()
    equal((have["Type"], have["NotifyAccess"], have["NoNewPrivileges"]), ("notify", "main", "yes"), "type")
    check(int(have["WatchdogSec"]) > 5 and "HUP" in have["ExecReload"], "watchdog and reload")


# systemd mounts it at boot.
TRACEFS = ("unshare", "-m", "sh", "-c",
           'mountpoint -q /sys/kernel/tracing || mount -t tracefs none /sys/kernel/tracing && exec "$@"', "sh")


def confined():
    """With tracefs as systemd mounts it, the unit's capabilities and nothing else, as far as setpriv(1) does it."""
    need("unshare", "mountpoint", "setpriv")
    names = [name.removeprefix("CAP_").lower() for name in unit()["CapabilityBoundingSet"].split()]
    words = ",".join(["-all"] + [f"+{name}" for name in names])
    wrapper = [*TRACEFS, "setpriv", "--no-new-privs", "--inh-caps", words, "--bounding-set", words]
    if subprocess.run([*wrapper, "true"], capture_output=True, check=False).returncode:
        raise Skip("unshare and setpriv cannot do this here")
    return wrapper


@case
def the_capabilities_are_enough(folder):
    """A program of another user in a folder that only he may read; kernel stacks with names; files of output."""
    private = folder / "private"
    private.mkdir()
    shutil.copy(SELFCOUNT, private)
    os.chown(private, 65534, 65534)
    os.chown(private / "selfcount", 65534, 65534)
    private.chmod(0o700)
    folder.chmod(0o711)
    (folder / "c.yaml").write_text(f"""
scripts:
  adds: {{program: "uprobe:{private}/selfcount:target_add {{ @adds = count(); }}"}}
  stacks: {{program: "tracepoint:syscalls:sys_enter_getppid /comm == \\"selfcount\\"/ {{ @stacks[kstack(3)] = count(); }}"}}
output: {{file: {folder}/out.txt}}
log: {{file: {folder}/x.log}}
listen: {{port: 0}}
""", encoding="utf-8")
    run = Jbtrace("--config", folder / "c.yaml", wrapper=confined())
    log = (folder / "x.log").read_text(encoding="utf-8")
    check("started: 2 of 2 scripts run" in log, log)
    done = subprocess.run(["setpriv", "--reuid", "65534", "--clear-groups", private / "selfcount", "--no-wait", "--add",
                           "250", "--getppid", "9"], capture_output=True, text=True, timeout=20, check=True)
    n = int(re.search(r"^add (\d+)$", done.stdout, re.M).group(1))
    equal(run.stop(signal.SIGTERM), 0, "the exit code")
    out = (folder / "out.txt").read_text(encoding="utf-8")
    check(f"@adds: {n}\n" in out, out)
    check(re.search(r"^ +\w*(sys|trace|entry)\w*\+\d+$", out, re.M), f"no names in the stack:\n{out}")


def allowed_calls():
    """The unit's SystemCallFilter, sets expanded by systemd-analyze."""
    done = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager"], capture_output=True, text=True, timeout=60,
                          check=False)
    if done.returncode:
        raise Skip("systemd-analyze syscall-filter does not work here")
    sets, name = {}, None
    for line in done.stdout.splitlines():
        if line.startswith("@"):
            name = line.strip()
            sets[name] = set()
        elif name and line.startswith("    ") and not line.strip().startswith("#"):
            sets[name].add(line.strip())

    def expand(word):
        return set().union(*map(expand, sets[word])) if word.startswith("@") else {word}

    return set().union(*map(expand, unit()["SystemCallFilter"].split())) | expand("@default")


@case
def the_call_filter_lets_everything_through(folder):
    need("strace", "systemd-analyze", "unshare")
    allowed = allowed_calls()
    config = f"""
scripts:
  adds: {{program: "uprobe:{SELFCOUNT}:target_add {{ @adds[comm, ustack(3)] = count(); emit(\\"add\\", a = arg0); }}"}}
  calls: {{program: "tracepoint:syscalls:sys_enter_getppid {{ @calls[comm, kstack(3)] = count(); }} interval:50ms {{ time(\\"%H\\\\n\\"); }}"}}
  span: {{program: "span:syscall:getppid {{ @t = hist(duration); }} end {{ printf(\\"bye\\\\n\\"); }}"}}
  stream: {{script: ffmpeg_jitter}}
output: {{format: csv, folder: {folder}/out, rotation: {{size: 1KB}}, gzip: true}}
log: {{file: {folder}/x.log, rotation: {{size: 1KB}}, keep: 1}}
listen: {{port: 0}}
service: {{pid_file: {folder}/x.pid}}
"""
    (folder / "c.yaml").write_text(config, encoding="utf-8")
    run = Jbtrace("--config", folder / "c.yaml", armed=False,
                  wrapper=(*TRACEFS, "strace", "-f", "-qq", "-e", "signal=none", "-o", folder / "calls"))
    run.wait_armed(30)
    log = folder / "x.log"
    said = ""
    for path in folder.glob("x.log*"):
        said += path.read_text(encoding="utf-8")
    match = re.search(r"Listening on \S+:(\d+)/", said)
    if not match:
        raise Failed(said)
    subprocess.run([SELFCOUNT, "--no-wait", "--add", "500", "--getppid", "20"], capture_output=True, timeout=60, check=True)
    for path in ("/metrics", "/health", "/"):
        with urllib.request.urlopen(f"http://127.0.0.1:{match.group(1)}{path}", timeout=20) as answer:
            check(answer.status == 200 and answer.read(), path)
    (folder / "c.yaml").write_text(config.replace("ustack(3)", "ustack(4)"), encoding="utf-8")
    os.kill(int((folder / "x.pid").read_text(encoding="ascii")), signal.SIGHUP)
    wait_until(lambda: any("started anew" in path.read_text(encoding="utf-8") for path in folder.glob("x.log*")), 30,
               f"a reload in {log}")
    os.kill(int((folder / "x.pid").read_text(encoding="ascii")), signal.SIGTERM)
    equal(run.wait(30), 0, "the exit code")
    seen = set(re.findall(r"^\d+ +(\w+)\(", (folder / "calls").read_text(errors="replace"), re.M))
    check(len(seen) > 40 and "bpf" in seen and "perf_event_open" in seen, f"strace saw little: {sorted(seen)}")
    equal(sorted(seen - allowed), [], "calls that the filter would refuse")


if __name__ == "__main__":
    assert BUILD and pathlib
    sys.exit(run_cases())
