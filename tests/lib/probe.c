/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe: tries what a confined process must not be able to do, each attempt in
 * a child of its own.  Static, so that it runs in any root file system.
 *
 *	probe [NAME...]			prints "NAME ok", "NAME ERRNO" or "NAME signal N"
 *	probe connect ADDRESS PORT	prints "ok|ERRNO MILLISECONDS"
 *	probe ids			prints "UID EUID NUMBER-OF-EFFECTIVE-CAPABILITIES"
 *	probe overwrite SECONDS		A1: tries to write into any program of /proc/PID/exe that is
 *					not its own; prints "held PROGRAM" and "wrote PROGRAM"
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/sched.h>

static int try_socket(int family, int type, int protocol)
{
	return socket(family, type, protocol) < 0 ? errno : 0;
}

static int result(long r)
{
	return r < 0 ? errno : 0;
}

static int vsock(void) { return try_socket(AF_VSOCK, SOCK_STREAM, 0); }
static int alg(void) { return try_socket(AF_ALG, SOCK_SEQPACKET, 0); }
static int packet(void) { return try_socket(AF_PACKET, SOCK_RAW, htons(3)); }
static int packet_dgram(void) { return try_socket(AF_PACKET, SOCK_DGRAM, htons(3)); }
static int xdp(void) { return try_socket(AF_XDP, SOCK_RAW, 0); }
static int raw(void) { return try_socket(AF_INET, SOCK_RAW, 1); }
static int raw6(void) { return try_socket(AF_INET6, SOCK_RAW, 58); }
static int netfilter(void) { return try_socket(AF_NETLINK, SOCK_RAW, 12); }
static int io_uring(void)
{
	char params[256] = { 0 };

	return result(syscall(SYS_io_uring_setup, 4, params));
}

static int unshare_user(void) { return result(unshare(CLONE_NEWUSER)); }
static int unshare_net(void) { return result(unshare(CLONE_NEWNET)); }
static int unshare_mount(void) { return result(unshare(CLONE_NEWNS)); }

static int child_or_errno(long pid)
{
	if (pid == 0)
		_exit(0);
	return result(pid);
}

static int clone_user(void)
{
	return child_or_errno(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL));
}

static int clone3_user(void)
{
	struct clone_args a = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };

	return child_or_errno(syscall(SYS_clone3, &a, sizeof a));
}

static int setns_self(void)
{
	return result(setns(open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC), 0));
}

static int mount_tmpfs(void) { return result(mount("tmpfs", "/tmp", "tmpfs", 0, NULL)); }
static int mount_bind(void) { return result(mount("/", "/tmp", NULL, MS_BIND, NULL)); }
static int umount_proc(void) { return result(umount2("/proc", MNT_DETACH)); }
static int mount_remount(void)
{
	return result(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL));
}

static int mount_api(void) { return result(syscall(SYS_fsopen, "tmpfs", 0)); }
static int mount_tree(void) { return result(syscall(SYS_open_tree, AT_FDCWD, "/", 1)); }
static int chroot_call(void) { return result(chroot("/tmp")); }

static int ptrace_child(void)
{
	pid_t pid = fork();
	int r;

	if (pid == 0)
		for (;;)
			pause();
	r = ptrace(PTRACE_ATTACH, pid, NULL, NULL) < 0 ? errno : 0;
	kill(pid, SIGKILL);
	return r;
}

static int vm_write(void)
{
	char c = 0;
	struct iovec v = { &c, 1 };

	return result(process_vm_writev(getpid(), &v, 1, &v, 1, 0));
}

static int bpf(void)
{
	union bpf_attr a;

	/* an initializer does not zero all of a union (GCC 15) */
	memset(&a, 0, sizeof a);
	a.map_type = BPF_MAP_TYPE_ARRAY;
	a.key_size = 4;
	a.value_size = 4;
	a.max_entries = 1;
	return result(syscall(SYS_bpf, BPF_MAP_CREATE, &a, sizeof a));
}

static int perf(void)
{
	struct perf_event_attr a = { .size = sizeof a, .type = PERF_TYPE_SOFTWARE,
				     .exclude_kernel = 1, .exclude_hv = 1 };

	return result(syscall(SYS_perf_event_open, &a, 0, -1, -1, 0));
}

static int userfaultfd(void) { return result(syscall(SYS_userfaultfd, 1)); }
static int keyring(void)
{
	return result(syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, -3, 1));
}

static int add_key(void)
{
	return result(syscall(SYS_add_key, "user", "probe", "x", 1, -2));
}

static int by_handle(void)
{
	struct { struct file_handle h; char f[128]; } h = { .h.handle_bytes = 8, .h.handle_type = 1 };

	return result(open_by_handle_at(AT_FDCWD, &h.h, O_RDONLY));
}

static int module(void) { return result(syscall(SYS_init_module, "", 0, "")); }
static int kexec(void) { return result(syscall(SYS_kexec_load, 0, 0, NULL, 0)); }
static int personality_call(void) { return result(syscall(SYS_personality, 0x0040000)); }
static int tiocsti(void) { return result(ioctl(0, TIOCSTI, "x")); }

static int tioclinux(void)
{
	char paste = 3;

	return result(ioctl(0, TIOCLINUX, &paste));
}

static int mknod_device(void) { return result(mknod("/tmp/probe-node", S_IFBLK | 0600, 0x800)); }

