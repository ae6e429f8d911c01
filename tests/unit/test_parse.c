/*
 * Unit tests of the parser front end: every construct of the language through ast_dump, syntax errors as they are
 * printed, recovery, hostile input, and the prototypes of rows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "parser/parse.h"
#include "printed.h"

struct golden {
	const char *script;
	const char *expected;
};

/* Statements of one block, and their trees. */
/* clang-format off */
static const struct golden statements[] = {
	{ "$x = 1;",
	  "assign\n  variable $x\n  int 1\n" },
	{ "$x = 0x1F + 0755 + 1_000 + 1e6 + 5ull;",
	  "assign\n  variable $x\n  binary +\n    binary +\n      binary +\n        binary +\n"
	  "          int 31\n          int 493\n        int 1000\n      int 1000000\n"
	  "    int 5\n" },
	{ "$x = 5s; $y = 10ms; $z = 2us + 1ns + 3m + 1h + 1d;",
	  "assign\n  variable $x\n  int 5000000000\nassign\n  variable $y\n  int 10000000\n"
	  "assign\n  variable $z\n  binary +\n    binary +\n      binary +\n        binary +\n"
	  "          int 2000\n          int 1\n        int 180000000000\n"
	  "      int 3600000000000\n    int 86400000000000\n" },
	{ "$x = 18446744073709551615; $y = -9223372036854775808; $z = -(1);",
	  "assign\n  variable $x\n  int 18446744073709551615\nassign\n  variable $y\n"
	  "  int -9223372036854775808\nassign\n  variable $z\n  unary -\n    int 1\n" },
	{ "$s = \"a\\n\\t\\\"\\\\\\x41\\101é\";",
	  "assign\n  variable $s\n  string \"a\\n\\x09\\\"\\\\AAé\"\n" },
	{ "$a += 1; $b -= 1; @c *= 2; $d /= 3; $e %= 4; $f &= 5; $g |= 6; $h ^= 7; $i <<= 8; @j[1] >>= 9;",
	  "assign +=\n  variable $a\n  int 1\nassign -=\n  variable $b\n  int 1\nassign *=\n"
	  "  map @c\n  int 2\nassign /=\n  variable $d\n  int 3\nassign %=\n  variable $e\n"
	  "  int 4\nassign &=\n  variable $f\n  int 5\nassign |=\n  variable $g\n  int 6\n"
	  "assign ^=\n  variable $h\n  int 7\nassign <<=\n  variable $i\n  int 8\nassign >>=\n"
	  "  map @j\n    int 1\n  int 9\n" },
	{ "$x = 1 + 2 * 3 - 4 / 5 % 6;",
	  "assign\n  variable $x\n  binary -\n    binary +\n      int 1\n      binary *\n"
	  "        int 2\n        int 3\n    binary %\n      binary /\n        int 4\n"
	  "        int 5\n      int 6\n" },
	{ "$x = 1 << 2 + 3 < 4 == 5 & 6 ^ 7 | 8 && 9 || 10;",
	  "assign\n  variable $x\n  binary ||\n    binary &&\n      binary |\n"
	  "        binary ^\n          binary &\n            binary ==\n"
	  "              binary <\n                binary <<\n                  int 1\n"
	  "                  binary +\n                    int 2\n                    int 3\n"
	  "                int 4\n              int 5\n            int 6\n          int 7\n"
	  "        int 8\n      int 9\n    int 10\n" },
	{ "$x = $a ? $b : $c ? 1 : 2; $y = $a ?: 3;",
	  "assign\n  variable $x\n  conditional\n    variable $a\n    variable $b\n"
	  "    conditional\n      variable $c\n      int 1\n      int 2\nassign\n"
	  "  variable $y\n  conditional\n    variable $a\n    or\n      int 3\n" },
	{ "$x = !$a; $x = ~$a; $x = -$a; $x = *$p; $x = &$a; $x = &@m;",
	  "assign\n  variable $x\n  unary !\n    variable $a\nassign\n  variable $x\n"
	  "  unary ~\n    variable $a\nassign\n  variable $x\n  unary -\n    variable $a\n"
	  "assign\n  variable $x\n  dereference\n    variable $p\nassign\n  variable $x\n"
	  "  address\n    variable $a\nassign\n  variable $x\n  address\n    map @m\n" },
	{ "$x++; ++$x; @x[1]--; --@;",
	  "expression\n  step ++\n    variable $x\nexpression\n  step ++ prefix\n"
	  "    variable $x\nexpression\n  step --\n    map @x\n      int 1\nexpression\n"
	  "  step -- prefix\n    map @\n" },
	{ "@ = count(); @x[pid, comm] = sum($n); @x[(1, 2)] = 1; @y[1][2].z;",
	  "assign\n  map @\n  call count\nassign\n  map @x\n    identifier pid\n"
	  "    identifier comm\n  call sum\n    variable $n\nassign\n  map @x\n    tuple\n"
	  "      int 1\n      int 2\n  int 1\nexpression\n  field z\n    index\n      map @y\n"
	  "        int 1\n      int 2\n" },
	{ "args.a; args->b; args.config; args.if; $k.0.1; $s[3]; $p->a.b[1];",
	  "expression\n  field a\n    identifier args\nexpression\n  field -> b\n"
	  "    identifier args\nexpression\n  field config\n    identifier args\nexpression\n"
	  "  field if\n    identifier args\nexpression\n  element 1\n    element 0\n"
	  "      variable $k\nexpression\n  index\n    variable $s\n    int 3\nexpression\n"
	  "  index\n    field b\n      field -> a\n        variable $p\n    int 1\n" },
	{ "$x = (uint64)-1; $x = (struct task_struct *)curtask; $x = (int8[8])$y; $x = (uint8[])1;",
	  "assign\n  variable $x\n  cast uint64\n    int -1\nassign\n  variable $x\n"
	  "  cast struct task_struct *\n    identifier curtask\nassign\n  variable $x\n"
	  "  cast int8[8]\n    variable $y\nassign\n  variable $x\n  cast uint8[]\n    int 1\n" },
	{ "$x = (bool)1; $x = (string[16])$p; $x = (enum color)2; $x = (typeof($a))$b; $x = (uint8 *)$p;",
	  "assign\n  variable $x\n  cast bool\n    int 1\nassign\n  variable $x\n"
	  "  cast string[16]\n    variable $p\nassign\n  variable $x\n  cast enum color\n"
	  "    int 2\nassign\n  variable $x\n  cast typeof\n    typeof\n      variable $a\n"
	  "    variable $b\nassign\n  variable $x\n  cast uint8 *\n    variable $p\n" },
	{ "$x = (unsigned long long)$a; $x = (const char *)$p; $x = (size_t)*$p; $x = (u32)(u8)$a;",
	  "assign\n  variable $x\n  cast uint64\n    variable $a\nassign\n  variable $x\n"
	  "  cast int8 *\n    variable $p\nassign\n  variable $x\n  cast size_t\n"
	  "    dereference\n      variable $p\nassign\n  variable $x\n  cast u32\n    cast u8\n"
	  "      variable $a\n" },
	{ "$x = (pid) - 1; $x = (arg0) * 2; $x = (nsecs) & 3; $x = ($a) - 1;",
	  "assign\n  variable $x\n  binary -\n    identifier pid\n    int 1\nassign\n"
	  "  variable $x\n  binary *\n    identifier arg0\n    int 2\nassign\n  variable $x\n"
	  "  binary &\n    identifier nsecs\n    int 3\nassign\n  variable $x\n  binary -\n"
	  "    variable $a\n    int 1\n" },
	{ "$t = (1, \"a\"); $t = (1,); $t = (); $r = (x = 1, y = \"s\");",
	  "assign\n  variable $t\n  tuple\n    int 1\n    string \"a\"\nassign\n  variable $t\n"
	  "  tuple\n    int 1\nassign\n  variable $t\n  tuple\nassign\n  variable $r\n"
	  "  record\n    named x\n      int 1\n    named y\n      string \"s\"\n" },
	{ "if ($a == 1) { f(); }",
	  "if\n  binary ==\n    variable $a\n    int 1\n  block\n    expression\n      call f\n" },
	{ "if ($a) { f() } else if ($b) { g() } else { h() }",
	  "if\n  variable $a\n  block\n    expression\n      call f\n  else\n    if\n"
	  "      variable $b\n      block\n        expression\n          call g\n      else\n"
	  "        block\n          expression\n            call h\n" },
	{ "if $ns { f(); } if !$ns { g(); } if (uint64)$x { h(); }",
	  "if\n  variable $ns\n  block\n    expression\n      call f\nif\n  unary !\n"
	  "    variable $ns\n  block\n    expression\n      call g\nif\n  cast uint64\n"
	  "    variable $x\n  block\n    expression\n      call h\n" },
	{ "$x = if $c { 1 } else if ($d) { 2 } else { 3 };",
	  "assign\n  variable $x\n  if\n    variable $c\n    block\n      value\n"
	  "        int 1\n    else\n      if\n        variable $d\n        block\n"
	  "          value\n            int 2\n        else\n          block\n"
	  "            value\n              int 3\n" },
	{ "$x = { let $t = 1; $t + 1 }; { $y = 2; }",
	  "assign\n  variable $x\n  block\n    let $t\n      int 1\n    value\n      binary +\n"
	  "        variable $t\n        int 1\nblock\n  assign\n    variable $y\n    int 2\n" },
	{ "let $a; let $b = 1; let $c : uint64; let $d : string[16] = \"x\"; let $e : struct foo * = 0;",
	  "let $a\nlet $b\n  int 1\nlet $c: uint64\nlet $d: string[16]\n  string \"x\"\n"
	  "let $e: struct foo *\n  int 0\n" },
	{ "for ($i : 0..5) { break; } for $i : $a..$b { continue; }",
	  "for-range $i\n  int 0\n  int 5\n  block\n    break\nfor-range $i\n  variable $a\n"
	  "  variable $b\n  block\n    continue\n" },
	{ "for ($kv : @m) { print($kv.0); } for $kv : @m { }",
	  "for-map $kv\n  map @m\n  block\n    expression\n      call print\n"
	  "        element 0\n          variable $kv\nfor-map $kv\n  map @m\n  block\n" },
	{ "while ($i < 5) { $i++ } unroll (3) { f(); } unroll($1) { }",
	  "while\n  binary <\n    variable $i\n    int 5\n  block\n    expression\n"
	  "      step ++\n        variable $i\nunroll\n  int 3\n  block\n    expression\n"
	  "      call f\nunroll\n  param 1\n  block\n" },
	{ "return; return 1; _ = f(1);",
	  "return\nreturn\n  int 1\nassign\n  discard\n    call f\n      int 1\n" },
	{ "delete(@x[1]); delete(@x, 1); clear(@x); print(@x, 5, 2); pid(); pid;",
	  "expression\n  call delete\n    map @x\n      int 1\nexpression\n  call delete\n"
	  "    map @x\n    int 1\nexpression\n  call clear\n    map @x\nexpression\n"
	  "  call print\n    map @x\n    int 5\n    int 2\nexpression\n  call pid\nexpression\n"
	  "  identifier pid\n" },
	{ "$x = $1 + $#; $s = str($2);",
	  "assign\n  variable $x\n  binary +\n    param 1\n    param #\nassign\n  variable $s\n"
	  "  call str\n    param 2\n" },
	{ "sizeof(uint64); sizeof($x); sizeof(struct foo *); sizeof(unsigned int); offsetof(struct foo, a.b); offsetof($x, c);",
	  "expression\n  sizeof uint64\nexpression\n  sizeof\n    variable $x\nexpression\n"
	  "  sizeof struct foo *\nexpression\n  sizeof uint32\nexpression\n"
	  "  offsetof struct foo\n    identifier a\n    identifier b\nexpression\n  offsetof\n"
	  "    variable $x\n    identifier c\n" },
	{ "f(typeof($x), struct foo *); container_of($p, struct foo, m);",
	  "expression\n  call f\n    type typeof\n      typeof\n        variable $x\n"
	  "    type struct foo *\nexpression\n  call container_of\n    variable $p\n"
	  "    type struct foo\n    identifier m\n" },
	{ "@io[comm] = agg(n = count(), bytes = sum($b), pct = err * 100 / n);",
	  "assign\n  map @io\n    identifier comm\n  call agg\n    named n\n      call count\n"
	  "    named bytes\n      call sum\n        variable $b\n    named pct\n"
	  "      binary /\n        binary *\n          identifier err\n          int 100\n"
	  "        identifier n\n" },
	{ "emit(\"exec\", uid, pid, filename = str(args.filename), config = 1,);",
	  "expression\n  call emit\n    string \"exec\"\n    identifier uid\n"
	  "    identifier pid\n    named filename\n      call str\n        field filename\n"
	  "          identifier args\n    named config\n      int 1\n" },
	{ "span(1); emit; agg(1); metric; config; macro; import; fn;",
	  "expression\n  call span\n    int 1\nexpression\n  identifier emit\nexpression\n"
	  "  call agg\n    int 1\nexpression\n  identifier metric\nexpression\n"
	  "  identifier config\nexpression\n  identifier macro\nexpression\n"
	  "  identifier import\nexpression\n  identifier fn\n" },
	{ "f(); ; g()",
	  "expression\n  call f\nexpression\n  call g\n" },
	{ "true; false; f(true, !false)",
	  "expression\n  bool true\nexpression\n  bool false\nexpression\n  call f\n"
	  "    bool true\n    unary !\n      bool false\n" },
	{ 0 },
};

