/*
 * The grammar: which sequences of tokens are a script. Actions only call makers (make.c, ast.c). No conflicts: what
 * one token of look-ahead cannot decide was decided in tokens.c (TYPE_OPEN begins a cast, RECORD_OPEN a record,
 * BLOCK_OPEN and IF_VALUE an expression). LAC makes the list of expected tokens exact. The `error` rules are led to
 * their closing token by tokens_recover().
 */
%define api.pure full
%define api.prefix {script_}
%define api.token.prefix {T_}
%define api.location.type {struct span}
%define parse.error custom
%define parse.lac full
%expect 0
%locations
%param { struct parser *p }

%code requires {
#include "parser/parse_internal.h"
}

%code {
#include <string.h>

#include "base/strmap.h"

#define YYLLOC_DEFAULT(current, rhs, n)                                                            \
	((current) = (n) ? (struct span){ YYRHSLOC(rhs, 1).begin, YYRHSLOC(rhs, n).end }           \
			 : (struct span){ YYRHSLOC(rhs, 0).end, YYRHSLOC(rhs, 0).end })
#define NEW(kind, span) ast_new(p->arena, (kind), (span))
#define UNARY(kind, op, span, a) ast_unary(p->arena, (kind), (op), (span), (a))
#define BINARY(op, span, a, b) ast_binary(p->arena, (op), (span), (a), (b))
/* A value that could not be read; there is an error already. */
#define BAD(span) NEW(NODE_INT, (span))

static void script_error(const struct span *span, struct parser *p, const char *text);
}

%union {
	struct token token;
	struct node *node;
	struct node_list list;
	struct spelled *spelled;
	enum op op;
	int number;
}

%token END 0 "end of file"
%token <token> IDENT "a name" VAR "a variable" MAP "a map" MAP_KEYED "a map with a key" PARAM "a parameter"
%token <token> INT "a number" STR "a string" SPEC "an attach point" HEADER "#include" DEFINE "#define"
%token DEFINE_END "the end of the line"
%token TRUE "true" FALSE "false"
%token IF "if" IF_VALUE "'if'" ELSE "else" FOR "for" WHILE "while" UNROLL "unroll" BREAK "break" CONTINUE "continue"
%token RETURN "return" LET "let" SIZEOF "sizeof" OFFSETOF "offsetof" TYPEOF "typeof"
%token STRUCT "struct" UNION "union" ENUM "enum"
%token <token> ATTRIBUTE "__attribute__"
%token TOP_CONFIG "config" TOP_IMPORT "import" TOP_MACRO "macro" TOP_FN "fn" TOP_LET "'let'" TOP_METRIC "metric"
%token TOP_DEFINITION "a type definition"
%token PREDICATE_OPEN "'/'" PREDICATE_CLOSE "'/' before '{'"
%token TYPE_OPEN "a cast" RECORD_OPEN "a record" BLOCK_OPEN "a block"
%token ARROW "->" RANGE ".." ELLIPSIS "..." INC "++" DEC "--" AND "&&" OR "||" EQ "==" NE "!=" LE "<=" GE ">="
%token SHL "<<" SHR ">>" ELVIS "?:"
%token ADD_ASSIGN "+=" SUB_ASSIGN "-=" MUL_ASSIGN "*=" DIV_ASSIGN "/=" MOD_ASSIGN "%=" AND_ASSIGN "&="
%token OR_ASSIGN "|=" XOR_ASSIGN "^=" SHL_ASSIGN "<<=" SHR_ASSIGN ">>="

%right '?' ':' ELVIS
%left OR
%left AND
%left '|'
%left '^'
%left '&'
%left EQ NE
%left '<' '>' LE GE
%left SHL SHR
%left '+' '-'
%left '*' '/' '%'

