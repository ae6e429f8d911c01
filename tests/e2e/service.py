#!/usr/bin/env python3
"""End to end: the scripts of a service: which run, fail, are loaded again, and where they write. Usage: service.py [NAME].

The truth of counts is what tests/progs/selfcount counted itself. Last line: passed, failed, skipped.
"""
import csv
import pathlib
import re
import shutil
import subprocess
import sys
import time

from jbtest import case, check, equal, run_cases, start, wait_until
from services import COUNT, SELFCOUNT, Service, add, ask, total

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


def lines_of(text):
    """Without those that say whose the next ones are."""
    return [line for line in text.split("\n") if line and not line.startswith("==> ")]


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
    wait_until(lambda: out.exists() and len(lines_of(out.read_text())) == 6, 10, "six lines")
    out.rename(folder / "out.old")
    log.rename(folder / "x.old")
    service.reload()
    add(2)
    wait_until(lambda: len(lines_of(out.read_text())) == 4, 10, "four lines in the new file")
    equal(sorted(lines_of(out.read_text())), ["1", "2", "b1", "b2"], "the new file")
    equal(sorted(lines_of((folder / "out.old").read_text())), ["1", "2", "3", "b1", "b2", "b3"], "the old file")
    service.stop()
    check("reading the configuration again" in log.read_text(), "the new log")
    check("Attached 1 probe" in (folder / "x.old").read_text(), "the old log")
    # A second service appends.
    again = Service(folder / "again" if (folder / "again").mkdir() else folder / "again", f"""
scripts: {{a: {{program: "begin {{ print(5); }} {COUNT} {{ }}", output: {{file: {out}}}}}}}
""")
    again.stop()
    equal(sorted(lines_of(out.read_text())), ["1", "2", "5", "b1", "b2"], "the file was emptied")


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
    equal(sorted(lines_of(service.stop())), ["a 3", "b 7"], "the output")
    check(not (folder / "x.log").exists(), "the log of the file was written")
    check("Attached" in (folder / "other.log").read_text(), "the log of the command line was not written")


@case
def one_of_m_is_not_in_the_file(folder):
    (folder / "c.yaml").write_text("scripts: {opens: {}, reads: {}}\n")
    code, _, err = ask("--config", folder / "c.yaml", "-m", "opens,read")
    equal(code, 1, "the exit code")
    check("has no script 'read'; did you mean 'reads'?" in err and "its scripts: opens, reads" in err, err)


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
    sys.exit(run_cases())
