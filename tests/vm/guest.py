"""One run of the second kernel: a disk with the job, qemu, and what comes out of it.

qemu emulates in software (there may be no KVM, and where it is nested it may hang), so everything takes some ten times
as long as on the host. The guest has no network and no way to write to the host's files; the root disk is a snapshot.
"""
import ctypes
import os
import pathlib
import re
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import root

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parent.parent
BUILD = os.environ.get("JB_BUILD", "build")
BOOT_SECONDS = 120
END_SECONDS = int(os.environ.get("JB_VM_GRACE", "60"))
PORTS = ("out", "err", "ctl", "log")
# Where the kernel begins to tell of its own failure.
BROKEN = re.compile(r"Kernel panic|Oops|BUG:(?! soft lockup)|general protection fault|unable to handle|refcount_t:|"
                    r"KASAN|UBSAN|list_(add|del) corruption")
# These are shown, and judged by people. On a busy host a processor of the guest may stand still for long.
WARNED = re.compile(r"WARNING: CPU|blocked for more than|soft lockup|rcu: INFO:")


def die_with_parent():
    """In the child, before exec: qemu must not stay behind, however its parent ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Job:
    """The job's disk: the tree without its history and without most of what was built, and a command."""

    def __init__(self, tmp, command, seconds, more=()):
        self.folder, self.image = tmp / "job", tmp / "job.img"
        self.folder.mkdir()
        (self.folder / "command").write_text(command + "\n", encoding="utf-8", errors="surrogateescape")
        (self.folder / "where").write_text(str(TREE), encoding="utf-8")
        (self.folder / "seconds").write_text(str(seconds), encoding="ascii")
        shutil.copy(HERE / "init.sh", self.folder)
        self.copy_tree(more)
        root.make_image(self.folder, self.image, 64)
        shutil.rmtree(self.folder)

    def copy_tree(self, more):
        if os.path.isabs(BUILD) or ".." in pathlib.Path(BUILD).parts:
            raise root.Missing(f"the build folder {BUILD} is not in the tree")
        target = self.folder / "tree"
        built = {BUILD, "build"}
        shutil.copytree(TREE, target, symlinks=True, ignore=lambda folder, names: [
            name for name in names if name in (".git", "__pycache__") or
            (folder == str(TREE) and (name in built or name.startswith("build-")))])
        for name in ("jbtrace", "tests/progs", *more):
            source, copy = TREE / BUILD / name, target / BUILD / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, copy, symlinks=True, dirs_exist_ok=True)
            elif source.exists():
                shutil.copy(source, copy)
            else:
                raise root.Missing(f"{BUILD}/{name} is not built")


# Translated code is kept by its addresses: without randomisation each process finds what the one before it left, and
# starts five times as fast.
KERNEL_WORDS = "console=ttyS0 loglevel=5 panic=-1 oops=panic mitigations=off nokaslr norandmaps"


def qemu_argv(machine, image, console, ends, memory_mib):
    """`ends`: port -> the file descriptor that what it says is written to."""
    processors = max(1, min(4, os.cpu_count() or 1))
    argv = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", str(processors),
            "-m", str(memory_mib), "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-nic", "none",
            "-kernel", machine.kernel, "-initrd", machine.initrd,
            "-append", KERNEL_WORDS,
            "-chardev", f"file,id=console,path={console}", "-serial", "chardev:console",
            "-drive", f"file={machine.image},format=raw,if=virtio,snapshot=on",
            "-drive", f"file={image},format=raw,if=virtio,cache=unsafe", "-device", "virtio-serial-pci"]
    for port, end in ends.items():
        argv += ["-chardev", f"file,id={port},path=/dev/fd/{end}",
                 "-device", f"virtserialport,chardev={port},name={port}"]
    return [str(word) for word in argv]


