#!/usr/bin/env python3
"""Stacks of programs that were compiled, stripped and damaged in many ways, compared with what they say of themselves
(backtrace(3)), with addr2line and with nm. Usage: stacks.py [NAME]. Last line: passed, failed, skipped."""
import lzma
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time

from jbtest import (BUILD, JBTRACE, ROOT, Jbtrace, Skip, case, check, equal, need, run_cases, sanitized, start, status_of,
                    wait_until)

FRAMES = ROOT / "tests/progs/frames.c"
CPP = ROOT / "tests/progs/cppfuncs.cpp"
CHAIN = ["frames_target", "leg_three", "leg_two", "leg_one", "main"]
BASE = ["-O2", "-g", "-fPIE", "-pie", "-rdynamic"]
NO_POINTERS = ["-fomit-frame-pointer"]
POINTERS = ["-fno-omit-frame-pointer"]
SECTION_HEAD = 64


def run(*argv, **options):
    done = subprocess.run([str(word) for word in argv], check=False, capture_output=True, **options)
    check(done.returncode == 0, f"{argv}: {done.stderr.decode(errors='replace')}")
    return done.stdout


def build(folder, flags, name="frames", compiler="gcc", source=FRAMES):
    need(compiler)
    out = folder / name
    run(compiler, *BASE, *flags, "-D_GNU_SOURCE", "-w", source, "-o", out)
    return out


def trace(script, program, *arguments):
    """What jbtrace -c prints, program and all, until the program has ended."""
    command = " ".join([str(program), *map(str, arguments)])
    done = subprocess.run([JBTRACE, "-q", "-c", command, "-e", script], check=False, capture_output=True, timeout=60,
                          stdin=subprocess.DEVNULL)
    check(done.returncode == 0, f"exit status {done.returncode}: {done.stderr.decode()}")
    return done.stdout.decode(errors="replace")


def first_address(file):
    """Of the file's own addresses the one of its first byte."""
    return int(re.search(r"LOAD\s+0x0+ (0x[0-9a-f]+)", run("readelf", "-lW", file).decode())[1], 16)


def told(out, file=None):
    """The program's own view: by how much it was moved, and its return addresses, innermost first."""
    returns = re.findall(r"^return(\d+) (\d+)$", out, re.M)
    base = int(re.search(r"^base (\d+)$", out, re.M)[1]) - (first_address(file) if file else 0)
    return base, [int(address) for _, address in returns]


def addr2line(file, address):
    """[(function, file:line)], innermost inlined one first."""
    lines = run("addr2line", "-i", "-f", "-C", "-e", file, hex(address)).decode().split("\n")[:-1]
    places = [re.sub(r" \(discriminator \d+\)$", "", line) for line in lines[1::2]]
    return list(zip(lines[::2], places))


def symbols(file, *options):
    found = {}
    for line in run("nm", *options, file).decode().split("\n"):
        words = line.split(" ", 2)
        if len(words) == 3 and words[0] and words[1] in "tTwW":
            found[words[2]] = int(words[0], 16)
    return found


def expected(truth, base, addresses):
    """The lines jbtrace should print for addresses in the program, from a file that was never stripped."""
    names, lines = symbols(truth), []
    for index, address in enumerate(addresses):
        places = addr2line(truth, address - base - (index > 0))
        lines += [f"[inlined] {name}@{place}" for name, place in places[:-1]]
        name, place = places[-1]
        lines.append(f"{name}+{address - base - names[name]}@{place}")
    return lines


def without_places(lines):
    """What is left where there is no debug information."""
    return [re.sub("@.*", "", line) for line in lines if not line.startswith("[inlined]")]


def block(out, mark):
    """The lines of the stack printed between MARK and END."""
    found = re.search(rf"^{mark}\n\n?(.*?)\n*^END$", out, re.M | re.S)
    check(found, f"no stack {mark} in:\n{out}")
    return [line.strip() for line in found[1].split("\n") if line.strip()]


def script_of(program, stacks):
    prints = " ".join(f'printf("{mark}\\n%s\\nEND\\n", {stack});' for mark, stack in stacks.items())
    return f"uprobe:{program}:frames_target {{ if (@n++ == 0) {{ {prints} }} }} END {{ clear(@n); }}"


