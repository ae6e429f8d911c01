#!/bin/sh
# The first program of the second kernel, in its initramfs (with a static busybox as its only company): loads the disk
# and port drivers, in the order in which they need each other, and hands over to init.sh on the job's disk. It has no
# way to tell of a failure but the console.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
while read -r module; do
	insmod "/modules/$module" || echo "initramfs: cannot load $module"
done </modules/order
tries=0
while [ ! -b /dev/vda ] || [ ! -b /dev/vdb ]; do
	tries=$((tries + 1))
	[ $tries -lt 300 ] || echo "initramfs: no disks"
	[ $tries -lt 300 ] || exec poweroff -f
	sleep 0.1
done
mount -t ext4 -o noatime /dev/vda /root
mount -t ext4 -o noatime /dev/vdb /root/job
umount /sys /proc
exec switch_root /root /bin/sh /job/init.sh
