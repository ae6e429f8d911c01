#!/usr/bin/env python3
"""The page of --listen in headless Chromium: the numbers it shows are those of the traced programs and of what jbtrace prints
at its end; it asks nobody else for anything, and what maps hold is text to it. Pictures are left in BUILD/artifacts.
Usage: page.py [NAME]. Last line: passed, failed, skipped."""
import json
import os
import re
import subprocess
import sys
import time

import jbtest
from chrome import Chrome, find_chromium
from jbtest import BUILD, Jbtrace, case, check, equal, prog, run_cases, start, wait_until

PICTURES = BUILD / "artifacts"
# Nothing but this machine has a name: what the page might ask of others would fail and be told.
ALONE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


class Page(Chrome):
    """The page of a jbtrace, with some questions to it."""

    def __init__(self, tracer, path="/"):
        super().__init__(ALONE)
        self.base = f"http://127.0.0.1:{tracer.port}"
        self.size(1280, 1000)
        self.go(self.base + path)
        self.wait_for("document.body && Number(document.body.dataset.updates) > 0")

    def next_update(self):
        """Wait until what has happened before this call is shown."""
        now = int(self.value("document.body.dataset.updates"))
        self.wait_for(f"Number(document.body.dataset.updates) > {now} + 1")

    def card(self, name, script):
        """The value of an expression over `card`, the section of a map."""
        return self.value("(() => { const card = [...document.querySelectorAll('.card')].find((one) => "
                          f"one.querySelector('h3').textContent === {json.dumps(name)}); return card ? {script} : null; }})()")

    def rows(self, name):
        """Cells of a table: the text, or where there is more to a number, all of its digits."""
        return self.card(name, "[...card.querySelectorAll('.scroll tbody tr')].map((row) => [...row.cells].map((cell) => "
                               "cell.title || cell.textContent))")

    def header(self, name):
        return self.card(name, "[...card.querySelectorAll('.scroll th')].map((cell) => [cell.textContent, "
                               "cell.getAttribute('aria-sort')])")

    def buckets(self, name):
        return self.card(name, "[...card.querySelectorAll('.hist tr')].map((row) => [row.cells[0].textContent, "
                               "row.cells[2].title])")

    def judge(self):
        """Nothing went wrong in the browser, and nobody else was asked."""
        equal(self.problems, [], "problems told by the browser")
        others = [url for url in self.requests if not url.startswith((self.base + "/", "data:", "about:"))]
        equal(others, [], "requests to others")


def number(text):
    return int(re.sub(r"[^\d-]", "", text))


def let_go(program, what=b"add "):
    program.process.stdin.write(b"go\n")
    program.process.stdin.flush()
    check(program.out.wait_for(what, time.monotonic() + 20), "the program did not count")


def waiting(*argv):
    program = start(argv, subprocess.PIPE)
    check(program.out.wait_for(b"\n", time.monotonic() + 10), f"{argv} did not start")
    return program


@case
def numbers_are_the_programs():
    program = waiting(prog("selfcount"), "--add", 4321, "--linger")
    tracer = Jbtrace("--listen", 0, "-p", program.pid, "-e",
                     f"uprobe:{prog('selfcount')}:target_add {{ @calls[comm, pid] = count(); @total = count(); "
                     "@size_bytes = hist(arg0); @own = bhist(arg0, 10, 2000); @all = agg(n = count(), biggest = max(arg0), mean = avg(arg0)); }")
    with Page(tracer) as page:
        let_go(program)
        page.next_update()
        equal(page.rows("@calls"), [["selfcount", str(program.pid), "4,321"]], "the table of @calls")
        equal(page.header("@calls"), [["comm", None], ["pid", None], ["count", "descending"]], "its header")
        equal(page.card("@total", "card.dataset.value"), "4321", "the tile of @total")
        equal(page.card("@total", "card.querySelector('.number').textContent"), "4,321", "the number in it")
        rows = page.rows("@all")
        equal(rows[0][:2], ["4,321", "4,321"], "count and maximum in the row of @all")
        shown = {label: number(count) for label, count in page.buckets("@size_bytes")}
        equal(sum(shown.values()), 4321, "values in the histogram")
        equal(shown["[2 KiB, 4 KiB)"], 2048, "values from 2048 to 4095")
        equal(page.buckets("@own"), [["(…, 10]", "10"], ["(10, 2,000]", "1,990"], ["(2,000, …)", "2,321"]], "bounds of the script's choice")
        equal(page.value("document.getElementById('status').textContent"), "Healthy", "status")
        page.judge()
    tracer.stop()
    check(f"@calls[selfcount, {program.pid}]: 4321" in tracer.out, tracer.out)
    check(re.search(r"^\[2K, 4K\)\s+2048 \|", tracer.out, re.M), f"END print has no 2048: {tracer.out}")


