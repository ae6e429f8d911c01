#!/bin/sh
# Print the system calls of this machine as designated initializers, `[0] = "read",`: the text of syscall_names.inc
# that src/builtins/errno.c includes. The numbers come from the kernel's own header, through the compiler ($1).
set -e
echo '#include <asm/unistd.h>' | "${1:-cc}" -E -dM - |
	sed -n 's/^#define __NR_\([a-z0-9_]*\) \([0-9][0-9]*\)$/[\2] = "\1",/p' | sort -t '[' -k 2n