%type <node> item probe alternatives predicate block statement simple compound if_rest else expr condition unary
%type <node> postfix primary call map argument block_value config_entry macro_param fn_param
%type <node> enumerator declarator named_declarator aggregate enum_definition metric_entry config_value
%type <list> specs statements arguments argument_list expressions record path config_entries metric_entries
%type <list> macro_params fn_params macro_param_list fn_param_list members member declarators enumerators
%type <spelled> type type_keyword argument_type fn_result
%type <op> assign_op
%type <number> stars
%type <token> attributes optional_name

%%

program:
	%empty
|	program item { list_add(&p->items, $2); }
|	program error
;

item:
	probe
|	TOP_CONFIG '=' '{' config_entries '}' { $$ = make_config(p, @$, $4); }
|	TOP_CONFIG '=' '{' config_entries config_entry '}' { list_add(&$4, $5); $$ = make_config(p, @$, $4); }
|	TOP_IMPORT STR ';' { $$ = make_import(p, &$2); }
|	HEADER { $$ = make_import(p, &$1); }
|	DEFINE expr DEFINE_END { $$ = make_define(p, &$1, $2); }
|	DEFINE DEFINE_END { $$ = make_define(p, &$1, NULL); }
|	DEFINE error DEFINE_END { $$ = make_define(p, &$1, BAD(@1)); yyerrok; }
|	TOP_DEFINITION aggregate { $$ = $2; }
|	TOP_DEFINITION type_keyword ';' { $$ = NULL; }
|	TOP_MACRO IDENT '(' macro_params ')' block {
		$$ = make_named(p, NODE_MACRO, &$2);
		$$->span = @$;
		$$->args = $4.head;
		$$->b = make_value_block($6);
	}
|	TOP_FN IDENT '(' fn_params ')' fn_result block {
		$$ = make_named(p, NODE_FN, &$2);
		$$->span = @$;
		$$->args = $4.head;
		$$->b = $7;
	}
|	TOP_LET MAP '=' IDENT '(' expr ')' ';' { $$ = make_map_decl(p, @$, &$2, &$4, $6); }
|	TOP_METRIC STR '=' postfix '{' metric_entries '}' {
		$$ = make_text(p, NODE_METRIC, &$2);
		$$->name_span = @2;
		$$->span = @$;
		$$->a = $4;
		$$->args = $6.head;
	}
|	TOP_METRIC STR '=' postfix ';' {
		$$ = make_text(p, NODE_METRIC, &$2);
		$$->name_span = @2;
		$$->span = @$;
		$$->a = $4;
	}
;

/* Probes */

probe:
	specs predicate block { $$ = make_list(p, NODE_PROBE, @$, $1); $$->a = $2; $$->b = $3; }
|	specs ',' predicate block { $$ = make_list(p, NODE_PROBE, @$, $1); $$->a = $3; $$->b = $4; }
;

specs:
	alternatives { $$ = (struct node_list){ $1, $1 }; }
|	specs ',' alternatives { list_add(&$1, $3); $$ = $1; }
;

alternatives:
	SPEC { $$ = make_spec(p, &$1); }
|	alternatives OR SPEC { $$ = make_alternative(p, $1, make_spec(p, &$3)); }
;

predicate:
	%empty { $$ = NULL; }
|	PREDICATE_OPEN expr PREDICATE_CLOSE { $$ = $2; }
|	PREDICATE_OPEN expr '=' expr PREDICATE_CLOSE { $$ = make_equals_slip(p, @3, $2, $4); }
|	PREDICATE_OPEN error PREDICATE_CLOSE { $$ = BAD(@1); yyerrok; }
;

/* Statements */

block:
	'{' statements '}' { $$ = make_list(p, NODE_BLOCK, @$, $2); }
|	'{' statements simple '}' { list_add(&$2, $3); $$ = make_list(p, NODE_BLOCK, @$, $2); }
;

block_value:
	BLOCK_OPEN statements '}' { $$ = make_value_block(make_list(p, NODE_BLOCK, @$, $2)); }
|	BLOCK_OPEN statements simple '}' {
		list_add(&$2, $3);
		$$ = make_value_block(make_list(p, NODE_BLOCK, @$, $2));
	}
