#!/usr/bin/env bash
# Every script a reader can meet must compile: scripts/, examples/, and the `jbtrace -e '...'` lines and ```jt blocks
# of README.md and the man page. Compiling only (--dump plan). Last line: passed, failed, skipped.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2
jbtrace=${JB_BUILD:-build}/jbtrace
passed=0 failed=0 skipped=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

try() { # NAME FILE
	local args options=()
	# Parameters as in the script's own "For example: jbtrace FILE PARAMETER..." line.
	mapfile -t args < <(sed -n "s/.*jbtrace [^ ]*${2##*/} \(.*\)/\1/p" "$2" | head -n 1 | xargs -rn 1)
	grep -q cpid "$2" && options=(-c true)
	if timeout 20 "$jbtrace" --unsafe --dump plan "${options[@]}" "$2" "${args[@]}" >"$tmp/out" 2>&1 </dev/null; then
		passed=$((passed + 1))
	else
		echo "FAIL: $1 does not compile"
		head -n 8 "$tmp/out"
		failed=$((failed + 1))
	fi
}

# Writes each script of a document to $tmp/NAME.N.jt, line number N.
extract() { # DOCUMENT NAME
	awk -v stem="$tmp/$2" '
	/^```jt$/ { file = stem "." FNR ".jt"; next }
	/^```/ { file = ""; next }
	file { print > file; next }
	/jbtrace/ {
		gsub(/\\\(dq/, "\"")
		gsub(/\\\(aq/, "\047")
		gsub(/\\-/, "-")
		gsub(/\\e/, "\\")
		if (match($0, /-e \047[^\047]*\047/))
			print substr($0, RSTART + 4, RLENGTH - 5) > (stem "." FNR ".jt")
	}' "$1"
}

if [ ! -x "$jbtrace" ]; then
	echo "skip: $jbtrace is not built"
	echo "0 passed, 0 failed, 1 skipped"
	exit 0
fi
while read -r script; do
	try "$script" "$script"
done < <(find scripts examples -name '*.jt' ! -path '*/lib/*' 2>/dev/null | sort)
for document in README.md src/jbtrace.1.in; do
	[ -f "$document" ] || continue
	extract "$document" "${document##*/}"
	for script in "$tmp/${document##*/}".*.jt; do
		[ -f "$script" ] && try "$document:$(basename "$script" .jt | sed 's/.*\.//')" "$script"
	done
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
