/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/key.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/audit.h"
#include "base/dirs.h"
#include "base/fd.h"

enum { KEY_MOST = 4096 };

/* A file that was not there, whole and on the disk, or not at all. */
static int file_make(int dirfd, const char *name, mode_t mode, const struct str *text, struct err *e)
{
	owned_fd fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	int r;

	if (fd < 0)
		return err_set(e, errno, "create %s", name);
	r = fd_write_all(fd, text->s, text->len, name, e);
	if (r == 0 && fsync(fd) < 0)
		r = err_set(e, errno, "flush %s", name);
	if (r < 0)
		unlinkat(dirfd, name, 0);
	return r;
}

int audit_key_make(const char *directory, mode_t mode, struct sign_key *ret, struct err *e)
{
	owned_str secret = STR_INIT, public = STR_INIT;
	struct sign_key key;
	owned_fd dirfd = -1;
	int r;

	if ((r = dirs_open(directory, mode, &dirfd, e)) < 0)
		return r;
	sign_key_new(&key);
	sign_put_secret(&key, &secret);
	sign_put_public(&key, &public);
	r = file_make(dirfd, AUDIT_KEY, 0600, &secret, e);
	explicit_bzero(secret.s, secret.len);
	if (r == -EEXIST)
		r = err_say(e, EEXIST, "%s/" AUDIT_KEY " exists, and what it signed is verified with its "
			    "public half: move both files away to have another", directory);
	else if (r == 0 && (r = file_make(dirfd, AUDIT_KEY_PUBLIC, 0644, &public, e)) < 0)
		unlinkat(dirfd, AUDIT_KEY, 0);
	if (r == 0) {
		fsync(dirfd);
		*ret = key;
	}
	sign_key_forget(&key);
	return r;
}

int audit_key_read(const char *directory, struct sign_key *ret, struct err *e)
{
	owned_fd dirfd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;
	owned_str pem = STR_INIT;
	struct stat st;
	int r;

	if (dirfd >= 0)
		fd = openat(dirfd, AUDIT_KEY, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, errno, "open %s/" AUDIT_KEY, directory);
	if (fstat(fd, &st) < 0)
		return err_set(e, errno, "stat %s/" AUDIT_KEY, directory);
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 0077))
		return err_say(e, EPERM, "%s/" AUDIT_KEY ": must be a file of uid %u that no one else can "
			       "read; if others could, move it away and make another", directory,
			       geteuid());
	r = fd_read_all(fd, KEY_MOST, AUDIT_KEY, &pem, e);
	if (r == 0)
		r = sign_key_parse(str_text(&pem), AUDIT_KEY, ret, e);
	if (pem.len)
		explicit_bzero(pem.s, pem.len);
	return r;
}