static const struct attempt {
	const char *name;
	int (*run)(void);
} attempts[] = {
	{ "vsock", vsock },		{ "alg", alg },			{ "packet", packet },
	{ "packet-dgram", packet_dgram }, { "xdp", xdp },		{ "raw", raw },
	{ "raw6", raw6 },		{ "netfilter", netfilter },	{ "io_uring", io_uring },
	{ "unshare-user", unshare_user }, { "unshare-net", unshare_net },
	{ "unshare-mount", unshare_mount }, { "clone-user", clone_user },
	{ "clone3-user", clone3_user },	{ "setns", setns_self },
	{ "mount-tmpfs", mount_tmpfs },	{ "mount-bind", mount_bind },	{ "umount", umount_proc },
	{ "remount", mount_remount },	{ "fsopen", mount_api },	{ "open_tree", mount_tree },
	{ "chroot", chroot_call },	{ "ptrace", ptrace_child },	{ "vm_write", vm_write },
	{ "bpf", bpf },			{ "perf", perf },		{ "userfaultfd", userfaultfd },
	{ "keyctl", keyring },		{ "add_key", add_key },		{ "by_handle", by_handle },
	{ "module", module },		{ "kexec", kexec },		{ "personality", personality_call },
	{ "mknod", mknod_device },	{ "tiocsti", tiocsti },		{ "tioclinux", tioclinux },
};

static void attempt(const struct attempt *a)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(a->run());
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		printf("%s signal %d\n", a->name, WTERMSIG(status));
	else
		printf("%s %s\n", a->name,
		       WEXITSTATUS(status) ? strerrorname_np(WEXITSTATUS(status)) : "ok");
}

static int connect_to(const char *host, const char *port)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = v4.sin_port };
	bool is_v4 = inet_pton(AF_INET, host, &v4.sin_addr) == 1;
	struct timespec a, b;
	int fd, r;

	if (!is_v4 && inet_pton(AF_INET6, host, &v6.sin6_addr) != 1)
		return 2;
	fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	clock_gettime(CLOCK_MONOTONIC, &a);
	r = fd < 0 || (is_v4 ? connect(fd, (void *)&v4, sizeof v4) :
		       connect(fd, (void *)&v6, sizeof v6)) < 0 ? errno : 0;
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("%s %.1f\n", r ? strerrorname_np(r) : "ok",
	       (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6);
	return 0;
}

/* The program that the descriptor is of: by now a process may run another than its link said. */
static const char *program_of(int fd)
{
	static char name[PATH_MAX];
	char path[64];
	ssize_t n;

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	n = readlink(path, name, sizeof name - 1);
	name[n > 0 ? n : 0] = 0;
	return name;
}

/* Whether the program could be written to: not while it runs, if nothing else forbids it. */
static bool overwritten(int held)
{
	char path[64];
	bool done;
	int fd;

	snprintf(path, sizeof path, "/proc/self/fd/%d", held);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	done = fd >= 0 && write(fd, "#!/bin/false\n", 13) > 0;
	if (fd >= 0)
		close(fd);
	return done;
}

/* Holds the program open while it runs and asks for write access until nobody executes it.  Its own
 * image's tools are spared: they are its own harm, and the next exec would fail over them. */
static int overwrite(int seconds)
{
	char own[PATH_MAX] = "", last[PATH_MAX] = "", path[64];
	time_t end = time(NULL) + seconds;
	int held = -1;

	if (readlink("/proc/self/exe", own, sizeof own - 1) < 0)
		return 1;
	while (time(NULL) < end) {
		DIR *proc = opendir("/proc");
		struct dirent *d;

		while (proc && (d = readdir(proc))) {
			const char *name;
			int fd;

			snprintf(path, sizeof path, "/proc/%.20s/exe", d->d_name);
			fd = open(path, O_RDONLY | O_CLOEXEC);
			name = fd < 0 ? own : program_of(fd);
			if (!strcmp(name, own) || strstr(name, "busybox")) {
				if (fd >= 0)
					close(fd);
				continue;
			}
			if (strcmp(name, last))
				printf("held %s\n", strcpy(last, name));
			if (overwritten(fd))
				printf("wrote %s\n", name);
			/* what is in memory only is not worth giving up a file for, which may soon be idle */
			if (held >= 0)
				close(strncmp(name, "/memfd:", 7) ? held : fd);
			if (held < 0 || strncmp(name, "/memfd:", 7))
				held = fd;
		}
		if (proc)
			closedir(proc);
		if (held >= 0 && overwritten(held)) {
			printf("wrote %s\n", program_of(held));
			close(held);
			held = -1;
		}
	}
	return 0;
}

static int ids(void)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2];

	if (syscall(SYS_capget, &h, d) < 0)
		return 1;
	printf("%u %u %d\n", getuid(), geteuid(), __builtin_popcount(d[0].effective) +
						  __builtin_popcount(d[1].effective));
	return 0;
}

int main(int argc, char **argv)
{
	size_t n = sizeof attempts / sizeof *attempts;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 4 && !strcmp(argv[1], "connect"))
		return connect_to(argv[2], argv[3]);
	if (argc == 2 && !strcmp(argv[1], "ids"))
		return ids();
	if (argc == 3 && !strcmp(argv[1], "overwrite"))
		return overwrite(atoi(argv[2]));
	for (size_t i = 0; i < n; i++) {
		bool asked = argc == 1;

		for (int k = 1; k < argc; k++)
			asked |= !strcmp(argv[k], attempts[i].name);
		if (asked)
			attempt(&attempts[i]);
	}
	return 0;
}