/* Whole scripts. */
static const struct golden items[] = {
	{ "#!/usr/bin/jbtrace\nbegin { }",
	  "probe\n  spec begin\n  block\n" },
	{ "BEGIN, end { }",
	  "probe\n  spec BEGIN\n  spec end\n  block\n" },
	{ "kprobe:a,\nkretprobe:b , { }",
	  "probe\n  spec kprobe:a\n  spec kretprobe:b\n  block\n" },
	{ "tracepoint:a:b /pid == 1/ { }",
	  "probe\n  spec tracepoint:a:b\n  predicate\n    binary ==\n      identifier pid\n"
	  "      int 1\n  block\n" },
	{ "BEGIN/pid/ { }",
	  "probe\n  spec BEGIN\n  predicate\n    identifier pid\n  block\n" },
	{ "profile:hz:99 /pid / 2 == 3 && \"a/b\" == comm/\n{ }",
	  "probe\n  spec profile:hz:99\n  predicate\n    binary &&\n      binary ==\n"
	  "        binary /\n          identifier pid\n          int 2\n        int 3\n"
	  "      binary ==\n        string \"a/b\"\n        identifier comm\n  block\n" },
	{ "uprobe:/bin/bash:readline, u:/usr/lib/*:mall*c+8 { }",
	  "probe\n  spec uprobe:/bin/bash:readline\n  spec u:/usr/lib/*:mall*c+8\n  block\n" },
	{ "uprobe:srs:cpp:\"A::b, {x}\" /* c */ { }",
	  "probe\n  spec uprobe:srs:cpp:\"A::b, {x}\"\n  block\n" },
	{ "kprobe:a || tracepoint:b:c ||kprobe:d, kprobe:e { }",
	  "probe\n  spec kprobe:a\n    spec kprobe:a\n    spec tracepoint:b:c\n"
	  "    spec kprobe:d\n  spec kprobe:e\n  block\n" },
	{ "kfunc:vmlinux:f, k:$1, uprobe:x@f.c:3, w:0x10:8:w { }",
	  "probe\n  spec kfunc:vmlinux:f\n  spec k:$1\n  spec uprobe:x@f.c:3\n"
	  "  spec w:0x10:8:w\n  block\n" },
	{ "config = { missing_probes = \"warn\"; max_strlen = 64; lazy = true; stack_mode = perf; n = -1 }",
	  "config\n  named missing_probes\n    string \"warn\"\n  named max_strlen\n"
	  "    int 64\n  named lazy\n    bool true\n  named stack_mode\n    identifier perf\n"
	  "  named n\n    int -1\n" },
	{ "import \"foo.bt\"; begin { }",
	  "import foo.bt\nprobe\n  spec begin\n  block\n" },
	{ "let @m = lruhash(10 * 2);",
	  "map-declaration @m lruhash 20\n" },
	{ "metric \"delay_seconds\" = @d { help = \"h\", scale = ns, labels = (pid, function) } metric \"x\" = @io.lat;",
	  "metric delay_seconds\n  map @d\n  named help\n    string \"h\"\n  named scale\n"
	  "    identifier ns\n  named labels\n    tuple\n      identifier pid\n"
	  "      identifier function\nmetric x\n  field lat\n    map @io\n" },
	{ "macro add($v, @m, e) { $v += e; $v + 1 } macro span() { f(); } macro z() { 5 }",
	  "macro add\n  variable $v\n  map @m\n  identifier e\n  block\n    assign +=\n"
	  "      variable $v\n      identifier e\n    value\n      binary +\n"
	  "        variable $v\n        int 1\nmacro span\n  block\n    expression\n"
	  "      call f\nmacro z\n  block\n    value\n      int 5\n" },
	{ "fn f($a : int32, $b : struct x *) : uint64 { return $a; }",
	  "fn f\n  variable $a int32\n  variable $b struct x *\n  block\n    return\n"
	  "      variable $a\n" },
	{ "#define N 3\n#define M (N + \\\n 1)\n#define EMPTY\n#define S \"s\" // c\nbegin { }",
	  "define N\n  int 3\ndefine M\n  binary +\n    identifier N\n    int 1\ndefine EMPTY\n"
	  "define S\n  string \"s\"\nprobe\n  spec begin\n  block\n" },
	{ "#include <linux/x.h>\n#include \"y.h\"\n",
	  "import <linux/x.h>\nimport y.h\n" },
	{ "#ifndef BPFTRACE_HAVE_BTF\nbroken {{{ \"\n#elif 1\n#define A 2\n#else\nmore broken\n#endif\n#if defined(A) && A >= 2 && !B\n#define C 1\n#endif",
	  "define A\n  int 2\ndefine C\n  int 1\n" },
	{ "struct a { int x; unsigned long y; char name[8 * 2]; struct a *next, **prev; };",
	  "definition struct a\n  member x: int32\n  member y: uint64\n"
	  "  member name: int8[16]\n  member next: struct a *\n  member prev: struct a **\n" },
	{ "struct b { int f : 3, : 2; struct { short s; union { u8 c; void *p; }; } in[2][3]; int (*fn)(void *, int, ...); } __attribute__((packed));",
	  "definition struct b __attribute__((packed))\n  member f: int32 bits 3\n"
	  "  member: int32 bits 2\n  member in: struct[2][3]\n    definition struct\n"
	  "      member s: int16\n      member: union\n        definition union\n"
	  "          member c: u8\n          member p: void *\n  member fn: void *\n" },
	{ "enum e { A, B = 2, C = B + 1, }; enum { X } struct fwd; union u { uint8 b[4]; uint32 w; }",
	  "definition enum e\n  named A\n  named B\n    int 2\n  named C\n    binary +\n"
	  "      identifier B\n      int 1\ndefinition enum\n  named X\ndefinition union u\n"
	  "  member b: uint8[4]\n  member w: uint32\n" },
	{ "begin { } // last comment",
	  "probe\n  spec begin\n  block\n" },
	{ 0 },
};

