"""The second kernel (Debian's 6.1) and a root disk for it, made once and kept in a cache folder.

Everything comes from apt as this machine has it configured, and nothing is installed: packages are downloaded and
unpacked. The cache, ${XDG_CACHE_HOME:-~/.cache}/jbtrace/second-kernel, has one folder per list of packages and version
of the kernel: vmlinuz, initrd, root.img, release. Those that nobody used for a week are removed when one is made.
"""
import contextlib
import fcntl
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass

HERE = pathlib.Path(__file__).resolve().parent
META = "linux-image-cloud-amd64"
KERNEL = re.compile(r"linux-image-6\.1\.[\w.+~-]*-cloud-amd64$")
# In the order in which they need each other.
MODULES = ("virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk virtio_console").split()
# What the program is linked with or loads, what live.py and its commands need, and what people expect of a shell.
PACKAGES = ("base-files base-passwd bash binutils coreutils dash findutils gawk grep gzip hostname iproute2 kmod libbpf1 "
            "libc-bin libcmocka0 libcyaml1 libdw1 libelf1 liblzma5 libmicrohttpd12 libstdc++6 libyaml-0-2 mount procps "
            "python3 sed tar util-linux").split()
FOLDERS = "dev proc sys run tmp root job mnt var/tmp etc".split()


class Missing(Exception):
    """Why there is no second kernel, in one line."""


@dataclass
class Machine:
    """What qemu needs."""

    release: str
    kernel: pathlib.Path
    initrd: pathlib.Path
    image: pathlib.Path


def run(argv, what, **options):
    """Runs a command to its end; its last line of stderr is the reason when it fails."""
    options["env"] = {**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}
    try:
        done = subprocess.run(argv, check=False, stdin=subprocess.DEVNULL, capture_output=True, timeout=900, **options)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{what}: {error}") from error
    if done.returncode:
        said = [line for line in done.stderr.decode(errors="replace").splitlines() if line.strip()] or ["no reason given"]
        errors = [line for line in said if line.startswith("E:")]
        raise Missing(f"{what}: {(errors or said)[-1].strip()}")
    return done.stdout.decode(errors="replace")


def cache_folder():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    folder = pathlib.Path(base) / "jbtrace" / "second-kernel"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Missing(f"no cache folder: {error}") from error
    return folder


@contextlib.contextmanager
def locked(folder):
    """One process at a time makes a root; the others wait for it and use it."""
    with open(folder / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def apt_stamp():
    """Changes whenever apt has learnt of new packages. Asking apt itself takes seconds."""
    digest = hashlib.sha256()
    for folder in ("/var/lib/apt/lists", "/etc/apt", "/etc/apt/sources.list.d", "/etc/apt/preferences.d"):
        for path in sorted(pathlib.Path(folder).glob("*")):
            status = path.stat()
            if path.is_file() and path.name != "lock":
                digest.update(f"{path} {status.st_mtime_ns} {status.st_size}\n".encode())
    digest.update(os.environ.get("APT_CONFIG", "").encode())
    return digest.hexdigest()


def kernel_version():
    """Name and version of the kernel package that apt offers."""
    said = run(["apt-cache", "depends", META], f"apt knows no {META}")
    names = [word for word in said.split() if KERNEL.match(word)]
    if not names:
        raise Missing(f"apt's {META} is not Linux 6.1")
    policy = run(["apt-cache", "policy", names[0]], "apt-cache policy")
    candidate = re.search(r"Candidate: (\S+)", policy)
    return f"{names[0]}={candidate.group(1) if candidate else ''}"


def key_of(kernel):
    """A cache folder's name: whatever decides on its content."""
    digest = hashlib.sha256("\n".join([kernel, *PACKAGES, *MODULES, *FOLDERS]).encode())
    for name in ("root.py", "initramfs.sh"):
        digest.update((HERE / name).read_bytes())
    return digest.hexdigest()[:16]


def wanted(folder):
    """The key of the root to use, by what apt offers; asked anew only when apt's lists have changed."""
    known, stamp = folder / "wanted", apt_stamp()
    try:
        old, kernel = known.read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        old, kernel = "", ""
    if old != stamp:
        kernel = kernel_version()
        known.write_text(f"{stamp} {kernel}\n", encoding="utf-8")
    return kernel, key_of(kernel)


def apt_update():
    if os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-q"], check=False, stdin=subprocess.DEVNULL, capture_output=True)


def apt_options(tmp):
    """apt with this machine's sources, but as if nothing were installed, and downloading to a folder of its own."""
    for name in ("archives/partial", "state"):
        (tmp / name).mkdir(parents=True, exist_ok=True)
    (tmp / "status").touch()
    words = {"Dir::State::status": tmp / "status", "Dir::State::extended_states": tmp / "state/extended",
             "Dir::Cache": tmp, "Dir::Cache::archives": tmp / "archives", "Debug::NoLocking": 1,
             "APT::Sandbox::User": "root", "APT::Install-Recommends": "false", "Acquire::Retries": 3}
    return [word for key, value in words.items() for word in ("-o", f"{key}={value}")]


def download_kernel(tmp, kernel):
    """The signed package, or the unsigned one with the same content."""
    name = kernel.partition("=")[0]
    folder = tmp / "kernel"
    folder.mkdir(exist_ok=True)
    try:
        run(["apt-get", "-q", *apt_options(tmp), "download", name], f"apt cannot fetch {name}", cwd=folder)
    except Missing:
        run(["apt-get", "-q", *apt_options(tmp), "download", name + "-unsigned"],
            f"apt can fetch neither {name} nor {name}-unsigned", cwd=folder)
    return next(folder.glob("*.deb"))


def download_packages(tmp):
    run(["apt-get", "-qy", *apt_options(tmp), "--download-only", "install", *PACKAGES],
        "apt cannot fetch the packages of the root disk")
    return sorted((tmp / "archives").glob("*.deb"))


def unpack(package, folder):
    """Without its scripts, and without replacing links to folders by folders."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as source:
        done = subprocess.run(["tar", "-xf", "-", "-C", folder, "--keep-directory-symlink"], check=False,
                              stdin=source.stdout, capture_output=True)
    if done.returncode or source.returncode:
        raise Missing(f"cannot unpack {package.name}: {done.stderr.decode(errors='replace').strip()}")


def slim(root):
    for name in ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/lintian"):
        shutil.rmtree(root / name, ignore_errors=True)


def fill_etc(root):
    """What the packages' scripts would have made."""
    for name in ("passwd", "group"):
        shutil.copy(root / f"usr/share/base-passwd/{name}.master", root / f"etc/{name}")
    (root / "etc/hosts").write_text("127.0.0.1 localhost second-kernel\n::1 localhost\n", encoding="ascii")
    (root / "etc/hostname").write_text("second-kernel\n", encoding="ascii")
    for name, target in (("usr/bin/awk", "gawk"), ("etc/mtab", "../proc/self/mounts"), ("usr/bin/sh", "dash")):
        if not (root / name).is_symlink():
            (root / name).symlink_to(target)


def make_root(tmp, kernel_deb, packages):
    root = tmp / "root"
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for package in [*packages, kernel_deb]:
        unpack(package, root)
    for name in FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)
    slim(root)
    fill_etc(root)
    run(["ldconfig", "-r", root], "ldconfig")
    return root


