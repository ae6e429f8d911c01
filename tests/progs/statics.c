/*
 * A target with static probes, written into .note.stapsdt as <sys/sdt.h> does it, with arguments in every kind of operand.
 * It prints its pid, waits for a line on stdin, runs its probes N times and prints the sums of what it passed, one "name number" per line.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NOTE(provider, name, counter, args)                                     \
	"990: nop\n"                                                            \
	".pushsection .note.stapsdt,\"?\",\"note\"\n"                           \
	".balign 4\n"                                                           \
	".4byte 992f-991f, 994f-993f, 3\n"                                      \
	"991: .asciz \"stapsdt\"\n"                                             \
	"992: .balign 4\n"                                                      \
	"993: .8byte 990b\n"                                                    \
	".8byte _.stapsdt.base\n"                                               \
	".8byte " counter "\n"                                                  \
	".asciz \"" provider "\"\n.asciz \"" name "\"\n.asciz \"" args "\"\n"   \
	"994: .balign 4\n"                                                      \
	".popsection\n"                                                         \
	".ifndef _.stapsdt.base\n"                                              \
	".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n" \
	".weak _.stapsdt.base\n.hidden _.stapsdt.base\n"                        \
	"_.stapsdt.base: .space 1\n.size _.stapsdt.base, 1\n"                   \
	".popsection\n"                                                         \
	".endif\n"

/* Raised by the kernel while someone traces statics:guarded. */
__attribute__((section(".probes"), used)) volatile unsigned short statics_guarded_counter;
__attribute__((used)) volatile int statics_variable;

static long sum_a, sum_b, sum_negative, sum_element, sum_variable, guarded;

/* Two places of one probe, whose arguments lie in different registers. */
__attribute__((noipa)) static void two_places(long a, int b)
{
	register long in_bx __asm__("rbx") = a;
	register int in_cx __asm__("ecx") = b;
	register long in_r9 __asm__("r9") = a;
	register int in_r10 __asm__("r10") = b;

	__asm__ volatile(NOTE("statics", "pair", "0", "8@%%rbx -4@%%ecx")
			 :
			 : "r"(in_bx), "r"(in_cx));
	__asm__ volatile(NOTE("statics", "pair", "0", "8@%%r9 -4@%%r10d")
			 :
			 : "r"(in_r9), "r"(in_r10));
	sum_a += 2 * a;
	sum_b += 2 * b;
}

__attribute__((noipa)) static void operands(int i)
{
	static const int64_t table[4] = { 3, 5, 7, 11 };
	register const int64_t *base __asm__("rbx") = table - 1;
	register uint64_t index __asm__("r12") = (unsigned)i % 4;
	volatile int16_t small = (int16_t)(-1000 - i);
	register volatile int16_t *at __asm__("rcx") = &small + 8;
	register uint32_t ax __asm__("eax") = 0x12345600u + 0x7fu;

	statics_variable = 100 + i;
	__asm__ volatile(NOTE("statics", "operands", "0",
			      "-2@-16(%%rcx) 8@8(%%rbx,%%r12,8) -4@$-42 4@statics_variable(%%rip) "
			      "1@%%ah -1@$200")
			 :
			 : "r"(base), "r"(index), "r"(at), "r"(ax), "m"(small));
	sum_negative += small;
	sum_element += table[index];
	sum_variable += statics_variable;
}

__attribute__((noipa)) static void guard(int i)
{
	if (!statics_guarded_counter)
		return;
	guarded++;
	register int in_si __asm__("esi") = i;
	__asm__ volatile(NOTE("statics", "guarded", "statics_guarded_counter", "-4@%%esi")
			 :
			 : "r"(in_si));
}

__attribute__((noipa)) static void odd(void)
{
	__asm__ volatile(NOTE("statics", "odd", "0", "8f@%%xmm0 8@%%fs:16 8@lost_variable(%%rip)")
			 :
			 :
			 : "memory");
	__asm__ volatile(NOTE("other", "pair", "0", "") : : : "memory");
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 1;
	char go;

	printf("pid %d\n", getpid());
	fflush(stdout);
	if (read(0, &go, 1) < 0)
		return 1;
	for (int i = 1; i <= n; i++) {
		two_places(i, -i);
		operands(i);
		guard(i);
		odd();
	}
	printf("a %ld\nb %ld\nnegative %ld\nelement %ld\nvariable %ld\nguarded %ld\ncounter %d\n",
	       sum_a, sum_b, sum_negative, sum_element, sum_variable, guarded,
	       statics_guarded_counter);
	return 0;
}
