/* SPDX-License-Identifier: Apache-2.0 */
#include "base/self.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/fd.h"
#include "base/sys.h"

#ifndef MFD_EXEC	/* Linux 6.3 */
#define MFD_EXEC 0x0010U
#define MFD_NOEXEC_SEAL 0x0008U
#endif

enum { MOST = 64 << 20 };	/* of the program and of its command line */

int self_seal(const char *name, bool executable, const void *data, size_t size, int *ret_fd,
	      struct err *e)
{
	unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	owned_fd fd = memfd_create(name, flags | (executable ? MFD_EXEC : MFD_NOEXEC_SEAL));

	if (fd < 0 && errno == EINVAL)	/* before Linux 6.3 */
		fd = memfd_create(name, flags);
	if (fd < 0)
		return err_set(e, errno, "memfd_create %s", name);
	if (fd_write_all(fd, data, size, name, e) < 0)
		return -e->code;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return err_set(e, errno, "seal %s", name);
	*ret_fd = fd_take(&fd);
	return 0;
}

int self_execute(int fd, struct err *e)
{
	owned_str line = STR_INIT;
	owned_arena a = ARENA_INIT;
	struct strv argv = { 0 };

	if (file_read(AT_FDCWD, "/proc/self/cmdline", MOST, &line, e) < 0)
		return -e->code;
	for (const char *p = line.s; p < line.s + line.len; p += strlen(p) + 1)
		strv_add(&a, &argv, p);
	sys_execveat(fd, "", argv.v, environ, AT_EMPTY_PATH);
	return err_set(e, errno, "execute a program from memory");
}

int self_execute_sealed(struct err *e)
{
	owned_fd self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), copy = -1;
	owned_str image = STR_INIT;
	int seals;

	if (self < 0)
		return err_set(e, errno, "open /proc/self/exe");
	/* Every file of a tmpfs answers, with F_SEAL_SEAL. */
	seals = fcntl(self, F_GET_SEALS);
	if (seals >= 0 && seals & F_SEAL_WRITE)
		return 0;
	if (fd_read_all(self, MOST, "/proc/self/exe", &image, e) < 0 ||
	    self_seal("agentrun", true, image.s, image.len, &copy, e) < 0)
		return -e->code;
	return self_execute(copy, e);
}