/* Scripts with mistakes, and everything that is printed about them. */
static const struct golden mistakes[] = {
	{ "begin {\n\t$x = 5\n\t$y = 6;\n}",
	  "t:2:8: error: expected ';' before '$y'\n    2 |     $x = 5\n      |           ^\n" },
	{ "begin { if (pid = 1) { } }",
	  "t:1:17: error: unexpected '=', expected '=='\n    1 | begin { if (pid = 1) { } }\n"
	  "      |                 ^\n      hint: '=' assigns in a statement of its own, '==' compares\n" },
	{ "k:f /pid = 1/ { }",
	  "t:1:10: error: unexpected '=', expected '=='\n    1 | k:f /pid = 1/ { }\n"
	  "      |          ^\n      hint: '=' assigns in a statement of its own, '==' compares\n" },
	{ "k:f /pid == 1 { }",
	  "t:1:15: error: expected '/' before '{'\n    1 | k:f /pid == 1 { }\n"
	  "      |               ^\n      hint: a predicate stands between slashes: /pid == 1/ { ... }\n" },
	{ "begin { if $a == 1 { } }",
	  "t:1:15: error: unexpected '==', expected '{'\n    1 | begin { if $a == 1 { } }\n"
	  "      |               ^~\n      hint: a condition of more than one operand stands in parentheses: if ($a == 1) { ... }\n" },
	{ "begin { if (1) f(); else g(); }",
	  "t:1:16: error: unexpected 'f', expected '{'\n    1 | begin { if (1) f(); else g(); }\n"
	  "      |                ^\n      hint: a body stands in braces: { ... }\n" },
	{ "begin { $s = 'abc'; }",
	  "t:1:14: error: single quotes are not used\n    1 | begin { $s = 'abc'; }\n"
	  "      |              ^~~~~\n      hint: strings take double quotes\n" },
	{ "begin { printf(\"abc); }",
	  "t:1:16: error: this string is never closed\n    1 | begin { printf(\"abc); }\n"
	  "      |                ^~~~\n" },
	{ "begin { } /* x",
	  "t:1:11: error: this comment is never closed\n    1 | begin { } /* x\n      |           ^~\n" },
	{ "begin {\n\tif (1) {\n}\nend { }",
	  "t:4:1: error: expected '}' before this\n    4 | end { }\n      | ^~~\n" },
	{ "begin { f();",
	  "t:1:7: error: expected '}': this block is never closed\n    1 | begin { f();\n      |       ^\n" },
	{ "begin { } }",
	  "t:1:11: error: unexpected '}': no block is open here\n    1 | begin { } }\n      |           ^\n" },
	{ "begin { printf(\"a\"; f(; g(a b); @x[1; }",
	  "t:1:19: error: unexpected ';', expected ')' or ','\n    1 | begin { printf(\"a\"; f(; g(a b); @x[1; }\n"
	  "      |                   ^\n"
	  "t:1:23: error: unexpected ';', expected an expression or ')'\n    1 | begin { printf(\"a\"; f(; g(a b); @x[1; }\n"
	  "      |                       ^\n"
	  "t:1:29: error: unexpected 'b', expected ')' or ','\n    1 | begin { printf(\"a\"; f(; g(a b); @x[1; }\n"
	  "      |                             ^\n"
	  "t:1:37: error: unexpected ';', expected ',' or ']'\n    1 | begin { printf(\"a\"; f(; g(a b); @x[1; }\n"
	  "      |                                     ^\n" },
	{ "begin { x = 1; }",
	  "t:1:9: error: only a variable ($x) or a map (@x) can be assigned to\n    1 | begin { x = 1; }\n"
	  "      |         ^\n      hint: names of variables begin with '$': $x\n" },
	{ "begin { if ($a === 1 and $b) { } }",
	  "t:1:16: error: unexpected '===': use '=='\n    1 | begin { if ($a === 1 and $b) { } }\n"
	  "      |                ^~~\n"
	  "t:1:22: error: unexpected 'and', expected ')' or ','\n    1 | begin { if ($a === 1 and $b) { } }\n"
	  "      |                      ^~~\n      hint: use &&\n" },
	{ "begin",
	  "t:1:6: error: unexpected end of file, expected '{' or ','\n    1 | begin\n      |      ^\n"
	  "      hint: a body stands in braces: { ... }\n" },
	{ "k:a\nk:b { }",
	  "t:2:1: error: unexpected attach point, expected '{' or ','\n    2 | k:b { }\n      | ^~~\n"
	  "      hint: attach points are separated by ',', and a block { ... } follows the last\n" },
	{ "#define F(x) x\n",
	  "t:1:1: error: not supported yet: function-like #define\n    1 | #define F(x) x\n"
	  "      | ^~~~~~~~~~~~~~\n      hint: use a macro: macro name(x) { x + 1 }\n" },
	{ "#if 1\nbegin { }",
	  "t:2:10: error: #endif is missing at the end of the file\n    2 | begin { }\n      |          ^\n" },
	{ "config = { a = 1 } config = { a = 2 }",
	  "t:1:20: error: there is a second config block\n    1 | config = { a = 1 } config = { a = 2 }\n"
	  "      |                    ^~~~~~\n"
	  "t:1:1: note: the first one is here\n    1 | config = { a = 1 } config = { a = 2 }\n"
	  "      | ^~~~~~\n" },
	{ "begin { \"\\q\"; 08; 99999999999999999999; }",
	  "t:1:10: error: unknown escape in a string\n    1 | begin { \"\\q\"; 08; 99999999999999999999; }\n"
	  "      |          ^~\n      hint: known are \\n \\t \\r \\\" \\\\ \\NNN (octal) and \\xHH\n"
	  "t:1:15: error: invalid number '08'\n    1 | begin { \"\\q\"; 08; 99999999999999999999; }\n"
	  "      |               ^~\n"
	  "t:1:19: error: number out of range: 64 bits cannot hold '99999999999999999999'\n"
	  "    1 | begin { \"\\q\"; 08; 99999999999999999999; }\n"
	  "      |                   ^~~~~~~~~~~~~~~~~~~~\n" },
	{ 0 },
};
/* clang-format on */