;

statements:
	%empty { $$ = (struct node_list){ 0 }; }
|	statements statement { list_add(&$1, $2); $$ = $1; }
;

statement:
	simple ';' { $$ = $1; $$->span = @$; }
|	compound
|	';' { $$ = NULL; }
|	error ';' { $$ = NULL; yyerrok; }
;

simple:
	expr { $$ = UNARY(NODE_EXPR, OP_NONE, @$, $1); }
|	expr assign_op expr { $$ = make_assign(p, $2, @$, $1, $3); }
|	LET VAR { $$ = make_let(p, @$, &$2, NULL, NULL); }
|	LET VAR '=' expr { $$ = make_let(p, @$, &$2, NULL, $4); }
|	LET VAR ':' type { $$ = make_let(p, @$, &$2, $4, NULL); }
|	LET VAR ':' type '=' expr { $$ = make_let(p, @$, &$2, $4, $6); }
|	BREAK { $$ = NEW(NODE_BREAK, @$); }
|	CONTINUE { $$ = NEW(NODE_CONTINUE, @$); }
|	RETURN { $$ = NEW(NODE_RETURN, @$); }
|	RETURN expr { $$ = UNARY(NODE_RETURN, OP_NONE, @$, $2); }
;

assign_op:
	'=' { $$ = OP_NONE; }
|	ADD_ASSIGN { $$ = OP_ADD; }
|	SUB_ASSIGN { $$ = OP_SUB; }
|	MUL_ASSIGN { $$ = OP_MUL; }
|	DIV_ASSIGN { $$ = OP_DIV; }
|	MOD_ASSIGN { $$ = OP_MOD; }
|	AND_ASSIGN { $$ = OP_AND; }
|	OR_ASSIGN { $$ = OP_OR; }
|	XOR_ASSIGN { $$ = OP_XOR; }
|	SHL_ASSIGN { $$ = OP_SHL; }
|	SHR_ASSIGN { $$ = OP_SHR; }
;

compound:
	IF if_rest { $$ = $2; $$->span = @$; }
|	FOR '(' VAR ':' expr RANGE expr ')' block { $$ = make_for(p, @$, &$3, $5, $7, $9); }
|	FOR '(' VAR ':' expr ')' block { $$ = make_for(p, @$, &$3, $5, NULL, $7); }
|	FOR '(' error ')' block { $$ = $5; yyerrok; }
|	FOR VAR ':' unary RANGE unary block { $$ = make_for(p, @$, &$2, $4, $6, $7); }
|	FOR VAR ':' unary block { $$ = make_for(p, @$, &$2, $4, NULL, $5); }
|	WHILE condition block { $$ = UNARY(NODE_WHILE, OP_NONE, @$, $2); $$->c = $3; }
|	UNROLL '(' expr ')' block { $$ = UNARY(NODE_UNROLL, OP_NONE, @$, $3); $$->c = $5; }
|	UNROLL '(' error ')' block { $$ = $5; yyerrok; }
|	block
;

if_rest:
	condition block else { $$ = UNARY(NODE_IF, OP_NONE, @$, $1); $$->b = $2; $$->c = $3; }
;

else:
	%empty { $$ = NULL; }
|	ELSE block { $$ = $2; }
|	ELSE IF if_rest { $$ = $3; $$->span = @$; }
;

/* Without parentheses only an operand: `if $a == 1 {` would leave `{` open to doubt. */
condition:
	unary
;

/* Expressions */

expr:
	unary