def check_chain(program, truth, lines=True, mode="dwarf"):
    """One round of the program: raw addresses against its own, names and lines against the binutils'."""
    out = trace(script_of(program, {"RAW": f"ustack({mode}, raw)", "TEXT": f"ustack({mode}, bpftrace)",
                                    "FOLD": f"ustack({mode}, folded)", "PERF": f"ustack({mode}, perf)"}),
                program)
    base, returns = told(out, truth)
    raw = [int(word, 16) for word in block(out, "RAW")]
    equal(raw[1:], returns, "return addresses")
    ours = raw[:len(CHAIN)]
    equal(ours[0] - base, symbols(truth)["frames_target"], "the place of the probe")
    want = expected(truth, base, ours)
    check(any(line.startswith("[inlined] inner_inline@") for line in want), f"addr2line saw no inlining: {want}")
    text = block(out, "TEXT")
    want_text = want if lines else without_places(want)
    equal(text[:len(want_text)], want_text, "names and lines")
    names = [re.sub(r"^\[inlined\] |[+@].*", "", line) for line in want_text]
    folded = block(out, "FOLD")[0].split(";")
    equal(folded[:-len(names) - 1:-1], names, "folded")
    perf = [line for line in block(out, "PERF") if str(program) in line]
    equal(perf[:len(CHAIN)],
          [f"{address:x} {line} ({program})" for address, line in zip(ours, without_places(want))], "perf")


# --- ways to compile ---

@case
def test_frame_pointers(folder):
    program = build(folder, POINTERS)
    check_chain(program, program)
    # The walk of older kernels misses the caller of a function that has not set up its frame yet, and nothing else.
    out = trace(script_of(program, {"RAW": "ustack(raw)"}), program)
    base, returns = told(out)
    raw = [int(word, 16) for word in block(out, "RAW")]
    check(raw[1:4] in (returns[:3], returns[1:4]), f"the kernel's own walk: {raw}, not {returns}")
    equal(raw[0] - base, symbols(program)["frames_target"], "the place of the probe")


@case
def test_no_frame_pointers(folder):
    program = build(folder, NO_POINTERS)
    check_chain(program, program)


@case
def test_clang_without_aranges(folder):
    program = build(folder, NO_POINTERS, compiler="clang-19")
    check(b".debug_aranges" not in run("readelf", "-SW", program), "clang made an index")
    check_chain(program, program)


@case
def test_compressed_dwarf(folder):
    program = build(folder, [*NO_POINTERS, "-gz"])
    check_chain(program, program)


@case
def test_old_dwarf(folder):
    program = build(folder, [*NO_POINTERS, "-gdwarf-3", "-gstrict-dwarf"])
    check_chain(program, program)


@case
def test_high_addresses(folder):
    """Segments whose addresses are not their places in the file."""
    program = build(folder, [*NO_POINTERS, "-Wl,-Ttext-segment=0x30000"])
    equal(first_address(program), 0x30000, "where the file begins")
    check_chain(program, program)


@case
def test_without_debug_information(folder):
    truth = build(folder, NO_POINTERS, "truth")
    program = folder / "plain"
    run("strip", "-g", truth, "-o", program)
    check_chain(program, truth, lines=False)


@case
def test_stripped(folder):
    """Exported functions are left, and addresses for the rest."""
    truth = build(folder, NO_POINTERS, "truth")
    program = folder / "stripped"
    run("strip", "-s", truth, "-o", program)
    check_chain(program, truth, lines=False)


@case
def test_debug_link(folder):
    truth = build(folder, [*NO_POINTERS, "-Wl,--build-id=none"], "truth")
    program = folder / "linked"
    run("objcopy", "--only-keep-debug", truth, folder / "linked.debug")
    run("strip", "-s", truth, "-o", program)
    run("objcopy", f"--add-gnu-debuglink={folder}/linked.debug", program, cwd=folder)
    check_chain(program, truth)


@case
def test_build_id_file(folder):
    truth = build(folder, NO_POINTERS, "truth")
    note = run("readelf", "-n", truth).decode()
    number = re.search(r"Build ID: ([0-9a-f]+)", note)[1]
    program = folder / "stripped"
    run("strip", "-s", truth, "-o", program)
    place = pathlib.Path("/usr/lib/debug/.build-id") / number[:2]
    made = not place.exists()
    place.mkdir(parents=True, exist_ok=True)
    file = place / f"{number[2:]}.debug"
    try:
        run("objcopy", "--only-keep-debug", truth, file)
        check_chain(program, truth)
    finally:
        file.unlink(missing_ok=True)
        if made:
            place.rmdir()


