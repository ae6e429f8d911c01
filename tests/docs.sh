#!/usr/bin/env bash
# Every script a reader can meet must compile: scripts/, examples/, the `jbtrace ... -e '...'` lines and ```jt blocks of
# README.md and ARCHITECTURE.md, the same lines and the examples marked `.\" jt` of the man page. They must pass the
# verifier, too, which takes root (--check; nothing is attached). What is shown with an error must be one. The man page
# names every option and renders without a warning. Last line: passed, failed, skipped.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2
jbtrace=${JB_BUILD:-build}/jbtrace
passed=0 failed=0 skipped=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

result() { # NAME FAILED
	if [ "$2" -eq 0 ]; then
		passed=$((passed + 1))
	else
		echo "FAIL: $1"
		head -n 8 "$tmp/out"
		failed=$((failed + 1))
	fi
}

# What this kernel cannot load is compiled as for one that can.
assume() { # FILE
	JBTRACE_ASSUME_FEATURE=kprobe,fentry timeout 20 "$jbtrace" --dump plan "${options[@]}" "$1" >"$tmp/out" 2>&1 </dev/null
}

try() { # NAME FILE
	local args options=()
	# Parameters as in the script's own "For example: jbtrace FILE PARAMETER..." line.
	mapfile -t args < <(sed -n "s/.*jbtrace [^ ]*${2##*/} \(.*\)/\1/p" "$2" | head -n 1 | xargs -rn 1)
	if [ "$(id -u)" -ne 0 ]; then
		skipped=$((skipped + 1))
		return
	fi
	grep -q cpid "$2" && options=(-c true)
	case $2 in
	*.bad.jt)
		! timeout 20 "$jbtrace" --check "$2" >"$tmp/out" 2>&1 </dev/null
		result "$1 should be a mistake, but compiles" $?
		;;
	*)
		if ! timeout 20 "$jbtrace" --unsafe --check "${options[@]}" "$2" "${args[@]}" >"$tmp/out" 2>&1 </dev/null; then
			grep -q 'this kernel cannot trace its functions' "$tmp/out" && assume "$2"
		fi
		result "$1 does not compile" $?
		;;
	esac
}

# Writes each script of a document to $tmp/NAME.N.jt, line number N.
extract() { # DOCUMENT NAME
	awk -v stem="$tmp/$2" '
	/^```jt$/ { file = stem "." FNR ".jt"; next }
	/^\.\\" jt$/ { file = stem "." FNR ".jt"; getline; next }
	/^```/ || /^\.EE$/ { file = ""; next }
	file {
		gsub(/\\e/, "\\")
		gsub(/\\-/, "-")
		print > file
		next
	}
	/jbtrace/ {
		gsub(/\\\(dq/, "\"")
		gsub(/\\\(aq/, "\047")
		gsub(/\\-/, "-")
		gsub(/\\e/, "\\")
		if (match($0, /-e \047[^\047]*\047/)) {
			line = FNR
			script = substr($0, RSTART + 4, RLENGTH - 5)
			bad = (getline > 0) && /: error: /
			print script > (stem "." line (bad ? ".bad" : "") ".jt")
		}
	}' "$1"
}

# Every long option of --help has an entry in the man page.
try_options() { # MAN-PAGE
	local option missing=0
	: >"$tmp/out"
	while read -r option; do
		grep -qF -- "${option//-/\\-}" "$1" && continue
		echo "$option" >>"$tmp/out"
		missing=1
	done < <("$jbtrace" --help | grep -oE '^ +(-., +|) *--[a-z-]+' | grep -oE -- '--[a-z-]+')
	result "$1 does not have these options" $missing
}

try_rendering() { # MAN-PAGE
	if ! command -v groff >/dev/null || [ ! -f "$1" ]; then
		echo "skip: rendering of the man page: no groff, or $1 is not built"
		skipped=$((skipped + 1))
		return
	fi
	groff -man -ww -Tutf8 "$1" 2>"$tmp/out" >/dev/null
	[ ! -s "$tmp/out" ]
	result "$1 does not render without warnings" $?
}

if [ ! -x "$jbtrace" ]; then
	echo "skip: $jbtrace is not built"
	echo "0 passed, 0 failed, 1 skipped"
	exit 0
fi
[ "$(id -u)" -eq 0 ] || echo "skip: scripts in the documents: reading tracepoints and --check need root"
while read -r script; do
	try "$script" "$script"
done < <(find scripts examples -name '*.jt' ! -path '*/lib/*' 2>/dev/null | sort)
for document in README.md ARCHITECTURE.md src/jbtrace.1.in; do
	[ -f "$document" ] || continue
	extract "$document" "${document##*/}"
	for script in "$tmp/${document##*/}".*.jt; do
		line=${script#"$tmp/${document##*/}."}
		[ -f "$script" ] && try "$document:${line%%.*}" "$script"
	done
done
try_options src/jbtrace.1.in
try_rendering "${jbtrace%/*}/jbtrace.1"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