class Guest:
    """One boot. `run` returns when the machine has ended, however it did. `watch`: a file that gets what the log says."""

    def __init__(self, machine, tmp, seconds, watch=None, memory_mib=1536):
        self.machine, self.tmp, self.seconds, self.memory_mib = machine, tmp, seconds, memory_mib
        self.console = tmp / "console"
        self.console.touch()
        self.said = {"ctl": b"", "log": b""}
        self.qemu_said = tmp / "qemu"
        self.up = False
        self.late = ""
        self.watch = open(watch or os.devnull, "wb", buffering=0)

    def run(self, image, out, err):
        """`out` and `err` get the command's output as it comes. Returns its exit status, or None when there is none."""
        pipes = {port: os.pipe() for port in PORTS}
        ends = {port: pipe[1] for port, pipe in pipes.items()}
        argv = qemu_argv(self.machine, image, self.console, ends, self.memory_mib)
        with open(self.qemu_said, "wb") as said:
            try:
                qemu = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                                        pass_fds=ends.values(), start_new_session=True, preexec_fn=die_with_parent)
            except OSError as error:
                raise root.Missing(f"cannot start {argv[0]}: {error}") from error
        for end in ends.values():
            os.close(end)
        try:
            self.relay({port: pipe[0] for port, pipe in pipes.items()}, {"out": out, "err": err})
        finally:
            qemu.kill()
            qemu.wait()
            for pipe in pipes.values():
                os.close(pipe[0])
        status = re.search(rb"^status (\d+)$", self.said["ctl"], re.M)
        return int(status.group(1)) if status else None

    def relay(self, sources, sinks):
        """Until the machine ends, by itself or by the time."""
        started = time.monotonic()
        deadline = started + BOOT_SECONDS
        with selectors.DefaultSelector() as selector:
            for port, source in sources.items():
                selector.register(source, selectors.EVENT_READ, port)
            while selector.get_map():
                left = deadline - time.monotonic()
                if left <= 0:
                    self.late = (f"the command did not end within {self.seconds} s" if self.up else
                                 f"it did not come up within {BOOT_SECONDS} s")
                    return
                for key, _ in selector.select(left):
                    chunk = os.read(key.fd, 65536)
                    if not chunk:
                        selector.unregister(key.fd)
                        continue
                    self.take(key.data, chunk, sinks)
                if not self.up and b"up\n" in self.said["ctl"]:
                    self.up = True
                    deadline = time.monotonic() + self.seconds + END_SECONDS

    def take(self, port, chunk, sinks):
        if port in self.said:
            self.said[port] += chunk
            if port == "log":
                self.watch.write(chunk)
        else:
            sinks[port].write(chunk)
            sinks[port].flush()

    def console_lines(self):
        text = self.console.read_bytes().decode("utf-8", "replace").replace("\r", "")
        return [line for line in text.split("\n") if line.strip()]

    def trouble(self, status):
        """Why the run is no good although, or because, it has no status; with the lines of the console that tell more.
        Empty when the machine did what it should."""
        lines = self.console_lines()
        broken = next((i for i, line in enumerate(lines) if BROKEN.search(line)), None)
        if broken is not None:
            return ["the kernel failed:", *("    " + line for line in lines[max(0, broken - 2):broken + 40])]
        if status is not None:
            return []
        said = self.qemu_said.read_text(encoding="utf-8", errors="replace").split("\n")
        why = self.late or "the machine ended before the command did"
        return [f"{why}; the end of its console:", *("    " + line for line in [*lines[-25:], *said[-5:]] if line.strip())]

    def warnings(self):
        lines = self.console_lines()
        return [line for i, first in enumerate(lines) if WARNED.search(first) for line in lines[i:i + 12]]


def execute(command, seconds, out, err, more=(), watch=None):
    """Boots, runs, ends. Returns the guest, the command's status (None: it has none), what was wrong with the machine,
    and what its kernel warned of. Raises Missing."""
    machine = root.prepare(lambda text: print(text, file=sys.stderr, flush=True))
    with tempfile.TemporaryDirectory(prefix="jbtrace-vm-") as name:
        tmp = pathlib.Path(name)
        job = Job(tmp, command, seconds, more)
        guest = Guest(machine, tmp, seconds, watch)
        status = guest.run(job.image, out, err)
        return guest, status, guest.trouble(status), guest.warnings()