/* One parse and what came of it. */
struct parsed {
	struct arena *arena;
	struct diags *diags;
	const struct source *source;
	struct node *program;
};

static struct parsed parse(const char *script)
{
	struct parsed p = { .arena = arena_new() };

	p.diags = diag_new(p.arena);
	p.source = diag_add_source(p.diags, "t", script, strlen(script));
	p.program = parse_script(p.arena, p.diags, p.source);
	return p;
}

static void assert_no_errors(const struct parsed *p)
{
	char *text = printed(p->diags);

	assert_string_equal(text, "");
	assert_non_null(p->program);
	free(text);
}

/* The tree of every node in the list, from the left margin. */
static char *dumped(const struct node *list)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	for (; list; list = list->next)
		ast_dump(list, out);
	fclose(out);
	return text;
}

static void assert_dumped(const struct node *list, const char *expected)
{
	char *text = dumped(list);

	assert_string_equal(text, expected);
	free(text);
}

static void statements_have_their_trees(void **state)
{
	(void)state;
	for (const struct golden *g = statements; g->script; g++) {
		struct buf script = { 0 };

		buf_printf(&script, "begin { %s }", g->script);

		struct parsed p = parse(script.data);

		assert_no_errors(&p);
		assert_dumped(p.program->args->b->args, g->expected);
		arena_free(p.arena);
		buf_fini(&script);
	}
}

