#!/bin/sh
# Checks every #include "folder/file.h" of the source against the table of what a layer may include. Nothing may include
# a layer above it; the command line sees the public header only. Last line: one check passed or failed.
cd "$(dirname "$0")/.." || exit 2
table='
base:
model:    base bpf-runtime/abi.h
lookup:   base model
out:      base model
parser:   base model lookup grammar.h lexer.h
codegen:  base model parser/ast.h probes/modes.h bpf-runtime/abi.h
run:      base model lookup out bpf-runtime/abi.h
builtins: base model parser/check.h codegen/cg.h run/run.h lookup out/format.h out/out.h bpf-runtime/abi.h
probes:   base model lookup parser/resolve.h codegen/cg.h run/run.h
web:      base model out run/run.h run/export.h
report:   base
cli:      jbtrace.h scripts.h
'
folders=
for folder in src parser codegen builtins probes; do
	[ -d "$folder" ] && folders="$folders $folder"
done
# shellcheck disable=SC2016,SC2086 # awk's own $0; a list of folders
find $folders -name '*.[chly]' | sort | xargs awk -v table="$table" '
BEGIN {
	n_rows = split(table, rows, "\n")
	for (i = 1; i <= n_rows; i++) {
		n = split(rows[i], word, /[: \t]+/)
		if (n == 0 || word[1] == "")
			continue
		known[word[1]] = 1
		for (j = 2; j <= n; j++)
			if (word[j] != "")
				may[word[1] " " word[j]] = 1
	}
}
# The layer of a file is its folder; the files of src itself may include anything.
function layer_of(path, parts, n) {
	n = split(path, parts, "/")
	return parts[n - 1]
}
/^[ \t]*#[ \t]*include[ \t]*"/ {
	from = layer_of(FILENAME)
	to = $0
	sub(/^[^"]*"/, "", to)
	sub(/".*$/, "", to)
	folder = to
	sub(/\/.*/, "", folder)
	if (!(from in known) || folder == from || may[from " " folder] || may[from " " to])
		next
	if (to !~ /\// && from != "cli")
		why = "includes are written from the folder: " to
	else
		why = "layer " from " must not include " to
	printf "%s:%d: %s\n", FILENAME, FNR, why
	bad = 1
}
# llvm-c stays in codegen (and in the rows that generate code through codegen/cg.h).
/^[ \t]*#[ \t]*include[ \t]*<llvm-c\// && layer_of(FILENAME) !~ /^(codegen|builtins)$/ {
	printf "%s:%d: LLVM outside codegen\n", FILENAME, FNR
	bad = 1
}
END { exit bad }'
status=$?
if [ $status -eq 0 ]; then
	echo "1 passed, 0 failed, 0 skipped"
else
	echo "0 passed, 1 failed, 0 skipped"
fi
exit $status