def add_debugdata(folder, truth, program):
    """As distributions do: what .dynsym lacks of the symbol table, compressed, in a section of the stripped file."""
    mini = folder / "mini"
    run("objcopy", "-S", "--remove-section=.gdb_index", "--remove-section=.comment", "--keep-symbol=leg_two",
        "--keep-symbol=leg_one", "--keep-symbol=main", "--keep-symbol=leg_three", truth, mini)
    packed = folder / "mini.xz"
    packed.write_bytes(lzma.compress(mini.read_bytes()))
    run("strip", "-s", truth, "-o", program)
    run("objcopy", "--add-section", f".gnu_debugdata={packed}", program)


@case
def test_gnu_debugdata(folder):
    truth = folder / "truth"
    run("gcc", "-O2", "-g", "-fPIE", "-pie", *NO_POINTERS, "-D_GNU_SOURCE", "-w", FRAMES,
        "-Wl,--export-dynamic-symbol=frames_target", "-o", truth)
    program = folder / "mini-debug"
    add_debugdata(folder, truth, program)
    check("leg_two" not in symbols(program, "-D"), "leg_two is exported")
    check_chain(program, truth, lines=False)


@case
def test_cpp(folder):
    program = build(folder, NO_POINTERS, compiler="g++", source=CPP)
    mangled = [name for name in symbols(program) if "RingBuffer3set" in name]
    check(mangled, "no such function")
    for name in mangled:
        shown = run("c++filt", name).decode().strip()
        script = f'uprobe:{program}:{name} {{ printf("TEXT\\n%s\\nEND\\n", ustack(dwarf, 2)); }}'
        out = trace(script, program, 1)
        lines = block(out, "TEXT")
        check(lines[0].startswith(f"{shown}+0@{CPP}:"), f"{lines[0]}, not {shown}")


@case
def test_build_ids(folder):
    """build_id mode: the numbers of readelf, and offsets in the file."""
    program = build(folder, POINTERS)
    number = re.search(r"Build ID: ([0-9a-f]+)", run("readelf", "-n", program).decode())[1]
    out = trace(script_of(program, {"ID": "ustack(build_id)"}), program)
    base, returns = told(out)
    frames = [line.split(" ") for line in block(out, "ID")]
    offsets = [int(frame[1], 16) for frame in frames if frame[0] == number]
    want = [address - base for address in returns]
    check(offsets[1:4] in (want[:3], want[1:4]), f"offsets {offsets}, not {want}")


@case
def test_no_lines_wanted(folder):
    program = build(folder, NO_POINTERS)
    out = trace("config = { show_debug_info = false } " + script_of(program, {"TEXT": "ustack(dwarf)"}), program)
    check("@" not in "".join(block(out, "TEXT")), "lines, although they are not wanted")


@case
def test_small_copy(folder):
    """A piece of 512 bytes does not reach main; what it reaches is right."""
    program = build(folder, NO_POINTERS)
    out = trace("config = { dwarf_stack_size = 512 } " + script_of(program, {"RAW": "ustack(dwarf, raw)"}), program)
    raw = [int(word, 16) for word in block(out, "RAW")]
    returns = told(out)[1]
    check(1 <= len(raw) - 1 <= len(returns), f"{len(raw)} frames")
    equal(raw[1:], returns[:len(raw) - 1], "return addresses")


# --- processes that end ---

@case
def test_ended_at_once(folder):
    """Children that end right after the probe; their stacks are printed when all of them are gone."""
    program = build(folder, POINTERS)
    out = trace(f"uprobe:{program}:frames_target {{ @[ustack(perf, 3)] = count(); }}", program, 1, 40)
    stacks = re.findall(r"^@\[\n(.*?)\]: 1$", out, re.M | re.S)
    equal(len(stacks), 40, "stacks")
    for stack in stacks:
        names = re.findall(r"^\t[0-9a-f]+ (\S+)", stack, re.M)
        equal(names[:2] + names[-1:], ["frames_target+0", names[1], names[-1]], "names")
        check(not re.search(r"unknown|^\t[0-9a-f]+ 0x", stack), f"not resolved: {stack}")
        check(re.search(r" leg_two\+\d+ ", stack), f"no caller: {stack}")


@case
def test_ended_while_printing(folder):
    """The same printed one by one, while the processes come and go."""
    program = build(folder, NO_POINTERS)
    out = trace(f'uprobe:{program}:frames_target {{ printf("S %s\\n", ustack(dwarf, folded, 9)); }}', program, 1, 40)
    stacks = re.findall(r"^S (.*)$", out, re.M)
    equal(len(stacks), 40, "stacks")
    for stack in stacks:
        equal(stack.split(";")[-7:],
              ["main", "leg_one", "leg_two", "outer_inline", "inner_inline", "leg_three", "frames_target"], "stack")