|	expr '*' expr { $$ = BINARY(OP_MUL, @$, $1, $3); }
|	expr '/' expr { $$ = BINARY(OP_DIV, @$, $1, $3); }
|	expr '%' expr { $$ = BINARY(OP_MOD, @$, $1, $3); }
|	expr '+' expr { $$ = BINARY(OP_ADD, @$, $1, $3); }
|	expr '-' expr { $$ = BINARY(OP_SUB, @$, $1, $3); }
|	expr SHL expr { $$ = BINARY(OP_SHL, @$, $1, $3); }
|	expr SHR expr { $$ = BINARY(OP_SHR, @$, $1, $3); }
|	expr '<' expr { $$ = BINARY(OP_LT, @$, $1, $3); }
|	expr '>' expr { $$ = BINARY(OP_GT, @$, $1, $3); }
|	expr LE expr { $$ = BINARY(OP_LE, @$, $1, $3); }
|	expr GE expr { $$ = BINARY(OP_GE, @$, $1, $3); }
|	expr EQ expr { $$ = BINARY(OP_EQ, @$, $1, $3); }
|	expr NE expr { $$ = BINARY(OP_NE, @$, $1, $3); }
|	expr '&' expr { $$ = BINARY(OP_AND, @$, $1, $3); }
|	expr '^' expr { $$ = BINARY(OP_XOR, @$, $1, $3); }
|	expr '|' expr { $$ = BINARY(OP_OR, @$, $1, $3); }
|	expr AND expr { $$ = BINARY(OP_LAND, @$, $1, $3); }
|	expr OR expr { $$ = BINARY(OP_LOR, @$, $1, $3); }
|	expr '?' expr ':' expr { $$ = UNARY(NODE_COND, OP_NONE, @$, $1); $$->b = $3; $$->c = $5; }
|	expr ELVIS expr { $$ = UNARY(NODE_COND, OP_NONE, @$, $1); $$->c = $3; }
;

unary:
	postfix
|	'-' unary { $$ = make_negative(p, @$, $2); }
|	'!' unary { $$ = UNARY(NODE_UNARY, OP_NOT, @$, $2); }
|	'~' unary { $$ = UNARY(NODE_UNARY, OP_BITNOT, @$, $2); }
|	'*' unary { $$ = UNARY(NODE_DEREF, OP_NONE, @$, $2); }
|	'&' unary { $$ = make_address(p, @$, $2); }
|	INC unary { $$ = make_step(p, OP_INC, @$, $2, true); }
|	DEC unary { $$ = make_step(p, OP_DEC, @$, $2, true); }
|	TYPE_OPEN type ')' unary { $$ = UNARY(NODE_CAST, OP_NONE, @$, $4); $$->spelled = $2; }
|	TYPE_OPEN error ')' unary { $$ = $4; yyerrok; }
;

postfix:
	primary
|	postfix '.' IDENT { $$ = make_field(p, @$, $1, &$3, false); }
|	postfix ARROW IDENT { $$ = make_field(p, @$, $1, &$3, true); }
|	postfix '.' INT { $$ = make_element(p, @$, $1, &$3); }
|	postfix '[' expr ']' { $$ = UNARY(NODE_INDEX, OP_NONE, @$, $1); $$->b = $3; }
|	postfix '[' error ']' { $$ = $1; yyerrok; }
|	postfix INC { $$ = make_step(p, OP_INC, @$, $1, false); }
|	postfix DEC { $$ = make_step(p, OP_DEC, @$, $1, false); }
;

primary:
	INT { $$ = make_int(p, &$1); }