@case
def counts_go_on_by_themselves():
    program = waiting(prog("selfcount"), "--add", 100, "--linger")
    tracer = Jbtrace("--listen", 0, "-e", f"uprobe:{prog('selfcount')}:target_add {{ @n[comm] = count(); }}")
    with Page(tracer) as page:
        equal(page.card("@n", "card.querySelector('.rest').textContent.includes('empty')"), True, "an empty map says so")
        let_go(program)
        wait_until(lambda: page.rows("@n") == [["selfcount", "100"]], 5, "100 calls in the table")
        subprocess.run([prog("selfcount"), "--no-wait", "--add", "50"], check=True, stdout=subprocess.DEVNULL)
        wait_until(lambda: page.rows("@n") == [["selfcount", "150"]], 5, "150 calls in the table")
        page.judge()


@case
def sorted_by_mouse_and_keyboard():
    tracer = Jbtrace("--listen", 0, "-e", f"uprobe:{prog('manykeys')}:key_hit {{ @n[arg0] = agg(hits = count(), "
                     "left = sum(1000 - arg0)); }")
    subprocess.run([prog("manykeys"), "12", "3"], check=True, stdout=subprocess.DEVNULL)
    with Page(tracer) as page:
        def keys():
            return [int(row[0]) for row in page.rows("@n")]

        wait_until(lambda: len(keys()) == 12, 5, "12 rows")
        page.card("@n", "card.querySelectorAll('th button')[2].click()")
        equal(keys(), list(range(12)), "keys by `left`, biggest first")
        page.card("@n", "card.querySelectorAll('th button')[2].click()")
        equal(keys(), list(reversed(range(12))), "keys by `left`, smallest first")
        equal([sort for _, sort in page.header("@n")], [None, None, "ascending"], "aria-sort")
        page.card("@n", "card.querySelectorAll('th button')[0].focus()")
        for key in ("Enter", "Enter"):
            for kind in ("keyDown", "keyUp"):
                page.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, text="\r", windowsVirtualKeyCode=13)
        equal(keys(), list(reversed(range(12))), "keys by key, after Enter twice")
        equal([sort for _, sort in page.header("@n")], ["descending", None, None], "aria-sort after Enter twice")
        page.next_update()
        equal(keys(), list(reversed(range(12))), "the order after an update")
        page.judge()


@case
def five_thousand_rows():
    tracer = Jbtrace("--listen", 0, "-e", "config = { max_map_keys = 10000 } "
                     f"uprobe:{prog('manykeys')}:key_hit {{ @n[arg0] = sum(arg0); }}")
    subprocess.run([prog("manykeys"), "5000", "2"], check=True, stdout=subprocess.DEVNULL)
    with Page(tracer) as page:
        wait_until(lambda: page.rows("@n") and page.rows("@n")[0] == ["4999", "9,998"], 5, "the biggest row")
        equal(len(page.rows("@n")), 25, "rows that are shown")
        equal(page.card("@n", "card.querySelector('.rest span').textContent"), "and 4,975 more", "the count of the rest")
        check("5,000 rows" in page.card("@n", "card.querySelector('header').textContent"), "the count of all")
        # The smallest keys are not among the rows that were sent first.
        page.card("@n", "card.querySelectorAll('th button')[0].click()")
        wait_until(lambda: [row[0] for row in page.rows("@n")] == [str(n) for n in range(25)], 8, "the smallest keys")
        page.card("@n", "card.querySelector('.more').click()")
        equal(len(page.rows("@n")), 100, "rows after `Show more`")
        page.value("(() => { const box = document.getElementById('find'); box.value = '4242'; "
                   "box.dispatchEvent(new Event('input')); })()")
        wait_until(lambda: sorted(row[0] for row in page.rows("@n")) == ["2121", "4242"], 8, "the rows that have 4242 in a cell")
        took = page.value("(async () => { const began = performance.now(); await ask(); return performance.now() - began; })()")
        check(took < 2000, f"an update with 5,000 rows took {took:.0f} ms")
        page.judge()