def take_kernel(root, folder):
    """Moves the kernel out of the root; returns its release."""
    kernel = next((root / "boot").glob("vmlinuz-*"))
    release = kernel.name.partition("-")[2]
    shutil.copy(kernel, folder / "vmlinuz")
    shutil.rmtree(root / "boot")
    run(["depmod", "-b", root, release], "depmod")
    return release


def make_initrd(tmp, root, release, target):
    folder = tmp / "initrd"
    for name in ("bin", "modules", "dev", "proc", "sys", "root"):
        (folder / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", folder / "bin/busybox")
    shutil.copy(HERE / "initramfs.sh", folder / "init")
    (folder / "init").chmod(0o755)
    with open(folder / "modules/order", "w", encoding="ascii") as order:
        for module in MODULES:
            found = next((root / "lib/modules" / release).rglob(f"{module}.ko"), None)
            if found:  # else it is built in
                shutil.copy(found, folder / "modules")
                order.write(found.name + "\n")
    # busybox finds itself by the name sh, so the #! line works before its links are there.
    (folder / "bin/sh").symlink_to("busybox")
    names = b"\n".join(str(path.relative_to(folder)).encode() for path in sorted(folder.rglob("*")))
    with open(target, "wb") as out:
        done = subprocess.run(["busybox", "cpio", "-o", "-H", "newc"], check=False, input=names, stdout=out,
                              stderr=subprocess.PIPE, cwd=folder)
    if done.returncode:
        raise Missing(f"cpio: {done.stderr.decode(errors='replace').strip()}")


def make_image(folder, image, spare_mib):
    """An ext4 file system with what the folder has, and room for more."""
    used = sum(max(4096, path.lstat().st_size) + 512 for path in folder.rglob("*"))
    size = used * 11 // 10 // 2**20 + spare_mib + 16
    run(["mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", "-O", "^has_journal", "-E", "root_owner=0:0", "-d", folder,
         image, f"{size}M"], "mke2fs")


def remove_old(folder):
    """Those that nobody used for a week, and what an interrupted making has left."""
    for old in folder.iterdir():
        used = old / "release"
        if old.is_dir() and (not used.exists() or used.stat().st_mtime < time.time() - 7 * 86400):
            shutil.rmtree(old, ignore_errors=True)


def make(folder, kernel, key):
    """Downloads and builds into a folder of its own, which gets its name when it is complete."""
    with tempfile.TemporaryDirectory(prefix="making-", dir=folder) as name:
        tmp = pathlib.Path(name)
        result = tmp / "result"
        result.mkdir()
        kernel_deb = download_kernel(tmp, kernel)
        root = make_root(tmp, kernel_deb, download_packages(tmp))
        release = take_kernel(root, result)
        make_initrd(tmp, root, release, result / "initrd")
        make_image(root, result / "root.img", 256)
        (result / "release").write_text(release + "\n", encoding="ascii")
        result.rename(folder / key)
    remove_old(folder)


def prepare(say):
    """The machine to boot. `say` is told when it has to be made first, since that takes a minute. Raises Missing."""
    folder = cache_folder()
    with locked(folder):
        if not shutil.which("apt-get"):
            raise Missing("no apt-get on this machine")
        try:
            kernel, key = wanted(folder)
        except Missing:
            apt_update()
            kernel, key = wanted(folder)
        place = folder / key
        if not (place / "release").exists():
            say(f"making the root disk of {kernel.partition('=')[0]} in {place} (once)")
            try:
                make(folder, kernel, key)
            except Missing:  # apt's lists may be older than the mirror
                apt_update()
                kernel, key = wanted(folder)
                place = folder / key
                make(folder, kernel, key)
    os.utime(place / "release")
    release = (place / "release").read_text(encoding="ascii").strip()
    return Machine(release, place / "vmlinuz", place / "initrd", place / "root.img")