static void items_have_their_trees(void **state)
{
	(void)state;
	for (const struct golden *g = items; g->script; g++) {
		struct parsed p = parse(g->script);

		assert_no_errors(&p);
		assert_dumped(p.program->args, g->expected);
		arena_free(p.arena);
	}
}

static void mistakes_are_explained(void **state)
{
	(void)state;
	for (const struct golden *g = mistakes; g->script; g++) {
		struct parsed p = parse(g->script);
		char *text = printed(p.diags);

		assert_string_equal(text, g->expected);
		assert_null(p.program);
		free(text);
		arena_free(p.arena);
	}
}

static bool count_node(struct node *node, void *arg)
{
	(void)node;
	++*(unsigned *)arg;
	return true;
}

static bool stop_at_call(struct node *node, void *arg)
{
	*(struct node **)arg = node;
	return node->kind != NODE_CALL;
}

/* A copy has the same tree and shares no node; walking meets all of them, typeof's expression too. */
static void clones_and_walks_are_complete(void **state)
{
	struct parsed p =
		parse("k:f /pid/ { @x[1, $a] = f((typeof($b))3, 4); if (1) { } else { g(); } }");
	struct node *copy = ast_clone(p.arena, p.program);
	unsigned n_original = 0, n_copy = 0;
	struct node *met = NULL;
	char *expected = dumped(p.program);

	(void)state;
	assert_no_errors(&p);
	assert_dumped(copy, expected);
	assert_true(ast_walk(p.program, count_node, &n_original));
	assert_true(ast_walk(copy, count_node, &n_copy));
	assert_int_equal(n_original, n_copy);
	assert_int_equal(n_original, 20);
	assert_false(ast_walk(copy, stop_at_call, &met));
	assert_string_equal(met->name, "f");
	assert_ptr_not_equal(copy->args, p.program->args);
	assert_int_equal(ast_count(met->args), 2);
	assert_int_equal(ast_nth(met->args, 1)->value, 4);
	assert_null(ast_nth(met->args, 2));
	free(expected);
	arena_free(p.arena);
}

