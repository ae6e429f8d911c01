#!/bin/sh
# A report, not a gate: lines of every source file and of its functions, the longest first, so that files that grow
# over 700 lines or functions over 80 are seen. Functions are found by the kernel look: `{` and `}` in column one.
cd "$(dirname "$0")/.." || exit 2
folders=
for folder in src parser codegen builtins probes bpf-runtime tests; do
	[ -d "$folder" ] && folders="$folders $folder"
done
# shellcheck disable=SC2086 # a list of folders
files=$(find $folders -name '*.[chly]' | sort)
echo "files:"
# shellcheck disable=SC2086
wc -l $files | sort -rn | head -n 16
echo "functions:"
# shellcheck disable=SC2086
awk '
FNR == 1 { open = 0 }
/^[a-z_].*\(/ && !/;[ \t]*$/ { name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name) }
/^\{/ { open = FNR }
/^\}/ && open {
	printf "%5d %s:%d %s\n", FNR - open + 1, FILENAME, open, name
	open = 0
}' $files | sort -rn | head -n 20