@case
def what_maps_hold_is_text(folder):
    evil = ["<img src=x onerror=window.hit=1>", "</script><script>window.hit=1</script>", "'\"><b>bold</b>", "two\nlines",
            "javascript:window.hit=1", "ä漢\u202e"]
    tracer = Jbtrace("--listen", 0, "-e", "config = { max_strlen = 512 } tracepoint:syscalls:sys_enter_openat "
                     f"/pid == {os.getpid()}/ {{ @files[str(args.filename)] = count(); @last = str(args.filename); "
                     "@h[str(args.filename)] = hist(1); }")
    with Page(tracer) as page:
        for name in evil:
            try:
                os.open(f"{folder}/{name}".encode(), os.O_RDONLY)
            except OSError:
                pass
        page.next_update()
        shown = page.card("@files", "[...card.querySelectorAll('.scroll tbody td.key')].map((cell) => cell.innerText)")
        for name in evil:
            want = name.split("\n", maxsplit=1)[0]
            check(any(want in text for text in shown), f"no {name!r} in {shown}")
        equal(page.value("window.hit"), None, "a script out of a map ran")
        equal(page.value("document.querySelectorAll('main img, main script, .scroll b').length"), 0, "elements out of a map")
        page.judge()


@case
def a_histogram_of_each_row():
    tracer = Jbtrace("--listen", 0, "-e", f"uprobe:{prog('manykeys')}:key_hit {{ @h[arg0 % 3] = hist(arg0); }}")
    subprocess.run([prog("manykeys"), "300", "1"], check=True, stdout=subprocess.DEVNULL)
    with Page(tracer) as page:
        wait_until(lambda: page.buckets("@h"), 5, "the histogram")

        def total():
            return sum(number(count) for _, count in page.buckets("@h"))

        equal(total(), 300, "values of all rows")
        check("all rows" in page.card("@h", "card.querySelector('.hist caption').textContent"), "it does not say that it is of all")
        page.card("@h", "[...card.querySelectorAll('.pick')].find((one) => one.textContent === '1').click()")
        equal(total(), 100, "values of the row 1")
        equal(page.card("@h", "card.querySelectorAll('.mini rect').length > 20"), True, "small pictures in the cells")
        page.judge()


@case
def hidden_and_paused():
    tracer = Jbtrace("--listen", 0, "-e", "interval:ms:100 { @n = count(); }")
    with Page(tracer) as page:
        page.value("(() => { window.away = true; Object.defineProperty(document, 'hidden', { get: () => window.away }); "
                   "document.dispatchEvent(new Event('visibilitychange')); })()")
        time.sleep(0.5)  # what was asked before is answered
        asked = len(page.requests)
        time.sleep(2.5)
        equal(len(page.requests), asked, "requests while the tab is hidden")
        page.value("(() => { window.away = false; document.dispatchEvent(new Event('visibilitychange')); })()")
        wait_until(lambda: len(page.requests) > asked, 3, "a request when it is seen again")
        page.value("document.getElementById('pause').click()")
        page.wait_for("document.getElementById('status').textContent === 'Paused'")
        time.sleep(0.5)
        asked = len(page.requests)
        time.sleep(2)
        equal(len(page.requests), asked, "requests while it is paused")
        page.value("document.getElementById('pause').click()")
        page.wait_for("document.getElementById('status').textContent === 'Healthy'")
        page.judge()


@case
def troubles_are_told(folder):
    (folder / "short.jt").write_text("interval:s:2 { exit(3); } begin { @x = 42; }")
    (folder / "long.jt").write_text('config = { missing_probes = "warn" } uprobe:libc:pthread_spin_lock { } '
                                    "interval:s:1 { @ticks = count(); }")
    tracer = Jbtrace("--listen", 0, "-m", f"{folder}/short.jt,{folder}/long.jt")
    with Page(tracer) as page:
        page.wait_for("document.getElementById('scripts').textContent.includes('ended')")
        text = page.value("document.getElementById('scripts').textContent")
        check("1 missing" in text, text)
        check("it ended with code 3" in page.value("document.querySelector('main').innerText"), "the end is not explained")
        equal(page.value("document.getElementById('status').textContent"), "Unhealthy", "status")
        equal(page.card("@x", "card.dataset.value"), "42", "the map of the script that has ended")
        page.judge()
        tracer.stop()
        page.wait_for("document.getElementById('status').textContent === 'No answer'", 20)