|	STR { $$ = make_text(p, NODE_STR, &$1); }
|	TRUE { $$ = NEW(NODE_BOOL, @$); $$->value = 1; }
|	FALSE { $$ = NEW(NODE_BOOL, @$); }
|	PARAM { $$ = make_param(p, &$1); }
|	IDENT { $$ = make_named(p, NODE_IDENT, &$1); }
|	VAR { $$ = make_named(p, NODE_VAR, &$1); }
|	map
|	call
|	'(' expr ')' { $$ = $2; $$->is_paren = true; $$->span = @$; }
|	'(' expr '=' expr ')' { $$ = make_equals_slip(p, @3, $2, $4); $$->is_paren = true; }
|	'(' error ')' { $$ = BAD(@$); yyerrok; }
|	'(' ')' { $$ = NEW(NODE_TUPLE, @$); }
|	'(' expr ',' ')' { $$ = NEW(NODE_TUPLE, @$); $$->args = $2; }
|	'(' expr ',' expressions ')' { $$ = NEW(NODE_TUPLE, @$); $2->next = $4.head; $$->args = $2; }
|	'(' expr ',' expressions ',' ')' { $$ = NEW(NODE_TUPLE, @$); $2->next = $4.head; $$->args = $2; }
|	RECORD_OPEN record ')' { $$ = make_list(p, NODE_RECORD, @$, $2); }
|	RECORD_OPEN record ',' ')' { $$ = make_list(p, NODE_RECORD, @$, $2); }
|	RECORD_OPEN error ')' { $$ = BAD(@$); yyerrok; }
|	SIZEOF '(' expr ')' { $$ = UNARY(NODE_SIZEOF, OP_NONE, @$, $3); }
|	SIZEOF TYPE_OPEN type ')' { $$ = NEW(NODE_SIZEOF, @$); $$->spelled = $3; }
|	SIZEOF '(' error ')' { $$ = BAD(@$); yyerrok; }
|	OFFSETOF '(' expr ',' path ')' { $$ = UNARY(NODE_OFFSETOF, OP_NONE, @$, $3); $$->args = $5.head; }
|	OFFSETOF TYPE_OPEN type ',' path ')' {
		$$ = NEW(NODE_OFFSETOF, @$);
		$$->spelled = $3;
		$$->args = $5.head;
	}
|	OFFSETOF '(' error ')' { $$ = BAD(@$); yyerrok; }
|	IF_VALUE if_rest { $$ = make_value_if($2); $$->span = @$; }
|	block_value
;

map:
	MAP { $$ = make_named(p, NODE_MAP, &$1); }
|	MAP_KEYED '[' expressions ']' { $$ = make_named(p, NODE_MAP, &$1); $$->span = @$; $$->key = $3.head; }
|	MAP_KEYED '[' error ']' { $$ = make_named(p, NODE_MAP, &$1); $$->span = @$; yyerrok; }
;

expressions:
	expr { $$ = (struct node_list){ 0 }; list_add(&$$, $1); }
|	expressions ',' expr { list_add(&$1, $3); $$ = $1; }
;

call:
	IDENT '(' arguments ')' {
		$$ = make_named(p, NODE_CALL, &$1);
		$$->span = @$;
		$$->args = $3.head;
	}
|	IDENT '(' error ')' { $$ = BAD(@$); yyerrok; }
;

arguments:
	%empty { $$ = (struct node_list){ 0 }; }
|	argument_list
|	argument_list ','
;

argument_list:
	argument { $$ = (struct node_list){ 0 }; list_add(&$$, $1); }
|	argument_list ',' argument { list_add(&$1, $3); $$ = $1; }
;

argument:
	expr
|	IDENT '=' expr { $$ = make_named(p, NODE_NAMED, &$1); $$->span = @$; $$->a = $3; }
|	argument_type { $$ = NEW(NODE_TYPE, @$); $$->spelled = $1; }
;

record:
	IDENT '=' expr {
		struct node *named = make_named(p, NODE_NAMED, &$1);

		named->span = @$;
		named->a = $3;
		$$ = (struct node_list){ named, named };
	}
|	record ',' IDENT '=' expr {
		struct node *named = make_named(p, NODE_NAMED, &$3);

		named->span = (struct span){ @3.begin, @5.end };
		named->a = $5;
		list_add(&$1, named);
		$$ = $1;
	}
;

path:
	IDENT { $$ = (struct node_list){ 0 }; list_add(&$$, make_named(p, NODE_IDENT, &$1)); }
|	path '.' IDENT { list_add(&$1, make_named(p, NODE_IDENT, &$3)); $$ = $1; }
;

/* Types */

