/* SPDX-License-Identifier: Apache-2.0 */
#include "lifecycle/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"

int pid_file_prepare(struct pid_file *f, const char *path, pid_t pid, struct err *e)
{
	char text[16];
	int n = snprintf(text, sizeof text, "%d", pid);

	if (!path)
		return 0;
	if (file_beside(AT_FDCWD, path, text, (size_t)n, 0644, &f->beside, e) < 0)
		return err_in(e, "--pid-file");
	f->path = path;
	return 0;
}

int pid_file_publish(struct pid_file *f, struct err *e)
{
	if (!f->path)
		return 0;
	if (rename(f->beside.s, f->path) < 0)
		return err_set(e, errno, "--pid-file: rename %s to %s", f->beside.s, f->path);
	str_free(&f->beside);
	return 0;
}

void pid_file_close(struct pid_file *f)
{
	if (f->beside.len)
		unlink(f->beside.s);
	str_free(&f->beside);
}
