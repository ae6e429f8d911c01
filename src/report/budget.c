/* The budget: a list of accounts, the largest of which has to give. */
#include "report/budget.h"

void account_open(struct account *account, struct budget *budget,
		  bool (*shrink)(struct account *account))
{
	*account = (struct account){ .budget = budget, .shrink = shrink };
	account->next = budget->accounts;
	if (account->next)
		account->next->before = account;
	budget->accounts = account;
}

void account_close(struct account *account)
{
	account_sub(account, account->used);
	if (account->next)
		account->next->before = account->before;
	if (account->before)
		account->before->next = account->next;
	else
		account->budget->accounts = account->next;
}

/* The largest below `limit`, which are those that have not been asked yet. */
static struct account *largest(const struct budget *budget, size_t limit)
{
	struct account *best = NULL;

	for (struct account *account = budget->accounts; account; account = account->next)
		if (account->shrink && account->used && account->used < limit &&
		    (!best || account->used > best->used))
			best = account;
	return best;
}

void budget_relieve(struct budget *budget)
{
	size_t limit = (size_t)-1, goal = budget->max / 8 * 7;

	while (budget->used > goal) {
		struct account *account = largest(budget, limit);

		if (!account)
			break;
		if (!account->shrink(account))
			limit = account->used;
	}
	/* What is left is needed: do not ask again for each row. */
	if (budget->used > goal)
		budget->max = budget->used / 7 * 8;
}