type:
	IDENT { $$ = make_spelled(p, SPELLED_NAME, @$, &$1); }
|	type_keyword
|	type '*' { $$ = make_spelled_pointer(p, $1, @$); }
|	type '[' expr ']' { $$ = make_spelled_array(p, $1, @$, $3); }
|	type '[' ']' { $$ = make_spelled_array(p, $1, @$, NULL); }
;

type_keyword:
	STRUCT IDENT { $$ = make_spelled(p, SPELLED_STRUCT, @$, &$2); }
|	UNION IDENT { $$ = make_spelled(p, SPELLED_UNION, @$, &$2); }
|	ENUM IDENT { $$ = make_spelled(p, SPELLED_ENUM, @$, &$2); }
|	TYPEOF '(' expr ')' { $$ = make_spelled(p, SPELLED_TYPEOF, @$, NULL); $$->of = $3; }
|	TYPEOF TYPE_OPEN type ')' { $$ = $3; $$->span = @$; }
;

argument_type:
	type_keyword
|	argument_type '*' { $$ = make_spelled_pointer(p, $1, @$); }
;

/* struct, union and enum definitions */

optional_name:
	%empty { $$ = (struct token){ 0 }; }
|	IDENT
;

attributes:
	%empty { $$ = (struct token){ 0 }; }
|	attributes ATTRIBUTE { $$ = $2; }
;

aggregate:
	STRUCT optional_name '{' members '}' attributes { $$ = make_definition(p, SPELLED_STRUCT, @$, &$2, $4, &$6); }
|	UNION optional_name '{' members '}' attributes { $$ = make_definition(p, SPELLED_UNION, @$, &$2, $4, &$6); }
|	enum_definition
;

enum_definition:
	ENUM optional_name '{' enumerators '}' attributes { $$ = make_definition(p, SPELLED_ENUM, @$, &$2, $4, &$6); }
|	ENUM optional_name '{' enumerators ',' '}' attributes { $$ = make_definition(p, SPELLED_ENUM, @$, &$2, $4, &$7); }
|	ENUM optional_name '{' error '}' attributes {
		$$ = make_definition(p, SPELLED_ENUM, @$, &$2, (struct node_list){ 0 }, &$6);
		yyerrok;
	}
;

members:
	%empty { $$ = (struct node_list){ 0 }; }
|	members member { list_add(&$1, $2.head); $$ = $1; }
|	members error ';' { $$ = $1; yyerrok; }
;

member:
	IDENT declarators ';' { $$ = make_members(p, make_spelled(p, SPELLED_NAME, @1, &$1), NULL, $2, @$); }
|	type_keyword declarators ';' { $$ = make_members(p, $1, NULL, $2, @$); }
|	aggregate declarators ';' { $$ = make_members(p, $1->spelled, $1, $2, @$); }
|	aggregate ';' { $$ = make_members(p, $1->spelled, $1, (struct node_list){ 0 }, @$); }
;

declarators:
	declarator { $$ = (struct node_list){ $1, $1 }; }
|	declarators ',' declarator { list_add(&$1, $3); $$ = $1; }
;

declarator:
	named_declarator
|	named_declarator ':' expr { $$ = $1; make_declarator_bits(p, $$, $3); }
|	':' expr { $$ = make_declarator(p, @$, 0, NULL); make_declarator_bits(p, $$, $2); }
|	stars '(' '*' IDENT ')' '(' function_params ')' {
		$$ = make_declarator(p, @$, 1, &$4); /* a pointer to a function: as good as void * */
		$$->spelled->name = "void";
	}
|	declarator ATTRIBUTE
;

named_declarator:
	stars IDENT { $$ = make_declarator(p, @$, (unsigned)$1, &$2); }
|	named_declarator '[' expr ']' { $$ = $1; make_spelled_array(p, $1->spelled, @$, $3); }
|	named_declarator '[' ']' { $$ = $1; make_spelled_array(p, $1->spelled, @$, NULL); }
;

stars:
	%empty { $$ = 0; }