/* Lists are as long as they are, and append copes with nothing. */
static void lists_append(void **state)
{
	struct arena *arena = arena_new();
	struct node *a = ast_new(arena, NODE_BREAK, (struct span){ 1, 2 });
	struct node *b = ast_new(arena, NODE_CONTINUE, (struct span){ 2, 3 });

	(void)state;
	assert_null(ast_append(NULL, NULL));
	assert_ptr_equal(ast_append(NULL, a), a);
	assert_ptr_equal(ast_append(a, NULL), a);
	assert_ptr_equal(ast_append(a, b), a);
	assert_ptr_equal(ast_nth(a, 1), b);
	assert_string_equal(ast_op_text(OP_SHL), "<<");
	assert_string_equal(ast_kind_name(NODE_PROGRAM), "program");
	arena_free(arena);
}

static void assert_text_at(const struct parsed *p, struct span span, const char *expected)
{
	assert_int_equal(span.end - span.begin, strlen(expected));
	assert_memory_equal(p->source->text + (span.begin - p->source->base), expected,
			    strlen(expected));
}

static void spans_cover_their_text(void **state)
{
	struct parsed p =
		parse("k:f  ,\n k:g || k:h /pid == 1/ { @x[tid] = (1 + args.len); $a->b; f(2) }");
	const struct node *probe = p.program->args, *statement = probe->b->args;

	(void)state;
	assert_text_at(&p, probe->args->span, "k:f");
	assert_text_at(&p, probe->args->next->span, "k:g || k:h");
	assert_text_at(&p, probe->args->next->args->next->span, "k:h");
	assert_text_at(&p, probe->a->span, "pid == 1");
	assert_text_at(&p, statement->span, "@x[tid] = (1 + args.len);");
	assert_text_at(&p, statement->a->span, "@x[tid]");
	assert_text_at(&p, statement->a->name_span, "@x");
	assert_text_at(&p, statement->b->span, "(1 + args.len)");
	assert_true(statement->b->is_paren);
	assert_text_at(&p, statement->b->b->name_span, "len");
	assert_text_at(&p, statement->next->a->span, "$a->b");
	assert_true(statement->next->a->arrow);
	assert_text_at(&p, statement->next->next->a->name_span, "f");
	arena_free(p.arena);
}

