#!/bin/sh
# Print tables of the names of flags, as initializers of struct flag_name: the text of flag_names.inc that
# src/lookup/flags.c includes. Names and values come from the kernel's and the C library's headers, through the
# compiler ($1). A macro that is nothing but another name of the table is left out, and so are masks, sums of others and
# second names.
set -e
cc=${1:-cc}
unwanted='MASK|_MAX$|__RESERVED|SUPPORTED|^(O_ACCMODE|MAP_TYPE|MAP_FILE|MS_VERBOSE|STATX_ALL|STATX_BASIC_STATS|AT_FDCWD|AT_STATX_.*)$'
unwanted="$unwanted|^(AT_EACCESS|AF_FILE|AF_LOCAL|AF_ROUTE|MS_NOUSER|MS_ACTIVE|MS_BORN)$"

names() { # HEADER PATTERN
	echo "#include <$1>" | "$cc" -D_GNU_SOURCE -E -dM - |
		sed -nE "s/^#define ($2) ([^ ].*)$/\1 \2/p" | sort |
		awk -v unwanted="$unwanted" '{ list[NR] = $1; body[NR] = $2; words[NR] = NF; known[$1] = 1 }
			END {
				for (i = 1; i <= NR; i++)
					if (list[i] !~ unwanted &&
					    !(words[i] == 2 && body[i] != list[i] && known[body[i]]))
						print list[i]
			}'
}

table() { # NAME HEADER PATTERN
	echo "static const struct flag_name $1_names[] = {"
	{
		echo "#include <$2>"
		names "$2" "$3" | sed 's/.*/@{ "&", & },/'
	} | "$cc" -D_GNU_SOURCE -E -P - | sed -n 's/^ *@/	/p' | sed 's/(__[a-z_]*_t)//g'
	echo "};"
}

table open asm/fcntl.h 'O_[A-Z]+'
table mmap_prot asm/mman.h 'PROT_[A-Z]+'
table mmap linux/mman.h 'MAP_[A-GI-Z][A-Z_]+|MAP_HUGETLB'
table clone linux/sched.h 'CLONE_[A-Z_]+'
table at linux/fcntl.h 'AT_[A-Z_]+'
table poll asm/poll.h 'POLL[A-Z]+'
table epoll linux/eventpoll.h 'EPOLL[A-Z]+'
table mount linux/mount.h 'MS_[A-FH-LN-Z][A-Z_]+|MS_MANDLOCK|MS_MOVE'
table rwf linux/fs.h 'RWF_[A-Z]+'
table fallocate linux/falloc.h 'FALLOC_FL_[A-Z_]+'
table memfd linux/memfd.h 'MFD_[A-GI-Z][A-Z_]+|MFD_HUGETLB'
table statx linux/stat.h 'STATX_[B-Z][A-Z_]+|STATX_ATIME|STATX_ALL'
table wait linux/wait.h 'W[A-Z]+|__W[A-Z]+'
table msg sys/socket.h 'MSG_[A-Z_]+'
table socket sys/socket.h 'SOCK_[A-Z]+'
table family sys/socket.h 'AF_[A-Z0-9]+'
table ipproto netinet/in.h 'IPPROTO_[A-Z0-9]+'