|	stars '*' { $$ = $1 + 1; }
;

function_params:
	function_param
|	function_params ',' function_param
|	function_params ',' ELLIPSIS
;

function_param:
	type
|	type IDENT
;

enumerators:
	enumerator { $$ = (struct node_list){ $1, $1 }; }
|	enumerators ',' enumerator { list_add(&$1, $3); $$ = $1; }
;

enumerator:
	IDENT { $$ = make_named(p, NODE_NAMED, &$1); }
|	IDENT '=' expr { $$ = make_named(p, NODE_NAMED, &$1); $$->span = @$; $$->a = $3; }
;

/* config, metric, macro, fn */

config_entries:
	%empty { $$ = (struct node_list){ 0 }; }
|	config_entries config_entry ';' { list_add(&$1, $2); $$ = $1; }
|	config_entries error ';' { $$ = $1; yyerrok; }
;

config_entry:
	IDENT '=' config_value { $$ = make_named(p, NODE_NAMED, &$1); $$->span = @$; $$->a = $3; }
;

config_value:
	INT { $$ = make_int(p, &$1); }
|	'-' INT { $$ = make_negative(p, @$, make_int(p, &$2)); }
|	STR { $$ = make_text(p, NODE_STR, &$1); }
|	TRUE { $$ = NEW(NODE_BOOL, @$); $$->value = 1; }
|	FALSE { $$ = NEW(NODE_BOOL, @$); }
|	IDENT { $$ = make_named(p, NODE_IDENT, &$1); }
;

metric_entries:
	%empty { $$ = (struct node_list){ 0 }; }
|	metric_entries metric_entry { list_add(&$1, $2); $$ = $1; }
|	metric_entries ',' { $$ = $1; }
|	metric_entries ';' { $$ = $1; }
|	metric_entries error ';' { $$ = $1; yyerrok; }
;

metric_entry:
	IDENT '=' expr { $$ = make_named(p, NODE_NAMED, &$1); $$->span = @$; $$->a = $3; }
;

macro_params:
	%empty { $$ = (struct node_list){ 0 }; }
|	macro_param_list
;

macro_param_list:
	macro_param { $$ = (struct node_list){ $1, $1 }; }
|	macro_param_list ',' macro_param { list_add(&$1, $3); $$ = $1; }
;

macro_param:
	VAR { $$ = make_named(p, NODE_VAR, &$1); }
|	MAP { $$ = make_named(p, NODE_MAP, &$1); }
|	IDENT { $$ = make_named(p, NODE_IDENT, &$1); }
;

fn_params:
	%empty { $$ = (struct node_list){ 0 }; }
|	fn_param_list
;

fn_param_list:
	fn_param { $$ = (struct node_list){ $1, $1 }; }
|	fn_param_list ',' fn_param { list_add(&$1, $3); $$ = $1; }
;

fn_param:
	VAR ':' type { $$ = make_named(p, NODE_VAR, &$1); $$->span = @$; $$->spelled = $3; }
;

fn_result:
	%empty { $$ = NULL; }
|	':' type { $$ = $2; }
;

%%

static void script_error(const struct span *span, struct parser *p, const char *text)
{
	/* Everything but memory (the parser's stack) comes through yyreport_syntax_error. */
	diag_error(p->diags, *span, "%s", strstr(text, "memory") ? "this is nested too deeply" : text);
}

static int yyreport_syntax_error(const yypcontext_t *context, struct parser *p)
{
	yysymbol_kind_t kinds[YYNTOKENS];
	const char *names[YYNTOKENS];
	int n = yypcontext_expected_tokens(context, kinds, YYNTOKENS);

	if (n < 0)
		return n;
	for (int i = 0; i < n; i++)
		names[i] = yysymbol_name(kinds[i]);
	report_syntax(p, *yypcontext_location(context), yysymbol_name(yypcontext_token(context)), names, n);
	tokens_recover(p);
	return 0;
}