/* After an error the parser goes on: the number of messages is the number of mistakes. */
static void recovery_finds_every_mistake(void **state)
{
	static const struct {
		const char *script;
		unsigned errors;
	} cases[] = {
		{ "begin { $x = ; $y = ; $z = ; }", 3 },
		{ "begin { $x = ; } end { $y = ; } k:f /1 +/ { }", 3 },
		{ "begin { if (x == ) { f( } else { g(; } } end { let x; }", 4 },
		{ "begin { while (1 { f(); } $x = 3 3; }", 2 },
		{ "begin { f(1, (2, [3; } end { ) }", 2 },
		{ "begin { for ($i : 0..) { } for (i : 3) { } unroll () { } }", 3 },
		{ "struct x { int a b; int c; int; } begin { f(; }", 3 },
		{ "config = { a = ; b = 3 3; c = 4; } begin { f(; }", 3 },
		{ "begin { @x{1} = 2; $y = if 1 2; }", 2 },
		{ "begin { $x = } end { $y = }", 2 },
		{ "#define A +\n#define B (\nbegin { }", 2 },
		{ "macro m(3) { } begin { f(; }", 2 },
		{ "k:f /f(pid/ { g(; } end { let x; }", 3 },
		{ "k:f /(pid == 1 { g(; } end { let x; }", 4 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct parsed p = parse(cases[i].script);
		char *text = printed(p.diags);

		if (diag_errors(p.diags) != cases[i].errors)
			print_message("%s\n%s", cases[i].script, text);
		assert_int_equal(diag_errors(p.diags), cases[i].errors);
		assert_null(p.program);
		free(text);
		arena_free(p.arena);
	}
}

/* begin, n times middle, end: parsed without a crash; says whether it was accepted. */
static bool parses_repeated(const char *begin, const char *middle, size_t n, const char *end)
{
	struct buf script = { 0 };

	buf_puts(&script, begin);
	while (n--)
		buf_puts(&script, middle);
	buf_puts(&script, end);

	struct parsed p = parse(script.data);
	bool is_good = p.program != NULL;

	assert_true(is_good == !diag_errors(p.diags));
	arena_free(p.arena);
	buf_fini(&script);
	return is_good;
}

static void hostile_input_is_refused(void **state)
{
	(void)state;
	assert_false(parses_repeated("begin { $x = ", "(", 10000, "1; }"));
	assert_false(parses_repeated("begin { $x = ", "!", 1000000, "1; }"));
	assert_false(parses_repeated("begin { $x = 1", "+1", 500000, "; }"));
	assert_false(parses_repeated("begin { $x = $a", ".b", 300000, "; }"));
	assert_false(parses_repeated("begin { ", "if (1) {", 50000, ""));
	assert_false(parses_repeated("begin { ", "if (1) { } else ", 50000, "{ } }"));
	assert_false(parses_repeated("begin { $x = ", "1?", 100000, "2; }"));
	assert_false(parses_repeated("begin { ", "$x = (;", 100000, "}"));
	assert_false(parses_repeated("#if ", "(", 100000, "\nbegin { }"));
	assert_false(parses_repeated("", "{", 100000, ""));
	assert_false(parses_repeated("", "#if 1\n", 1000, ""));
	assert_false(parses_repeated("struct s {", "struct {", 20000, ""));
}

static void long_input_is_accepted(void **state)
{
	(void)state;
	assert_true(parses_repeated("begin { ", "@a++;", 200000, " }"));
	assert_true(parses_repeated("begin { printf(\"", "x", 1000000, "\"); }"));
	assert_true(parses_repeated("begin { f(", "1,", 300000, "2); }"));
	assert_true(parses_repeated("", "kprobe:a,", 100000, "kprobe:b { }"));
	assert_true(parses_repeated("begin { } //", "x", 1000000, ""));
}

static void empty_scripts_are_programs(void **state)
{
	static const char *const scripts[] = { "", "\n", "// nothing", "#!/bin/x", ";" };

	(void)state;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		struct parsed p = parse(scripts[i]);

		assert_no_errors(&p);
		assert_null(p.program->args);
		arena_free(p.arena);
	}
}

