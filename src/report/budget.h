#ifndef JB_REPORT_BUDGET_H
#define JB_REPORT_BUDGET_H
/*
 * How much memory groups, histograms and courses over time may take, all tables together. Each container has an account;
 * when the sum goes over the limit, the largest ones are asked to make themselves smaller, at the cost of detail.
 */
#include <stdbool.h>
#include <stddef.h>

struct account;

struct budget {
	size_t used, max;
	struct account *accounts;
};

struct account {
	struct budget *budget;
	size_t used;
	bool (*shrink)(struct account *account); /* false: it cannot; NULL: never can */
	struct account *next, *before;
};

void account_open(struct account *account, struct budget *budget,
		  bool (*shrink)(struct account *account));
void account_close(struct account *account);
/* Bring the sum below the limit, as far as it goes. */
void budget_relieve(struct budget *budget);

static inline void account_add(struct account *account, size_t bytes)
{
	account->used += bytes;
	account->budget->used += bytes;
}

static inline void account_sub(struct account *account, size_t bytes)
{
	account->used -= bytes;
	account->budget->used -= bytes;
}

#endif
