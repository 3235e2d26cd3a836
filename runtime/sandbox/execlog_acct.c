/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/execlog_acct.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <linux/acct.h>

#include "base/fd.h"

enum { VERSION = 3, TICKS = 100 /* a second, whatever HZ */, MOST = 64 << 20 };

_Static_assert(sizeof(struct acct_v3) == 64, "the kernel's records");

int execlog_acct_begin(const char *path, struct err *e)
{
	return acct(path) < 0 ? err_set(e, errno, "account to %s", path) : 0;
}

int execlog_acct_read(int dirfd, const char *path,
		      int (*each)(void *arg, const struct execlog_acct *p, struct err *e), void *arg,
		      struct err *e)
{
	owned_str file = STR_INIT;
	bool ended = false;
	int r = file_read(dirfd, path, MOST, &file, e);

	if (r < 0)
		return r;
	for (size_t at = 0; at < file.len; at += sizeof(struct acct_v3)) {
		struct execlog_acct p = { 0 };
		struct acct_v3 in;

		if (file.len - at < sizeof in)
			return err_say(e, EINVAL, "%s: ends within a record", path);
		memcpy(&in, file.s + at, sizeof in);
		if ((in.ac_version & ~ACCT_BYTEORDER) != VERSION)
			return err_say(e, EINVAL, "%s: byte %zu: version %d of accounting", path, at,
				       in.ac_version);
		p.pid = (pid_t)in.ac_pid;
		p.parent = (pid_t)in.ac_ppid;
		p.uid = in.ac_uid;
		p.executed = !(in.ac_flag & AFORK);
		p.status = (int)in.ac_exitcode;
		p.started = in.ac_btime;
		p.lasted = in.ac_etime > 0 ? (unsigned long long)((double)in.ac_etime * 1000 / TICKS) : 0;
		memcpy(p.name, in.ac_comm, sizeof in.ac_comm);
		/* The end of the namespace closes the file, for which there is one more record. */
		if (p.pid == 1 && ended)
			continue;
		ended = p.pid == 1;
		if ((r = each(arg, &p, e)) < 0)
			return r;
	}
	return 0;
}
