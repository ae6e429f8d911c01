#!/bin/sh
# The init of the second kernel: mounts what a machine has mounted, runs the job's command in the job's tree, and ends
# the machine. The job's disk (/job, made by guest.py) has:
#
#     tree       the files of the tree, which appear at the path that they have on the host
#     where      that path
#     seconds    how long the command may take
#     command    what bash runs
#
# Four virtio ports go to the host: out and err are the command's; ctl says "up" and "status N"; log is for the live
# suite, which tells what it is at.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 TERM=dumb

mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
mountpoint -q /dev || mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs -o nosuid,nodev tmpfs /dev/shm
mount -t tmpfs -o nosuid,nodev,mode=755 tmpfs /run
mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs /tmp
mount -t tracefs tracefs /sys/kernel/tracing
mount -t debugfs debugfs /sys/kernel/debug
mount -t bpf bpf /sys/fs/bpf
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ln -sfn /proc/self/fd /dev/fd
ln -sfn fd/0 /dev/stdin
ln -sfn fd/1 /dev/stdout
ln -sfn fd/2 /dev/stderr
hostname second-kernel
ip link set lo up

for port in /sys/class/virtio-ports/*; do
	device=/dev/${port##*/}
	case $(cat "$port/name") in
	out) out=$device ;;
	err) err=$device ;;
	ctl) ctl=$device ;;
	log) log=$device ;;
	esac
done
exec 9>"${ctl:?no port to the host}"
where=$(cat /job/where)
mkdir -p "$where"
mount --bind /job/tree "$where"
cd "$where" || exit 1

# A port can be opened by one process at a time, so /dev/stdout would not work for the command: it gets pipes.
mkfifo /run/out /run/err
cat </run/out >"${out:?}" 9>&- &
cat_out=$!
cat </run/err >"${err:?}" 9>&- &
cat_err=$!
echo up >&9
JB_TEST_LOG=${log:?} timeout -k 10 "$(cat /job/seconds)" bash /job/command </dev/null >/run/out 2>/run/err 9>&-
status=$?
# What the command left running may still hold the pipes.
tries=0
while kill -0 $cat_out $cat_err 2>/dev/null && [ $tries -lt 20 ]; do
	tries=$((tries + 1))
	sleep 0.1
done
echo "status $status" >&9
sync
echo o >/proc/sysrq-trigger
sleep 60
