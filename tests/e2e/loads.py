"""Loads for end-to-end tests that last: a program that counts and times itself, and a real FFmpeg stream through the relay.
Both are ended with the case, by jbtest."""
import re
import subprocess
import sys
import time

from jbtest import BUILD, ROOT, check, prog, start, wait_until

PACED = prog("paced")


class Paced:
    """tests/progs/paced, which begins when go() is called."""

    def __init__(self, *words):
        self.child = start([PACED, *words], subprocess.PIPE)
        check(self.child.out.wait_for(b"\n", time.monotonic() + 10), "paced did not start")
        self.pid = self.child.pid

    def go(self):
        self.child.process.stdin.write(b"go\n")
        self.child.process.stdin.flush()

    def result(self, seconds):
        """name -> number, once it is done."""
        check(self.child.out.wait_for(b"rounds ", time.monotonic() + seconds), "paced did not end in time")
        wait_until(lambda: re.search(r"^rounds \d+\n", self.child.out.text(), re.M), 5, "paced's last line")
        return {name: int(value) for name, value in re.findall(r"^(\w+) (\d+)$", self.child.out.text(), re.M)}


STREAM = r"""
progs=%s tmp=%s
. tests/e2e/stream.sh
trap 'stream_stop; echo stopped' EXIT
in_port=$(stream_port)
out_port=$(stream_port)
stream_receiver $out_port -c copy -f null - || exit
stream_relay $in_port $out_port -s 9 -D 20 -U 10 -R 20 -k 3 -J 20 || exit
stream_sender $in_port %d
echo "started $sender_pid $receiver_pid"
wait $sender_pid
echo sent
stream_end $relay_pid
stream_settle $out_port
echo settled
read -r _
"""


class Stream:
    """FFmpeg sends for so long through the relay to FFmpeg; the receiver stays until stop()."""

    def __init__(self, folder, seconds):
        self.truth = folder / "truth.txt"
        self.progress = folder / "sender.progress"
        self.seconds = seconds
        self.child = start(["bash", "-c", STREAM % (BUILD / "tests/progs", folder, seconds)], subprocess.PIPE)
        self.say("started", 20)
        self.sender, self.receiver = re.search(r"^started (\d+) (\d+)$", self.child.out.text(), re.M).groups()

    def say(self, word, seconds):
        check(self.child.out.wait_for(word.encode(), time.monotonic() + seconds), f"the stream is not {word}: {self.child.err.text()}")
        wait_until(lambda: re.search(rf"^{word}.*\n", self.child.out.text(), re.M), 5, f"the line '{word}'")

    def settle(self):
        self.say("sent", self.seconds + 30)
        self.sent = time.time()
        self.say("settled", 20)

    def frames(self):
        return int(re.findall(r"^frame= *(\d+)", self.progress.read_text(), re.M)[-1])

    def stop(self):
        self.child.process.stdin.close()
        self.say("stopped", 20)

    def came(self):
        """RTP packets that the relay passed on."""
        return sum(line[0].isdigit() for line in self.truth.read_text().splitlines())

    def judge(self, path):
        """The series jitterbuffer_rtp_* of this exposition are those of the relay's own record."""
        judge = ROOT / "tests/e2e/rfc3550.py"
        done = subprocess.run([sys.executable, judge, self.truth, "90000", "--metrics", path], capture_output=True, text=True,
                              timeout=30, check=False)
        check(done.returncode == 0, f"differs from the relay's record:\n{done.stdout}{done.stderr}")