@case
def history_and_heat():
    program = prog("selfcount")
    tracer = Jbtrace("--listen", 0, "-e", f"uprobe:{program}:target_add {{ @n[comm] = count(); @h = hist(arg0); "
                     "@q_ns = quantiles(arg0); }")
    child = start([program, "--no-wait", "--add", "4000000"])
    # A page that is opened later shows what was before.
    wait_until(lambda: json.loads(subprocess.run(
        ["python3", "-c", f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:{tracer.port}/state.json').read().decode())"],
        check=True, capture_output=True, text=True).stdout)["tick"] >= 4, 30, "four samples")
    with Page(tracer) as page:
        page.wait_for("document.querySelectorAll('svg.lines path.curve').length > 1")
        label = page.card("@n", "card.querySelector('svg.lines').getAttribute('aria-label')")
        check(re.search(r"^@n count /s, now: selfcount [\d,.]+( M)?/s$", label), label)
        names = page.card("@q_ns", "[...card.querySelectorAll('figcaption b')].map((one) => one.textContent)")
        equal(names, ["p50", "p90", "p99", "p99.9"], "lines of the quantiles")
        path = page.card("@n", "card.querySelector('path.curve').getAttribute('d')")
        check(len(re.findall("[ML]", path)) >= 2, f"only {path}")
        painted = page.card("@h", "(() => { const canvas = card.querySelector('canvas'), pen = canvas.getContext('2d'); "
                            "const data = pen.getImageData(0, 0, canvas.width, canvas.height).data; const seen = new Set(); "
                            "for (let i = 0; i < data.length; i += 4) seen.add(data[i] << 16 | data[i + 1] << 8 | data[i + 2]); "
                            "return seen.size; })()")
        check(painted > 3, f"the heat map has {painted} colours")
        page.judge()
    child.end()


def demo(folder):
    """A script with something of everything, on calls that this test makes."""
    script = folder / "opens_and_reads.jt"
    script.write_text("""
tracepoint:syscalls:sys_enter_openat { @opens[comm] = count(); @opens_total = count(); }
tracepoint:syscalls:sys_enter_read { @size_bytes = hist(args.count); @reads_total = count(); }
rawtracepoint:sched_switch { @switches_total = count(); }
span:syscall:read { @delay_ns = quantiles(duration); @io[comm, pid] = agg(reads = count(), errors = sum(retval < 0),
	bytes = sum(retval > 0 ? retval : 0), mean_ns = avg(duration), worst_ns = max(duration)); }
""")
    return script


@case
def pictures(folder):
    tracer = Jbtrace("--listen", 0, demo(folder))
    work = start(["bash", "-c", "while :; do for i in 1 2 3 4 5; do cat /etc/passwd >/dev/null; ls -R /usr/share/doc >/dev/null; "
                  "head -c 300000 /dev/zero | gzip >/dev/null; sleep 0.2; done; done"])
    time.sleep(22)  # something to see in lines over time
    with Page(tracer) as page:
        page.next_update()
        time.sleep(1)
        for scheme in ("light", "dark"):
            page.scheme(scheme)
            page.next_update()
            page.picture(PICTURES / f"page-{scheme}.png")
        equal(page.value("getComputedStyle(document.body).backgroundColor"), "rgb(16, 20, 27)", "the background in dark mode")
        page.picture(PICTURES / "page-whole.png", full=True)
        page.scheme("light")
        page.size(390, 844, 2, True)
        page.next_update()
        page.picture(PICTURES / "page-phone.png")
        equal(page.value("document.documentElement.scrollWidth"), 390, "width of the page on a phone")
        page.call("Emulation.setEmulatedMedia", media="print")
        equal(page.value("getComputedStyle(document.querySelector('.tools')).display"), "none", "controls on paper")
        page.judge()
    work.end()
    for name in ("light", "dark", "whole", "phone"):
        size = (PICTURES / f"page-{name}.png").stat().st_size
        check(size > 20000, f"page-{name}.png has {size} bytes")


@case
def every_control_has_a_name():
    tracer = Jbtrace("--listen", 0, "-e", "interval:ms:100 { @n[cpu] = count(); @h[cpu] = hist(nsecs % 1000); }")
    with Page(tracer) as page:
        page.next_update()
        tree = page.call("Accessibility.getFullAXTree")["nodes"]
        nameless = [node["role"]["value"] for node in tree if not node.get("ignored") and
                    node["role"]["value"] in ("button", "searchbox", "textbox", "link", "columnheader", "image", "table", "region")
                    and not node.get("name", {}).get("value")]
        equal(nameless, [], "controls and pictures without a name")
        roles = {node["role"]["value"] for node in tree}
        check({"banner", "main", "navigation", "table", "columnheader"} <= roles, f"roles: {sorted(roles)}")
        page.judge()


if __name__ == "__main__":
    try:
        find_chromium()
    except jbtest.Skip as missing:
        print(f"skip: page: {missing}")
        print("0 passed, 0 failed, 1 skipped")
        sys.exit(0)
    sys.exit(run_cases())
