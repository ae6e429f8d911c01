#!/usr/bin/env python3
"""The second kernel's own tests: what comes back from it, and how it ends when it does not end well.

Usage: test_vm.py [NAME]. Last line: passed, failed, skipped.
"""
import contextlib
import io
import os
import pathlib
import signal
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]
import guest  # noqa: E402
import root  # noqa: E402
import vm  # noqa: E402
from jbtest import Skip, case, check, equal, run_cases, wait_until  # noqa: E402

VM = str(HERE / "vm.py")
SECONDS = 400


def second_kernel(*words, env=None):
    """Status, stdout, stderr of vm.py; a skip when there is no kernel to be had."""
    done = subprocess.run([VM, *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False,
                          env={**os.environ, **(env or {})})
    err = done.stderr.decode(errors="replace")
    if "vm: no second kernel: " in err:
        raise Skip(err.strip().split("\n")[-1])
    return done.returncode, done.stdout.decode(errors="replace"), err


def children(pid):
    """The processes whose parent is `pid`."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            stat = (entry / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if int(stat.rpartition(")")[2].split()[1]) == pid:
            found.append(int(entry.name))
    return found


def is_alive(pid):
    try:
        return " Z " not in pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def qemu_of(pid):
    for child in children(pid):
        name = pathlib.Path(f"/proc/{child}/comm")
        if name.exists() and name.read_text(encoding="utf-8").startswith("qemu-system"):
            return child
    return None


@case
def output_and_status_come_back():
    status, out, err = second_kernel("run", "uname -r; pwd; seq 300000; echo to stderr >/dev/stderr; exit 7")
    release, where, *lines = out.split("\n")
    check(release.startswith("6.1."), f"uname -r says {release}")
    equal(where, str(guest.TREE), "pwd")
    check(lines == [*map(str, range(1, 300001)), ""], f"{len(lines)} lines, not those of seq")
    check("to stderr\n" in err, err)
    equal(status, 7, "status")


@case
def panic_is_told():
    status, out, err = second_kernel("run", "echo before; sleep 2; echo c >/proc/sysrq-trigger; sleep 1000")
    equal((status, out), (125, "before\n"), "status and stdout")
    check("the kernel failed:" in err and "sysrq triggered crash" in err.lower(), err)


@case
def hanging_command_is_ended():
    status, out, err = second_kernel("run", "-t", "3", "echo before; sleep 1000")
    equal((status, out), (124, "before\n"), "status and stdout")
    check("ended after 3 s" in err, err)


@case
def hanging_machine_is_ended():
    # The guest's own clock-watcher is stopped, so only the host can end it.
    status, out, err = second_kernel("run", "-t", "2", "echo before; kill -STOP $PPID; sleep 1000",
                                     env={"JB_VM_GRACE": "5"})
    equal((status, out), (125, "before\n"), "status and stdout")
    check("the command did not end within 2 s" in err, err)


def interrupted(number):
    """No qemu stays when vm.py is ended by this signal; returns its temporary folder."""
    machine = subprocess.Popen([VM, "run", "sleep 1000"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, start_new_session=True)
    try:
        qemu = wait_until(lambda: qemu_of(machine.pid) or machine.poll() is not None, 120, "qemu")
        if qemu is True:
            raise Skip(machine.stderr.read().decode(errors="replace").strip().split("\n")[-1])
        words = pathlib.Path(f"/proc/{qemu}/cmdline").read_text(encoding="utf-8", errors="replace")
        tmp = pathlib.Path(words.split("id=console,path=")[1].split("\0")[0]).parent
        machine.send_signal(number)
        machine.wait(30)
        wait_until(lambda: not is_alive(qemu), 30, "the end of qemu")
        return tmp
    finally:
        machine.kill()
        machine.communicate()


@case
def interrupt_leaves_nothing():
    for number in (signal.SIGTERM, signal.SIGINT):
        tmp = interrupted(number)
        check(not tmp.exists(), f"{tmp} was left")


@case
def kill_leaves_no_qemu():
    tmp = interrupted(signal.SIGKILL)
    check(tmp.name.startswith("jbtrace-vm-"), str(tmp))
    subprocess.run(["rm", "-r", str(tmp)], check=False)


@case
def kernel_that_cannot_be_fetched_is_one_skip(folder):
    (folder / "lists/partial").mkdir(parents=True)
    (folder / "apt.conf").write_text(f'Dir::Etc::sourcelist "/dev/null";\nDir::Etc::sourceparts "/dev/null";\n'
                                     f'Dir::State::lists "{folder}/lists";\nDir::Cache "{folder}";\n', encoding="ascii")
    env = {"APT_CONFIG": str(folder / "apt.conf"), "XDG_CACHE_HOME": str(folder / "cache")}
    done = subprocess.run([VM, "live", "interval"], stdin=subprocess.DEVNULL, capture_output=True, check=False,
                          timeout=SECONDS, env={**os.environ, **env})
    lines = done.stdout.decode().strip().split("\n")
    equal(len(lines), 2, f"lines of {lines}")
    check(lines[0].startswith("skip: all tests on a second kernel: apt "), lines[0])
    equal(lines[1], "0 passed, 0 failed, 1 skipped", "result")
    equal(done.returncode, 0, "status")


@case
def filter_without_a_test_boots_nothing():
    env = {**os.environ, "XDG_CACHE_HOME": "/dev/null/nowhere"}
    done = subprocess.run([VM, "live", "no such test"], stdin=subprocess.DEVNULL, capture_output=True, check=False,
                          timeout=60, env=env)
    equal(done.stdout, b"0 passed, 0 failed, 0 skipped\n", "result")


@case
def dying_suite_is_a_failure_where_it_was(folder):
    """The machine ended while the third test ran: two counted, one failed, and said which."""
    machine = guest.Guest(root.Machine("6.1", folder, folder, folder), folder, 10)
    machine.said["log"] = b"start a.test:1 one\npassed\nstart a.test:5 two\nskipped\nstart a.test:9 three\n"
    with contextlib.redirect_stdout(io.StringIO()) as said:
        equal(vm.judge(machine, None, ["the kernel failed:", "    Oops"], None), [1, 1, 1], "counts")
    check("at a.test:9 three: the kernel failed" in said.getvalue(), said.getvalue())
    machine.console.write_text("Linux version\nfine\nBUG: unable to handle page fault\nRIP: x\n", encoding="ascii")
    equal(machine.trouble(0)[0], "the kernel failed:", "trouble")
    check("    RIP: x" in machine.trouble(0), "the console's lines are missing")


if __name__ == "__main__":
    sys.exit(run_cases(root=False))