static void prototypes_are_read(void **state)
{
	struct arena *arena = arena_new();
	struct proto p;

	(void)state;
	assert_true(proto_parse(arena, "u32 pid", &p));
	assert_true(p.is_value && p.result.type == PROTO_INT && p.result.size == 4 &&
		    !p.result.is_signed);
	assert_string_equal(p.result.name, "pid");

	assert_true(proto_parse(arena, "string[16] comm()", &p));
	assert_true(!p.is_value && p.n_params == 0 && p.result.type == PROTO_STRING &&
		    p.result.size == 16);

	assert_true(proto_parse(arena, "string str(ptr p, [int n])", &p));
	assert_true(p.n_params == 2 && p.n_required == 1 && p.param[1].is_optional &&
		    !p.param[0].is_optional);
	assert_true(p.result.size == 0 && p.param[0].type == PROTO_PTR && p.param[1].is_signed);
	assert_string_equal(p.param[1].name, "n");

	assert_true(proto_parse(arena, "void printf(const string fmt, ...)", &p));
	assert_true(p.varargs && p.n_params == 1 && p.param[0].is_const &&
		    p.result.type == PROTO_VOID);

	assert_true(proto_parse(arena, "  ksym_t ksym ( any , [ const map ], [key k] ) ", &p));
	assert_true(p.result.type == PROTO_NAMED && p.n_params == 3 && p.n_required == 1);
	assert_string_equal(p.result.type_name, "ksym_t");
	assert_string_equal(p.param[0].name, "");
	assert_true(p.param[1].is_const && p.param[1].type == PROTO_MAP &&
		    p.param[2].type == PROTO_KEY);

	assert_true(proto_parse(arena, "bool x(buffer[64] b, i16 c, bool d)", &p));
	assert_true(p.param[0].type == PROTO_BUFFER && p.param[0].size == 64 &&
		    p.param[1].size == 2);
	arena_free(arena);
}

static void bad_prototypes_are_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"u32",
		"u32 pid(",
		"u32 pid) ",
		"u32 pid(int",
		"u32 pid(int a,)",
		"u32 pid([int a)",
		"u32 f(void)",
		"u32 f(int a b)",
		"u32 f([int a], int b)",
		"string[x] f",
		"string[0] f",
		"u32 f(..., int a)",
		"const u32 f",
		"u32 f(1)",
		"u32 f() x",
		"u32 f(int,int,int,int,int,int,int,int,int,int,int)",
	};
	struct arena *arena = arena_new();
	struct proto p;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (proto_parse(arena, texts[i], &p))
			print_message("accepted: %s\n", texts[i]);
		assert_false(proto_parse(arena, texts[i], &p));
	}
	assert_false(proto_parse(arena, NULL, &p));
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statements_have_their_trees),
		cmocka_unit_test(items_have_their_trees),
		cmocka_unit_test(mistakes_are_explained),
		cmocka_unit_test(clones_and_walks_are_complete),
		cmocka_unit_test(lists_append),
		cmocka_unit_test(spans_cover_their_text),
		cmocka_unit_test(recovery_finds_every_mistake),
		cmocka_unit_test(hostile_input_is_refused),
		cmocka_unit_test(long_input_is_accepted),
		cmocka_unit_test(empty_scripts_are_programs),
		cmocka_unit_test(prototypes_are_read),
		cmocka_unit_test(bad_prototypes_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
