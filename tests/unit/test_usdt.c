/*
 * Arguments of static probes: the words of the assembler to what codegen loads. The offsets are those of struct pt_regs as
 * <sys/ptrace.h>'s user_regs_struct has them, which is laid out the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/user.h>

#include <cmocka.h>

#include "base/mem.h"
#include "probes/regs.h"
#include "probes/usdt.h"

#define REG(name) ((uint32_t)offsetof(struct user_regs_struct, name))

static int setup(void **state)
{
	*state = arena_new();
	return 0;
}

static int teardown(void **state)
{
	arena_free(*state);
	return 0;
}

static struct usdt_arg parse(void **state, const char *text)
{
	struct usdt_arg arg[USDT_ARGS];

	assert_int_equal(usdt_args_parse(*state, text, arg), 1);
	return arg[0];
}

static void expect_register(void **state, const char *text, uint32_t offset, uint32_t size,
			    bool is_signed)
{
	struct usdt_arg arg = parse(state, text);

	if (arg.item.kind != CTX_REG)
		fail_msg("%s: %s", text, arg.item.why ? arg.item.why : "not a register");
	assert_int_equal(arg.item.offset, offset);
	assert_int_equal(arg.item.size, size);
	assert_int_equal(arg.item.is_signed, is_signed);
	assert_int_equal(arg.item.value, 0);
}

static void registers(void **state)
{
	expect_register(state, "8@%rax", REG(rax), 8, false);
	expect_register(state, "-4@%eax", REG(rax), 4, true);
	expect_register(state, "-2@%cx", REG(rcx), 2, true);
	expect_register(state, "1@%bl", REG(rbx), 1, false);
	expect_register(state, "1@%sil", REG(rsi), 1, false);
	expect_register(state, "8@%r8", REG(r8), 8, false);
	expect_register(state, "4@%r9d", REG(r9), 4, false);
	expect_register(state, "2@%r15w", REG(r15), 2, false);
	expect_register(state, "-1@%r12b", REG(r12), 1, true);
	expect_register(state, "8@%rbp", REG(rbp), 8, false);
	expect_register(state, "%rdi", REG(rdi), 8, false);
	/* The register is narrower than the argument: what is above it is not its own. */
	expect_register(state, "-4@%dx", REG(rdx), 2, true);
}

static void high_halves(void **state)
{
	struct usdt_arg arg = parse(state, "1@%ch");

	assert_int_equal(arg.item.kind, CTX_LOAD);
	assert_int_equal(arg.item.offset, REG(rcx) + 1);
	assert_int_equal(arg.item.size, 1);
}

static void expect_constant(void **state, const char *text, int64_t value)
{
	struct usdt_arg arg = parse(state, text);

	assert_int_equal(arg.item.kind, CTX_CONST);
	assert_int_equal(arg.item.value, value);
}

static void constants(void **state)
{
	expect_constant(state, "-4@$-9", -9);
	expect_constant(state, "8@$0x7fffffffffffffff", INT64_MAX);
	expect_constant(state, "8@$18446744073709551615", -1);
	expect_constant(state, "-1@$200", -56);
	expect_constant(state, "1@$-56", 200);
	expect_constant(state, "4@$-1", 0xffffffffll);
}

static void expect_place(void **state, const char *text, uint32_t base, uint32_t index,
			 unsigned scale, int64_t value)
{
	struct usdt_arg arg = parse(state, text);

	if (arg.item.kind != CTX_USER)
		fail_msg("%s: %s", text, arg.item.why ? arg.item.why : "not memory");
	assert_int_equal(arg.item.offset, base);
	assert_int_equal(arg.item.scale, scale);
	if (scale)
		assert_int_equal(arg.item.index, index);
	assert_int_equal(arg.item.value, value);
}

static void memory(void **state)
{
	expect_place(state, "8@(%rax)", REG(rax), 0, 0, 0);
	expect_place(state, "-4@-1204(%rbp)", REG(rbp), 0, 0, -1204);
	expect_place(state, "8@0x10(%r12)", REG(r12), 0, 0, 16);
	expect_place(state, "8@(%rax,%rbx)", REG(rax), REG(rbx), 1, 0);
	expect_place(state, "8@-8(%rax, %r11, 4)", REG(rax), REG(r11), 4, -8);
	expect_place(state, "4@16(,%rcx,8)", CTX_NO_REG, REG(rcx), 8, 16);
	expect_place(state, "4@16+8-4(%rdi)", REG(rdi), 0, 0, 20);
	expect_place(state, "8@8(%rip)", REG(rip), 0, 0, 8);
}

static void variables(void **state)
{
	struct usdt_arg arg = parse(state, "4@counter+16(%rip)");

	assert_int_equal(arg.item.kind, CTX_USER);
	assert_int_equal(arg.item.value, 16);
	assert_int_equal(arg.symbol_len, 7);
	assert_memory_equal(arg.symbol, "counter", 7);
	assert_true(arg.relative);
	arg = parse(state, "4@-8+counter.0(%rip)");
	assert_int_equal(arg.item.value, -8);
	assert_memory_equal(arg.symbol, "counter.0", 9);
}

static void expect_refused(void **state, const char *text, const char *why)
{
	struct usdt_arg arg = parse(state, text);

	assert_int_equal(arg.item.kind, CTX_NONE);
	assert_non_null(arg.item.why);
	if (!strstr(arg.item.why, why))
		fail_msg("%s: \"%s\" does not say \"%s\"", text, arg.item.why, why);
	assert_null(arg.symbol);
}

static void refused(void **state)
{
	expect_refused(state, "8f@%xmm0", "floating-point");
	expect_refused(state, "16@%rax", "neither 1, 2, 4 nor 8 bytes");
	expect_refused(state, "0@%rax", "neither");
	expect_refused(state, "x@%rax", "its size");
	expect_refused(state, "8@%xmm3", "register that BPF does not see");
	expect_refused(state, "8@%", "register");
	expect_refused(state, "8@%rax+1", "register");
	expect_refused(state, "8@$sym", "only constants that are numbers");
	expect_refused(state, "8@$", "only constants");
	expect_refused(state, "8@%fs:16", "not known");
	expect_refused(state, "8@(%rax", "not known");
	expect_refused(state, "8@(%rax,%rbx,9)", "not known");
	expect_refused(state, "8@(%rax,4)", "not known");
	expect_refused(state, "8@a+b(%rip)", "not known");
	expect_refused(state, "8@counter", "fixed address");
	expect_refused(state, "8@counter(%rax)", "fixed address");
	expect_refused(state, "@%rax", "its size");
}

static void several(void **state)
{
	struct usdt_arg arg[USDT_ARGS];

	assert_int_equal(usdt_args_parse(*state, "", arg), 0);
	assert_int_equal(usdt_args_parse(*state, "  ", arg), 0);
	assert_int_equal(usdt_args_parse(*state, " 8@%rdi  -4@8(%rsp, %rax) 1@$3 ", arg), 3);
	assert_int_equal(arg[0].item.offset, REG(rdi));
	assert_int_equal(arg[1].item.index, REG(rax));
	assert_int_equal(arg[2].item.value, 3);
	assert_int_equal(arg[2].type->size, 1);
	assert_int_equal(usdt_args_parse(*state,
					 "1@$1 1@$1 1@$1 1@$1 1@$1 1@$1 1@$1 1@$1 1@$1 "
					 "1@$1 1@$1 1@$1 1@$1 1@$1",
					 arg),
			 USDT_ARGS);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(registers), TEST(high_halves), TEST(constants), TEST(memory),
		TEST(variables), TEST(refused),	    TEST(several),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