@case
def test_living_before(folder):
    """A process that was there first, and is gone when its stacks are printed."""
    program = build(folder, POINTERS)
    child = start([program, 3], stdin=subprocess.PIPE, env={"FRAMES_WAIT": "1"})
    wait_until(lambda: "pid " in child.out.text(), what="the program")
    tracer = Jbtrace("-q", "-e", f"uprobe:{program}:frames_target {{ @[ustack(folded, 3)] = count(); }} "
                     'interval:ms:100 { printf("tick\\n"); }')
    wait_until(lambda: "tick" in tracer.out, what="a look at the processes that there are")
    child.process.stdin.write(b"go\n")
    child.process.stdin.close()
    check(child.wait(time.monotonic() + 10) == 0, "the program failed")
    equal(tracer.stop(), 0, "exit status")
    check(re.search(r"^@\[.*leg_two;.*frames_target\]: 3$", tracer.out, re.M), tracer.out)


@case
def test_memory_of_a_thousand(folder):
    """A thousand processes of twenty different files, all of them gone: their symbols, in less than 100 MiB."""
    if sanitized():
        raise Skip("a sanitizer's build needs more memory")
    truth = build(folder, POINTERS)
    programs = []
    for number in range(20):
        programs.append(folder / f"copy{number}")
        shutil.copy(truth, programs[-1])
    attach = ",".join(f"uprobe:{program}:frames_target" for program in programs)
    tracer = Jbtrace("-q", "-e", f"{attach} {{ @[ustack(3)] = count(); }} interval:s:1 {{ print(@); }}")
    for program in programs:
        done = subprocess.run([program, "1", "50"], input=b"go\n", stdout=subprocess.DEVNULL, check=False, timeout=60)
        equal(done.returncode, 0, "exit status of the program")
    time_limit = time.monotonic() + 20
    wait_until(lambda: tracer.out.count("@[") >= 1000 or time.monotonic() > time_limit, 21, "1000 stacks")
    peak = int(status_of(tracer.pid, "VmHWM").split()[0])
    equal(tracer.stop(seconds=30), 0, "exit status")
    stacks = re.findall(r"^@\[\n(.*?)\]: 1$", tracer.out.rsplit("\n\n\n", 1)[-1], re.M | re.S)
    check(len(set(re.findall(r"^@\[\n.*?\]: 1$", tracer.out, re.M | re.S))) >= 1, "no stacks")
    unresolved = [stack for stack in stacks if not stack.lstrip().startswith("frames_target+0@")]
    check(not unresolved, f"{len(unresolved)} of {len(stacks)}: {unresolved[:1]}")
    check(len(stacks) >= 1000, f"{len(stacks)} stacks")
    print(f"a thousand processes: {peak // 1024} MiB at most")
    check(peak < 100 * 1024, f"{peak} KiB")


# --- bad input ---

def section(file, name):
    """(offset, size) of a section in the file."""
    for line in run("readelf", "-SW", file).decode().split("\n"):
        words = line.split("]", 1)[-1].split()
        if words and words[0] == name:
            return int(words[3], 16), int(words[4], 16)
    raise Skip(f"{file} has no {name}")


