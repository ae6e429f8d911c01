/* Which process listens on a port: its socket's inode from /proc/net, then whose file descriptor that is. */
#include "web/socket.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TCP_LISTEN 0x0a

/* The inode of the socket that listens on `port`; 0: none. */
static unsigned long find_inode(const char *table, unsigned port)
{
	FILE *file = fopen(table, "re");
	char line[512];
	unsigned long found = 0;

	while (file && !found && fgets(line, sizeof(line), file)) {
		unsigned local, state;
		unsigned long inode;

		if (sscanf(line,
			   " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*x:%*x %*x:%*x %*x %*d "
			   "%*d %lu",
			   &local, &state, &inode) == 3 &&
		    local == port && state == TCP_LISTEN)
			found = inode;
	}
	if (file)
		fclose(file);
	return found;
}

static bool has_fd(const char *pid, const char *link)
{
	char path[300], target[64];
	struct dirent *entry;
	bool found = false;
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	folder = opendir(path);
	while (folder && !found && (entry = readdir(folder))) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/%s/fd/%s", pid, entry->d_name);
		n = readlink(path, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
		found = strcmp(target, link) == 0;
	}
	if (folder)
		closedir(folder);
	return found;
}

static void describe(const char *pid, char *text, size_t room)
{
	char path[300], name[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	file = fopen(path, "re");
	if (file && fgets(name, sizeof(name), file))
		name[strcspn(name, "\n")] = '\0';
	if (file)
		fclose(file);
	snprintf(text, room, "%s (process %s)", *name ? name : "a program", pid);
}

bool socket_owner(unsigned port, char *text, size_t room)
{
	unsigned long inode = find_inode("/proc/net/tcp", port);
	char link[64];
	struct dirent *entry;
	bool found = false;
	DIR *proc;

	if (!inode)
		inode = find_inode("/proc/net/tcp6", port);
	proc = inode ? opendir("/proc") : NULL;
	snprintf(link, sizeof(link), "socket:[%lu]", inode);
	while (proc && !found && (entry = readdir(proc))) {
		found = strspn(entry->d_name, "0123456789") == strlen(entry->d_name) &&
			has_fd(entry->d_name, link);
		if (found)
			describe(entry->d_name, text, room);
	}
	if (proc)
		closedir(proc);
	return found;
}