def damage(file, name, seed):
    offset, size = section(file, name)
    bytes_ = bytearray(file.read_bytes())
    chance = random.Random(seed)
    for _ in range(max(8, size // 50)):
        bytes_[offset + chance.randrange(size)] = chance.randrange(256)
    file.write_bytes(bytes_)


@case
def test_damaged_dwarf(folder):
    """Lines may be wrong then; the program's frames and functions are not, and nothing crashes."""
    truth = build(folder, NO_POINTERS, "truth")
    for name in (".debug_info", ".debug_abbrev", ".debug_line", ".debug_str", ".debug_aranges", ".debug_line_str"):
        for seed in range(4):
            program = folder / f"damaged{name}{seed}"
            shutil.copy(truth, program)
            damage(program, name, seed)
            out = trace(script_of(program, {"TEXT": "ustack(dwarf)"}), program)
            frames = [line for line in block(out, "TEXT") if not line.startswith("[inlined]")]
            names = [re.sub(r"\+.*", "", line) for line in frames[:len(CHAIN)]]
            equal(names, CHAIN, f"{name} damaged")


@case
def test_damaged_symbols(folder):
    """An unreadable symbol table or string table: addresses, or what .dynsym has."""
    truth = build(folder, NO_POINTERS, "truth")
    address = symbols(truth)["frames_target"]
    for name in (".symtab", ".strtab", ".gnu_debugdata"):
        program = folder / f"damaged{name}"
        if name == ".gnu_debugdata":
            add_debugdata(folder, truth, program)
        else:
            shutil.copy(truth, program)
        damage(program, name, 1)
        script = f'uprobe:{program}:{hex(address)} {{ printf("RAW\\n%s\\nEND\\n", ustack(dwarf, raw)); print(ustack(dwarf)); }}'
        out = trace(script, program)
        raw = [int(word, 16) for word in block(out, "RAW")]
        equal(raw[1:], told(out)[1], "return addresses")


@case
def test_damaged_frames(folder):
    """Without call-frame information there is the place itself, and no crash."""
    program = build(folder, NO_POINTERS)
    run("objcopy", "--remove-section=.eh_frame_hdr", program)
    offset, size = section(program, ".eh_frame")
    bytes_ = bytearray(program.read_bytes())
    bytes_[offset:offset + size] = bytes([0xff]) * size
    program.write_bytes(bytes_)
    # backtrace() reads the same tables, so it is not asked.
    script = f'uprobe:{program}:leg_two {{ printf("RAW\\n%s\\nEND\\n", ustack(dwarf, raw)); }}'
    done = subprocess.run([JBTRACE, "-q", "-c", str(program), "-e", script], check=False, capture_output=True, timeout=60)
    equal(done.returncode, 0, "exit status")
    check(len(block(done.stdout.decode(), "RAW")) >= 1, "no frame")


@case
def test_file_overwritten(folder):
    """The file is garbage by the time it is asked for: honest addresses."""
    program = build(folder, POINTERS)
    tracer = Jbtrace("-q", "-e", f"uprobe:{program}:frames_target {{ @[ustack(3)] = count(); }}")
    done = subprocess.run([program], stdout=subprocess.DEVNULL, check=False, timeout=10)
    equal(done.returncode, 0, "exit status of the program")
    with open(program, "r+b") as file:
        size = os.fstat(file.fileno()).st_size
        file.write(b"\x7fELF" + os.urandom(size - 4))
    equal(tracer.stop(), 0, "exit status")
    check(re.search(r"^ {8}0x[0-9a-f]+$", tracer.out, re.M), tracer.out)


@case
def test_file_cut_while_open(folder):
    """The debug information in use is overwritten in place: no crash, and names without lines at worst."""
    truth = build(folder, [*POINTERS, "-Wl,--build-id=none"], "truth")
    program, debug = folder / "linked", folder / "linked.debug"
    run("objcopy", "--only-keep-debug", truth, debug)
    run("strip", "-g", truth, "-o", program)
    run("strip", "-s", program)
    run("objcopy", f"--add-gnu-debuglink={debug}", program, cwd=folder)
    tracer = Jbtrace("-q", "-e", f'uprobe:{program}:frames_target /@n == 0/ {{ printf("A %s\\n", ustack(2)); @n = 1; }} '
                     f'uprobe:{program}:leg_one /@n == 1/ {{ printf("B %s\\n", ustack(2)); @n = 2; }}')
    for letter in "AB":
        subprocess.run([program], stdout=subprocess.DEVNULL, check=True, timeout=10)
        wait_until(lambda letter=letter: re.search(rf"^{letter} \n +\w.*\n", tracer.out, re.M), what=f"stack {letter}")
        os.truncate(debug, 0)
    check("frames_target+0@" in tracer.out and "leg_one+0" in tracer.out, tracer.out)
    equal(tracer.stop(), 0, "exit status")


@case
def test_file_replaced(folder):
    """Another file has the name now: its functions are not these."""
    program = build(folder, POINTERS)
    tracer = Jbtrace("-q", "-e", f"uprobe:{program}:frames_target {{ @[ustack(perf, 3)] = count(); }}")
    done = subprocess.run([program], stdout=subprocess.DEVNULL, check=False, timeout=10)
    equal(done.returncode, 0, "exit status of the program")
    other = build(folder, [*NO_POINTERS, "-O0"], "other")
    os.rename(other, program)
    equal(tracer.stop(), 0, "exit status")
    check(re.search(rf"^\t[0-9a-f]+ \[unknown\] \({program}\)$", tracer.out, re.M), tracer.out)


if __name__ == "__main__":
    sys.exit(run_cases())
