/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy: configurations that real engines wrote, held against policies: what
 * is refused, and what becomes of the rest.  Golden files hold the effective
 * specifications: UPDATE_GOLDEN=1 writes them anew.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "policy_ask.h"

#define SCHEDULER(name, least) \
	&(struct spec_scheduler){ .policy = (char *)(name), .nice = { true, (least) } }
#define IO_CLASS(name) &(struct spec_io_priority){ .class = (char *)(name) }
#define RLIMIT(name, most) \
	&(struct spec_rlimit){ .type = (char *)(name), .soft = (most), .hard = (most) }

/* ---- what is refused ---- */

#define OUTSIDE "  policy: mounts=workspace-only (profile agent)\n  to allow it: --annotation io.agentrun.mounts.allow="
#define ALWAYS "  policy: always refused under a policy (profile agent)\n  to allow it: "
#define ADMIN "  to allow it: the administrator "

static const struct {
	struct ask ask;
	const char *text;	/* the error holds it, NULL: it is let through */
} refusals[] = {
	/* mounts: D1, D2 and the design's list */
	{ { .mounts = "/home/you/.ssh>/root/.ssh" },
	  "refused: mount /home/you/.ssh -> /root/.ssh is outside the workspace\n" OUTSIDE
	  "/home/you/.ssh" },
	{ { .bundle = "podman-5.8-secret", .profile = "agent", .rootless = true,
	    .mounts = "/home/you/.ssh>/root/.ssh" },
	  "refused: mount /home/you/.ssh -> /root/.ssh is outside the workspace\n" },
	{ { .mounts = "/home/you/.ssh>/root/.ssh",
	    .annotations = "mounts.allow=/home/you/.ssh:ro" }, NULL },
	{ { .mounts = "/home/you/.ssh>/root/.ssh",
	    .annotations = "mounts.allow=/home/you/.ss" }, "is outside the workspace" },
	{ { .mounts = "/home/you/.ssh>/root/.ssh",
	    .annotations = "mounts.allow=/home/you/.ssh:/other" }, "is outside the workspace" },
	{ { .mounts = "/run/docker.sock>/var/run/docker.sock" },
	  "refused: mount /run/docker.sock -> /var/run/docker.sock is a socket\n" ALWAYS
	  "the administrator adds \"/run/docker.sock\" to exceptions.sources in "
	  "/etc/agentrun/policy.json" },
	{ { .mounts = "/run/docker.sock>/var/run/docker.sock",
	    .annotations = "mounts.allow=/run/docker.sock" }, "is a socket" },
	{ { .mounts = "/run/docker.sock>/var/run/docker.sock",
	    .annotations = "mounts=any" }, "is a socket" },
	{ { .mounts = "/run/docker.sock>/s:ro", .annotations = "mounts=any",
	    .host = "{'exceptions':{'sources':['/run/docker.sock']}}" }, NULL },
	{ { .mounts = "/home/you/run>/r", .annotations = "mounts.allow=/home/you/run" },
	  "holds the socket /home/you/run/agent.sock" },
	{ { .mounts = "/home/you/link>/l", .annotations = "mounts.allow=/home/you/link" },
	  "refused: mount /home/you/link (/srv/secret) -> /l is outside the workspace" },
	{ { .mounts = "/home/you/link>/l", .annotations = "mounts.allow=/srv/secret" }, NULL },
	{ { .mounts = "/srv/secret>/l", .annotations = "mounts.allow=/srv/secret",
	    .host = "{'allow':{'mounts.allow':['/srv/public']}}" },
	  "refused: mounts.allow=/srv/secret (annotation) is more than this host allows\n"
	  "  policy: mounts.allow at most /srv/public (host policy /tmp/" },
	{ { .mounts = "/mnt/root>/l", .annotations = "mounts.allow=/mnt" },
	  "refused: mount /mnt/root -> /l is / by another name" },
	{ { .mounts = "/>/host", .annotations = "mounts=any" }, "one of the host's own directories" },
	{ { .mounts = "/etc>/h", .annotations = "mounts=any" }, "one of the host's own directories" },
	{ { .mounts = "/home>/h", .annotations = "mounts=any" }, "one of the host's own directories" },
	{ { .mounts = "/run>/h", .annotations = "mounts=any" }, "one of the host's own directories" },
	{ { .mounts = "/home/you>/h", .annotations = "mounts=any" }, "is a home directory" },
	{ { .mounts = "/home/you>/h", .cwd = "/h" }, "is a home directory" },
	{ { .mounts = "/home/unlisted>/h", .cwd = "/h" }, "is a home directory" },
	{ { .mounts = "/home/unlisted/src>/h", .cwd = "/h" }, "/workspace is outside the workspace" },
	{ { .mounts = "/etc/passwd>/etc/passwd" }, "to allow it: --annotation io.agentrun.mounts.allow="
	  "/etc/passwd" },
	{ { .mounts = "/proc/sys>/h", .annotations = "mounts=any" }, "lies in the host's /proc" },
	{ { .mounts = "/sys/fs>/h", .annotations = "mounts=any" }, "lies in the host's /sys" },
	{ { .mounts = "/dev/sda>/h", .annotations = "mounts=any" }, "lies in the host's /dev" },
	{ { .mounts = "/var/lib>/h", .annotations = "mounts=any" }, "holds the engine's own files" },
	{ { .mounts = "/var/lib/docker/overlay2/x/diff>/h", .annotations = "mounts=any" },
	  "holds the engine's own files" },
	{ { .mounts = "/var/lib/docker>/run/secrets", .annotations = "mounts=any" },
	  "holds the engine's own files" },
	{ { .mounts = "/var/log>/h", .annotations = "mounts=any" }, "holds agentrun's own files" },
	{ { .mounts = "/srv/x>/h", .annotations = "mounts=any" }, NULL },
	{ { .mounts = "/srv/x>/h", .annotations = "mounts=any",
	    .host = "{'allow':{'mounts':'workspace-only'}}" },
	  "refused: mounts=any (annotation) is more than this host allows" },
	{ { .mounts = "/dev/null>/workspace/.secret" }, NULL },
	{ { .mounts = "/srv/hosts>/etc/hosts" }, ADMIN "adds the engine's data directory to "
	  "engine_roots in" },
	{ { .mounts = "/home/you/bin/init>/sbin/docker-init" }, "is outside the workspace" },
	{ { .mounts = "/opt/bin/init>/sbin/docker-init" }, "is outside the workspace" },
	{ { .mounts = "/var/lib/docker/containers/ours/hosts>/etc/hosts" }, NULL },
	{ { .mounts = "/var/lib/docker/containers/theirs/hosts>/etc/hosts" }, "engine's own files" },
	{ { .mounts = "/var/lib/docker/hosts>/etc/hosts" }, "holds the engine's own files" },
	{ { .mounts = "/var/lib/docker/volumes/v2/_data>/v" }, NULL },
	{ { .mounts = "/var/lib/docker/volumes/v2/_data/../x>/v" }, "holds the engine's own files" },
	{ { .mounts = "/var/lib/docker/volumes/bound/_data>/v" }, "holds the engine's own files" },
	{ { .mounts = "/srv/x>/workspace/x:rshared" }, "has rshared propagation" },
	{ { .mounts = "overlay>/o" }, "mount of a overlay file system on /o is not one of those" },
	{ { .mounts = "proc>/other" }, "mount of a proc file system on /other" },
	{ { .mounts = "tmpfs>/proc/scsi" }, "mount of a tmpfs file system on /proc/scsi" },
	{ { .mounts = "tmpfs>/scratch" }, NULL },
	/* which one is the workspace */
	{ { .mounts = "/srv/y>/y", .cwd = "/y/sub" }, "mount /home/you/src/project -> /workspace is "
	  "outside the workspace" },
	{ { .mounts = "/srv/y>/y", .annotations = "workspace=/y" }, "-> /workspace is outside" },
	{ { .annotations = "workspace=/nowhere" }, "workspace=/nowhere (annotation): no bind mount has" },
	{ { .mounts = "/home/you/netrc>/n", .annotations = "workspace=/n" },
	  "mount /home/you/netrc -> /n cannot be the workspace" },
	{ { .mounts = "/usr/lib/x>/n", .annotations = "workspace=/n" }, "cannot be the workspace" },
	{ { .annotations = "workspace.mode=cow" }, NULL },
	{ { .annotations = "profile=edit" }, NULL },
	/* namespaces and privileges: C18 */
	{ { .bundle = "docker-20.10-privileged", .profile = "agent" },
	  "refused: all devices of the host (--privileged)\n" ALWAYS "the administrator adds "
	  "\"privileged\": true to exceptions in /etc/agentrun/policy.json" },
	{ { .bundle = "docker-20.10-hostnet", .profile = "agent" },
	  "refused: the host's network namespace (--network host)\n" ALWAYS },
	{ { .bundle = "podman-5.8-hostnet", .profile = "agent", .rootless = true },
	  "refused: the host's network namespace (--network host)" },
	{ { .namespace = "network" }, "the host's network namespace (--network host)" },
	{ { .namespace = "network", .host = "{'exceptions':{'namespaces':['network']}}" },
	  "refused: the host's network namespace (--network host) under an egress table, which would be "
	  "the host's own\n  policy: egress=none (profile agent)\n  to allow it: --annotation "
	  "io.agentrun.egress=open, or give the container a network of its own" },
	{ { .bundle = "docker-20.10-hostnet", .profile = "agent",
	    .annotations = "egress.allow=203.0.113.1:443 (x)",
	    .host = "{'exceptions':{'namespaces':['network']}}" }, "under an egress table, which" },
	{ { .namespace = "network", .annotations = "egress=open",
	    .host = "{'exceptions':{'namespaces':['network']}}" }, NULL },
	{ { .namespace = "pid" }, "the host's pid namespace (--pid host)" },
	{ { .namespace = "ipc" }, "the host's ipc namespace (--ipc host)" },
	{ { .namespace = "ipc", .host = "{'exceptions':{'namespaces':['ipc']}}" }, NULL },
	{ { .namespace = "mount" }, "a mount namespace that is not the container's own" },
	{ { .namespace = "uts" }, NULL },
	{ { .propagation = "rshared" }, "root propagation rshared" },
	{ { .device = true }, "refused: device /dev/fuse\n" ALWAYS "the administrator adds "
	  "\"/dev/fuse\" to exceptions.devices in" },
	{ { .device = true, .host = "{'exceptions':{'devices':['/dev/fuse']}}" }, NULL },
	{ { .device_rule = true }, "refused: access to devices c 10:200\n" ALWAYS },
	{ { .net_device = true }, "refused: network device eth7 of the host would become the "
	  "container's\n" ALWAYS "leave linux.netDevices out" },
	{ { .net_device = true, .annotations = "egress=open" }, "refused: network device eth7" },
	{ { .keep_groups = true }, "refused: the groups of the caller (run.oci.keep_original_groups)\n"
	  ALWAYS "leave out --group-add keep-groups" },
	{ { .caps = "CAP_SYS_ADMIN" }, "refused: capability CAP_SYS_ADMIN (--cap-add or "
	  "--privileged)\n  policy: caps=CAP_CHOWN" },
	{ { .caps = "CAP_SYS_NICE" }, "  to allow it: --annotation io.agentrun.caps=CAP_CHOWN,"
	  "CAP_DAC_OVERRIDE,CAP_FOWNER,CAP_FSETID,CAP_KILL,CAP_NET_BIND_SERVICE,CAP_SETFCAP,CAP_SETGID,"
	  "CAP_SETPCAP,CAP_SETUID,CAP_SYS_CHROOT,CAP_SYS_NICE" },
	{ { .caps = "CAP_SYS_NICE", .annotations = "caps=none" },
	  "  to allow it: --annotation io.agentrun.caps=CAP_SYS_NICE" },
	{ { .caps = "CAP_NET_ADMIN", .annotations = "caps=CHOWN" }, "  to allow it: --annotation "
	  "io.agentrun.egress=open --annotation io.agentrun.caps=CAP_CHOWN,CAP_NET_ADMIN" },
	{ { .caps = "CAP_NET_ADMIN", .annotations = "caps=CAP_CHOWN,CAP_NET_ADMIN;egress=open" }, NULL },
	{ { .caps = "CAP_NET_ADMIN", .annotations = "egress.allow=203.0.113.1:443 (x)" }, "  to allow "
	  "it: --annotation io.agentrun.egress=open in place of egress.allow --annotation io.agentrun.caps="
	  },
	{ { .sysctl = "net.ipv4.ip_forward", .annotations = "egress.allow=203.0.113.1:443 (x)" },
	  "egress=open in place of egress.allow, or leave the sysctl out" },
	{ { .sysctl = "net.ipv4.ip_forward" }, "egress=open, or leave the sysctl out" },
	{ { .caps = "CAP_SYS_NICE", .annotations = "caps=SYS_NICE" }, NULL },
	{ { .annotations = "caps=CHOWN, NET_ADMIN" },
	  "caps=CAP_NET_ADMIN (annotation) contradicts egress=none" },
	{ { .caps = "CAP_NET_ADMIN", .annotations = "egress=open;caps=NET_ADMIN" }, NULL },
	{ { .annotations = "caps=CAP_FLY" }, "annotation io.agentrun.caps: \"CAP_FLY\": is not a "
	  "capability" },
	{ { .sysctl = "net.ipv4.ip_forward" }, "sysctl net.ipv4.ip_forward=1" },
	{ { .sysctl = "net.ipv4.conf.all.route_localnet" }, "sysctl net.ipv4.conf.all.route_localnet" },
	{ { .sysctl = "kernel.core_pattern" }, "sysctl kernel.core_pattern" },
	{ { .sysctl = "net.core.somaxconn" }, NULL },
	{ { .sysctl = "net.ipv4.ip_forward", .annotations = "egress=open" }, NULL },
	/* what rises above the host's own processes */
	{ { .scheduler = SCHEDULER("SCHED_FIFO", 0) }, "refused: process.scheduler.policy SCHED_FIFO "
	  "could keep the host's own programs waiting\n  policy: caps=CAP_CHOWN" },
	{ { .scheduler = SCHEDULER("SCHED_RR", 0) }, "process.scheduler.policy SCHED_RR" },
	{ { .scheduler = SCHEDULER("SCHED_DEADLINE", 0) }, "process.scheduler.policy SCHED_DEADLINE" },
	{ { .scheduler = SCHEDULER("SCHED_OTHER", -1) }, "process.scheduler.nice -1" },
	{ { .scheduler = SCHEDULER("SCHED_FIFO", 0) }, "CAP_SYS_CHROOT,CAP_SYS_NICE" },
	{ { .scheduler = SCHEDULER("SCHED_FIFO", 0), .annotations = "caps=SYS_NICE" }, NULL },
	{ { .scheduler = SCHEDULER("SCHED_OTHER", 19) }, NULL },
	{ { .scheduler = SCHEDULER("SCHED_BATCH", 0) }, NULL },
	{ { .scheduler = SCHEDULER("SCHED_IDLE", 0) }, NULL },
	{ { .io_priority = IO_CLASS("IOPRIO_CLASS_RT") }, "process.ioPriority.class IOPRIO_CLASS_RT" },
	{ { .io_priority = IO_CLASS("IOPRIO_CLASS_RT"), .annotations = "caps=SYS_NICE" }, NULL },
	{ { .io_priority = IO_CLASS("IOPRIO_CLASS_BE") }, NULL },
	{ { .io_priority = IO_CLASS("IOPRIO_CLASS_IDLE") }, NULL },
	{ { .rlimit = RLIMIT("RLIMIT_RTPRIO", 1) }, "refused: RLIMIT_RTPRIO 1 could" },
	{ { .rlimit = RLIMIT("RLIMIT_RTPRIO", 0) }, NULL },
	{ { .rlimit = RLIMIT("RLIMIT_NICE", 21) }, "refused: RLIMIT_NICE 21 could" },
	{ { .rlimit = RLIMIT("RLIMIT_NICE", 20) }, NULL },
	{ { .rlimit = RLIMIT("RLIMIT_NOFILE", 1048576) }, NULL },
	{ { .property = "MemoryMax" }, "systemd property MemoryMax=1 is not one that" },
	{ { .property = "Delegate" }, "systemd property Delegate=1" },
	{ { .property = "TimeoutStopUSec" }, NULL },
	{ { .bundle = "containerd-1.6", .annotations = "seccomp=engine" }, "no system call filter at "
	  "all" },
	{ { .annotations = "seccomp=engine" }, "refused: the engine's system call filter alone could "
	  "lead past egress=none\n  policy: seccomp=engine (annotation)\n  to allow it: --annotation "
	  "io.agentrun.seccomp=agent, or the administrator adds " },
	{ { .annotations = "seccomp=engine;egress.allow=203.0.113.1:443 (x)",
	    .host = "{'allow':{'egress':'open'}}" }, "could lead past egress=allow" },
	{ { .annotations = "seccomp=engine", .host = "{'allow':{'seccomp':['agent','engine']}}" }, NULL },
	{ { .annotations = "env=scrub", .host = "{'require':{'seccomp':'engine'}}" }, NULL },
	{ { .annotations = "seccomp=engine;egress=open" }, NULL },
	{ { .listener = "/run/agent.sock" },
	  "refused: a seccomp listener (/run/agent.sock) that answers system calls for the "
	  "container\n" ALWAYS "leave SCMP_ACT_NOTIFY out of the engine's seccomp profile" },
	{ { .annotations = "seccomp=nosuch" }, "seccomp=nosuch (annotation): there is no nosuch.json" },
	/* keys and values */
	{ { .annotations = "egres=none" }, "annotation io.agentrun.egres: there is no such field; the "
	  "nearest is io.agentrun.egress" },
	{ { .annotations = "workspace.gard=x" }, "the nearest is io.agentrun.workspace.guard" },
	{ { .annotations = "label=x" }, "there is no such field" },
	{ { .annotations = "egress=maybe" }, "annotation io.agentrun.egress: \"maybe\": must be one of "
	  "none, allow, open" },
	{ { .annotations = "env.allow=" }, "annotation io.agentrun.env.allow: is empty" },
	{ { .annotations = "env.allow=A,,B" }, "has an empty item" },
	{ { .annotations = "profile=../agent" }, "annotation io.agentrun.profile: \"../agent\": must be "
	  "a name" },
	{ { .annotations = "profile=nosuch" }, "profile nosuch (annotation io.agentrun.profile): there "
	  "is no nosuch.json" },
	{ { .profile = "/etc/passwd", .annotations = "env=scrub" }, "profile \"/etc/passwd\" (option "
	  "--profile): must be a name" },
	{ { .annotations = "label.a/b=x" }, "a label's key is" },
	{ { .annotations = "label.task=ghp_abcdefghijklmnopqrstuvwxyz0123456789" },
	  "what looks like a credential" },
	{ { .annotations = "limits.memory=lots" }, "annotation io.agentrun.limits.memory" },
	{ { .annotations = "credentials=github" }, "credentials: github is not defined in" },
	{ { .annotations = "credentials=github", .host = "{'credentials':{'github':{}}}" },
	  "granting credentials is not supported yet" },
	/* contradictions */
	{ { .annotations = "egress=none;egress.allow=api.example.com:443 (x)" },
	  "egress=none (annotation) contradicts egress.allow (annotation)" },
	{ { .annotations = "egress=open;egress.allow=api.example.com:443 (x)" },
	  "egress=open (annotation) contradicts egress.allow (annotation)" },
	{ { .annotations = "profile=inspect;egress.allow=api.example.com:443 (x)" },
	  "egress=none (profile inspect) contradicts egress.allow (annotation)" },
	{ { .annotations = "profile=inspect;egress=allow;egress.allow=api.example.com:443 (x)" },
	  NULL },
	{ { .annotations = "profile=none;env=scrub" }, "none contradicts the other" },
	/* the host policy's bounds */
	{ { .annotations = "egress=open", .host = "{'allow':{'egress':'allow'}}" },
	  "refused: egress=open (annotation) is more than this host allows\n  policy: egress at most "
	  "allow (host policy /tmp/" },
	{ { .annotations = "egress=none", .host = "{'allow':{'egress':'allow'}}" }, NULL },
	/* a list's ceiling holds for its mode as well */
	{ { .annotations = "egress=open", .host = "{'allow':{'egress.allow':['*.example.com:443']}}" },
	  "refused: egress=open (annotation) is more than this host allows\n  policy: egress.allow at "
	  "most *.example.com:443 (host policy /tmp/" },
	{ { .annotations = "egress=open", .host = "{'allow':{'egress.allow':[]}}" },
	  "  to allow it: the administrator adds \"egress\": \"open\" to allow in /tmp/" },
	{ { .annotations = "egress=open", .host = "{'allow':{'egress':'open','egress.allow':[]}}" },
	  NULL },
	{ { .annotations = "egress=allow", .host = "{'allow':{'egress.allow':[]}}" }, NULL },
	{ { .annotations = "egress=open", .host = "{'allow':{'ingress.allow':[80]}}" },
	  "refused: egress=open (annotation)" },
	{ { .annotations = "mounts=any", .host = "{'allow':{'mounts.allow':['/srv']}}" },
	  "refused: mounts=any (annotation)" },
	{ { .annotations = "mounts=any", .host = "{'allow':{'mounts':'any','mounts.allow':['/srv']}}" },
	  NULL },
	{ { .annotations = "env=keep", .host = "{'allow':{'env.allow':['CI_*']}}" },
	  "refused: env=keep (annotation)" },
	{ { .annotations = "env=scrub", .host = "{'allow':{'env.allow':['CI_*']}}" }, NULL },
	{ { .annotations = "env=keep", .host = "{'allow':{'env':['scrub']}}" }, "env=keep" },
	{ { .annotations = "profile=inspect", .host = "{'allow':{'profile':['agent']}}" },
	  "profile=inspect (annotation io.agentrun.profile) is more than this host allows" },
	{ { .annotations = "profile=none", .host = "{'allow':{'profile':['agent']}}" },
	  "refused: a container without a policy" },
	{ { .profile = "none", .annotations = "x=y", .host = "{}" }, "there is no such field" },
	{ { .annotations = "limits.memory=2g", .host = "{'allow':{'limits.memory':'1g'}}" },
	  "limits.memory=2g (annotation) is more than this host allows" },
	{ { .annotations = "limits.memory=512m", .host = "{'allow':{'limits.memory':'1g'}}" }, NULL },
	{ { .annotations = "egress.allow=api.example.com:443 (x)",
	    .host = "{'allow':{'egress.allow':['*.example.com:443']}}" }, NULL },
	{ { .annotations = "egress.allow=example.com:443 (x)",
	    .host = "{'allow':{'egress.allow':['*.example.com:443']}}" }, "more than this host" },
	{ { .annotations = "egress.allow=203.0.113.9:443 (x)",
	    .host = "{'allow':{'egress.allow':['203.0.113.0/24:1-1000']}}" }, NULL },
	{ { .annotations = "egress.allow=203.0.113.0/23:443 (x)",
	    .host = "{'allow':{'egress.allow':['203.0.113.0/24:1-1000']}}" },
	  "has bits set beyond its prefix length" },
	{ { .annotations = "egress.allow=203.0.112.0/23:443 (x)",
	    .host = "{'allow':{'egress.allow':['203.0.113.0/24:1-1000']}}" }, "more than this host" },
	{ { .annotations = "egress.allow=203.0.113.9:443/udp (x)",
	    .host = "{'allow':{'egress.allow':['203.0.113.0/24:1-1000']}}" }, "more than this host" },
	{ { .annotations = "egress.allow=203.0.113.9:443" }, "a reason is missing" },
	{ { .annotations = "egress.allow=203.0.113.9:443", .host = "{'egress.reasons':'optional'}" },
	  NULL },
	{ { .annotations = "env.allow=AWS_PROFILE", .host = "{'allow':{'env.allow':['AWS_P*']}}" },
	  NULL },
	{ { .annotations = "env.allow=AWS_*", .host = "{'allow':{'env.allow':['AWS_P*']}}" },
	  "more than this host" },
	{ { .annotations = "egress.allow=api.example.com:443 (x)",
	    .host = "{'require':{'egress':'none'}}" }, "egress.allow=api.example.com:443 (x) "
	  "(annotation) is more than this host allows" },
	{ { .annotations = "audit.mode=best-effort", .host = "{'require':{'audit.mode':'required'}}" },
	  "audit.mode=best-effort (annotation) is more than this host allows" },
	{ { .annotations = "env=keep", .host = "{'require':{'env':'scrub'}}" },
	  "env=keep (annotation) is more than this host allows" },
	/* ... which bound the engine's own limits */
	{ { .pids = 5000, .host = "{'allow':{'limits.pids':50}}" },
	  "refused: the engine's limit, 5000 processes and threads, is more than this host allows\n"
	  "  policy: limits.pids at most 50 (host policy /tmp/" },
	{ { .pids = 51, .host = "{'allow':{'limits.pids':50}}" },
	  "  to allow it: --pids-limit 50, or the administrator raises allow[\"limits.pids\"] in /tmp/" },
	{ { .memory = 2 << 20, .host = "{'allow':{'limits.memory':'1m'}}" },
	  "the engine's limit, 2097152 bytes of memory, is" },
	{ { .quota = 100001, .host = "{'allow':{'limits.cpu':2}}" },
	  "the engine's limit, 2001 thousandths of processors, is" },
	{ { .quota = 100000, .host = "{'allow':{'limits.cpu':2}}" }, NULL },
	{ { .pids = 5000, .annotations = "limits.pids=50" }, NULL },
	{ { .unified = "pids.max", .host = "{'allow':{'limits.pids':50}}" },
	  "refused: linux.resources.unified: pids.max would take back limits.pids\n" },
	{ { .unified = "cpu.max", .host = "{'require':{'limits.cpu':1}}" }, "cpu.max would take back" },
	{ { .unified = "memory.max", .host = "{'require':{'limits.memory':'1g'}}" },
	  "memory.max would take back limits.memory" },
	{ { .unified = "pids.max", .annotations = "limits.pids=50" }, NULL },
	/* files of the host policy */
	{ { .host = "{'allow':{'env.deny':['X']}}" }, "env.deny\"]: has no ceiling" },
	{ { .host = "{'alow':{}}" }, "alow: is not one of default_profile, allow" },
	{ { .host = "{'allow':{'egress':'all'}}" }, "must be one of none, allow, open" },
	{ { .host = "{'engine_roots':['relative']}" }, "engine_roots[0]: must be an absolute path" },
	{ { .host = "{'exceptions':{'namespaces':['net']}}" }, "must be one of network, pid" },
	{ { .host = "{'audit.hooks':[{'events':['create']}]}" }, "path is missing" },
	{ { .host = "{'audit.hooks':[{'path':'/x','timeout':0}]}" }, "must be 1 to 3600 seconds" },
	{ { .host = "{" }, "test-policy-" },
};

Test(policy, refusals)
{
	for (size_t i = 0; i < COUNT(refusals); i++) {
		owned_arena a = ARENA_INIT;
		struct ask ask = refusals[i].ask;
		struct err e = { 0 };
		struct policy *p = NULL;
		struct spec *out = NULL;
		int r;

		if (!ask.profile && !ask.bundle)
			ask.profile = "agent";
		r = decide(&a, &ask, &p, &out, &e);
		if (!refusals[i].text) {
			cr_expect_eq(r, 0, "row %zu (%s %s): %s", i, ask.annotations ? ask.annotations : "",
				     ask.mounts ? ask.mounts : "", e.text);
			continue;
		}
		cr_expect(r < 0 && e.code == -r, "row %zu (%s %s) passed; expected %s", i,
			  ask.annotations ? ask.annotations : "", ask.mounts ? ask.mounts : "",
			  refusals[i].text);
		cr_expect(r >= 0 || strstr(e.text, refusals[i].text), "row %zu: %s\nexpected: %s", i,
			  e.text, refusals[i].text);
		/* a refusal has three lines, whatever it quotes */
		if (str_has_prefix(e.text, "refused: ")) {
			size_t lines = 1;

			for (const char *c = e.text; *c; c++)
				lines += *c == '\n';
			cr_expect_eq(lines, 3, "row %zu: %s", i, e.text);
		}
	}
}

/* ---- what is made of what is not refused ---- */

static const struct {
	const char *golden;
	struct ask ask;
} effective[] = {
	{ "docker-28-agent", { .annotations = "profile=agent;egress.allow=api.example.com:443 (LLM "
			       "API), [2001:db8::10]:443 (LLM API, IPv6), 203.0.113.0/24:8000-8010/udp "
			       "(telemetry);label.task=42;label.agent=coder;limits.time=2h",
			       .env = "GITHUB_TOKEN=x;LANG=C.UTF-8;FOO=postgres://u:hunter2@db/x" } },
	{ "docker-20.10-inspect", { .bundle = "docker-20.10", .profile = "inspect" } },
	{ "docker-20.10-unconfined", { .bundle = "docker-20.10-unconfined", .profile = "agent" } },
	{ "podman-4.3-limits", { .bundle = "podman-4.3", .annotations = "profile=agent;limits.cpu=1.5;"
				 "limits.memory=1g;limits.pids=10;ingress.allow=8080" } },
	{ "podman-4.3-volume", { .bundle = "podman-4.3-volume", .profile = "agent" } },
	{ "podman-5.8-rootless", { .bundle = "podman-5.8-rootless", .profile = "agent",
				   .rootless = true } },
	{ "podman-5.8-secret", { .bundle = "podman-5.8-secret", .profile = "agent", .rootless = true } },
	{ "podman-5.8-userns", { .bundle = "podman-5.8-userns", .profile = "agent", .rootless = true } },
	{ "containerd-1.6-strict", { .bundle = "containerd-1.6", .annotations = "env=strict;"
				     "env.allow=FOO_*;env.deny=FOO_BAD;mounts=any",
				     .env = "FOO_1=a;FOO_BAD=b;BAR=c;HOME=/root",
				     .mounts = "/srv/data>/data:rw;sysfs>/sys:rw" } },
	{ "docker-28-owner-map", { .annotations = "workspace.owner=map" } },
	{ "docker-28-host-policy", { .annotations = "label.task=1", .host = "{'require':"
		"{'audit.mode':'required','env.deny':['FOO'],'limits.memory':'2g','workspace.guard':"
		"['secret'],'caps':['CAP_CHOWN','CAP_KILL'],'label.host':'ci-7'},'audit.hooks':[{'path':"
		"'/usr/libexec/agentrun/hook-file','args':['hook-file','/var/log/x'],'required':true,"
		"'timeout':5}]}", .env = "FOO=1" } },
};

/* The effective specification as JSON, without the long filter. */
static char *print_spec(struct arena *a, struct spec *s)
{
	struct json_writer *w = json_writer_new(true);
	owned_str text = STR_INIT;

	s->linux_->seccomp = NULL;
	spec_write(s, w);
	json_writer_end(w, &text);
	return arena_strdup(a, text.s);
}

/* It is a temporary file here. */
static void cut_host_policy(char *text)
{
	char *name = strstr(text, "/tmp/test-policy-");

	if (name)
		*name = 0;
}

Test(policy, effective_specifications)
{
	for (size_t i = 0; i < COUNT(effective); i++) {
		owned_arena a = ARENA_INIT;
		char *path = arena_printf(&a, "tests/data/policy/%s.json", effective[i].golden), *text;
		struct policy *p = NULL;
		struct spec *out = NULL;
		struct err e = { 0 };

		cr_assert_eq(decide(&a, &effective[i].ask, &p, &out, &e), 0, "%s: %s",
			     effective[i].golden, e.text);
		cr_assert(p && out);
		for (size_t k = 0; k < out->agent->changes.n; k++)
			cut_host_policy(out->agent->changes.v[k]);
		for (size_t k = 0; k < out->agent->bounds.n; k++)
			cut_host_policy(out->agent->bounds.v[k].from);
		cr_expect_eq(spec_check(out, "effective", &e), 0, "%s: %s", effective[i].golden, e.text);
		text = print_spec(&a, out);
		if (getenv("UPDATE_GOLDEN"))
			cr_assert_eq(file_replace(AT_FDCWD, source_path(&a, path), text, strlen(text),
						  0644, &e), 0, "%s", e.text);
		cr_expect_str_eq(text, read_source(&a, path), "%s differs", path);
	}
}

/* The host policy's limits hold against the engine's; others are for where it set none. */
Test(policy, limits)
{
	static const struct {
		struct ask ask;
		int64_t pids, memory, swap, quota;	/* per 100 ms */
		uint64_t time;
		const char *change;
	} rows[] = {
		{ { .annotations = "limits.pids=5" }, .pids = 5, .change = "limit set: 5 processes" },
		{ { .pids = 9, .annotations = "limits.pids=5" }, .pids = 9 },
		{ { .pids = 9, .host = "{'require':{'limits.pids':5}}" }, .pids = 5,
		  .change = "limit lowered: 5 processes and threads, where the engine set more" },
		{ { .pids = 9, .annotations = "limits.pids=3", .host = "{'require':{'limits.pids':5}}" },
		  .pids = 3, .change = "limit lowered: 3 processes" },
		{ { .pids = 4, .host = "{'require':{'limits.pids':5}}" }, .pids = 4 },
		{ { .pids = -1, .host = "{'require':{'limits.pids':5}}" }, .pids = 5,
		  .change = "limits.pids set to 5: required by the host policy" },
		{ { .pids = 9, .host = "{'allow':{'limits.pids':7},'require':{'limits.pids':5}}" },
		  .pids = 5 },
		{ { .host = "{'allow':{'limits.pids':7}}" }, .pids = 7,
		  .change = "limits.pids set to 7: ceiling of the host policy" },
		{ { .pids = -1, .host = "{'allow':{'limits.pids':7}}" }, .pids = 7 },
		{ { .pids = 4, .host = "{'allow':{'limits.pids':7}}" }, .pids = 4 },
		{ { .annotations = "limits.pids=4", .host = "{'allow':{'limits.pids':7}}" }, .pids = 4 },
		/* memory and swap together: what was swap stays swap */
		{ { .memory = 5 << 20, .swap = 8 << 20, .host = "{'require':{'limits.memory':'1m'}}" },
		  .memory = 1 << 20, .swap = 4 << 20, .change = "limit lowered: 1m of memory" },
		{ { .memory = 5 << 20, .swap = -1, .host = "{'require':{'limits.memory':'1m'}}" },
		  .memory = 1 << 20, .swap = -1 },
		{ { .host = "{'allow':{'limits.memory':'1m'}}" }, .memory = 1 << 20 },
		{ { .quota = 75001, .host = "{'require':{'limits.cpu':1.5}}" }, .quota = 150000,
		  .change = "limit lowered: 1.5 processors" },
		{ { .quota = 75000, .host = "{'require':{'limits.cpu':1.5}}" }, .quota = 150000 },
		{ { .quota = 50000, .host = "{'require':{'limits.cpu':1.5}}" }, .quota = 100000 },
		{ { .host = "{'allow':{'limits.cpu':2}}" }, .quota = 200000 },
		{ { .host = "{'allow':{'limits.time':'1h'}}" }, .time = 3600,
		  .change = "limits.time set to 1h: ceiling of" },
		{ { .annotations = "limits.time=2h", .host = "{'require':{'limits.time':'1h'}}" },
		  .time = 3600, .change = "limits.time set to 1h: required by" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		owned_arena a = ARENA_INIT;
		struct ask ask = rows[i].ask;
		struct policy *p = NULL;
		struct spec *out = NULL;
		struct err e = { 0 };
		const struct spec_resources *r;
		bool found = !rows[i].change;

		ask.profile = "agent";
		cr_assert_eq(decide(&a, &ask, &p, &out, &e), 0, "row %zu: %s", i, e.text);
		r = out->linux_->resources;
		cr_expect_eq(r->pids ? r->pids->limit.v : 0, rows[i].pids, "row %zu", i);
		cr_expect_eq(r->memory ? r->memory->limit.v : 0, rows[i].memory, "row %zu", i);
		cr_expect_eq(r->memory ? r->memory->swap.v : 0, rows[i].swap, "row %zu", i);
		cr_expect(!r->memory || r->memory->reservation.v <= rows[i].memory, "row %zu", i);
		cr_expect_eq(r->cpu && r->cpu->quota.set ? r->cpu->quota.v * 100000 /
			     (int64_t)r->cpu->period.v : 0, rows[i].quota, "row %zu", i);
		cr_expect_eq(out->agent->time_limit.v, rows[i].time, "row %zu", i);
		for (size_t k = 0; k < out->agent->changes.n; k++)
			found |= rows[i].change &&
				 str_has_prefix(out->agent->changes.v[k], rows[i].change);
		cr_expect(found, "row %zu: %s is not recorded", i, rows[i].change);
		if (r->pids && r->pids->limit.v == ask.pids)
			for (size_t k = 0; k < out->agent->changes.n; k++)
				cr_expect(!str_has_prefix(out->agent->changes.v[k], "limit "));
	}
}

Test(policy, leaves_its_input_alone)
{
	owned_arena a = ARENA_INIT;
	struct ask ask = { .profile = "agent", .env = "GITHUB_TOKEN=x" };
	struct spec *s = make_spec(&a, &ask), *out;
	struct policy_options o = { .profile = "agent" };
	struct policy *p;
	struct facts facts;
	struct err e = { 0 };
	owned_str before = STR_INIT, after = STR_INIT;
	struct json_writer *w = json_writer_new(false);

	spec_write(s, w);
	json_writer_end(w, &before);
	cr_assert_eq(policy_load(&a, s, &o, &p, &e), 0, "%s", e.text);
	facts = look_around(&a, s, false);
	cr_assert_eq(policy_apply(&a, s, p, &facts, &out, &e), 0, "%s", e.text);
	w = json_writer_new(false);
	spec_write(s, w);
	json_writer_end(w, &after);
	cr_expect_str_eq(before.s, after.s);
}

/* What selects a profile, strongest first. */
Test(policy, selection)
{
	static const struct { struct ask ask; const char *profile; } rows[] = {
		{ { .bundle = "docker-20.10" }, NULL },
		{ { .bundle = "docker-20.10", .profile = "none" }, NULL },
		{ { .bundle = "docker-20.10", .profile = "agent" }, "agent" },
		{ { .bundle = "docker-20.10", .host = "{'default_profile':'inspect'}" }, "inspect" },
		{ { .bundle = "docker-20.10", .profile = "agent",
		    .host = "{'default_profile':'inspect'}" }, "agent" },
		{ { .bundle = "docker-20.10", .profile = "agent",
		    .annotations = "profile=inspect" }, "inspect" },
		{ { .bundle = "docker-20.10", .annotations = "label.task=1" }, "agent" },
		{ { .bundle = "docker-20.10", .profile = "none", .annotations = "env=strict" }, "agent" },
		{ { .bundle = "docker-20.10", .profile = "agent", .annotations = "profile=none" }, NULL },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		owned_arena a = ARENA_INIT;
		struct policy *p = NULL;
		struct spec *out = NULL;
		struct err e = { 0 };

		cr_assert_eq(decide(&a, &rows[i].ask, &p, &out, &e), 0, "row %zu: %s", i, e.text);
		cr_expect(rows[i].profile ? p && str_equal(out->agent->profile, rows[i].profile) : !p,
			  "row %zu: %s", i, p ? out->agent->profile : "none");
	}
}

/* Equal for what may share a network namespace, different otherwise (C18). */
Test(policy, digest)
{
	static const struct { const char *x, *y; bool equal; } rows[] = {
		{ "env=scrub", "env=strict", true },
		{ "egress=none", "egress=allow", true },
		{ "egress=none", "egress=open", false },
		{ "egress.allow=a.example.com:1 (x)", "egress.allow=a.example.com:1 (y)", true },
		{ "egress.allow=a.example.com:1 (x), b.example.com:2 (x)",
		  "egress.allow=b.example.com:2 (x), A.example.com:1 (x)", true },
		{ "egress.allow=a.example.com:1 (x)", "egress.allow=a.example.com:2 (x)", false },
		{ "egress.allow=a.example.com:1 (x)", "egress.allow=a.example.com:1/udp (x)", false },
		{ "egress.allow=a.example.com:1 (x)", "egress.allow=a.example.com:1-2 (x)", false },
		{ "egress=none", "ingress.allow=80", false },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		owned_arena a = ARENA_INIT;
		struct policy *p;
		struct spec *x, *y;
		struct err e = { 0 };

		cr_assert_eq(decide(&a, &(struct ask){ .annotations = rows[i].x }, &p, &x, &e), 0);
		cr_assert_eq(decide(&a, &(struct ask){ .annotations = rows[i].y }, &p, &y, &e), 0);
		cr_expect_eq(strcmp(x->agent->policy_digest, y->agent->policy_digest) == 0,
			     rows[i].equal, "row %zu", i);
	}
}

/* ---- exec ---- */

Test(policy, processes_that_join)
{
	static struct spec_scheduler rr = { .policy = (char *)"SCHED_RR" };
	static const struct {
		const char *cap, *refused;
		struct spec_scheduler *scheduler;
	} rows[] = {
		{ "CAP_CHOWN", NULL, NULL },
		{ "CAP_NET_RAW", NULL, NULL },	/* the engines' default: dropped */
		{ "CAP_SYS_ADMIN", "refused: capability CAP_SYS_ADMIN (exec --cap or --privileged)",
		  NULL },
		{ "CAP_SYS_ADMIN", "create the container with egress=open and caps", NULL },
		{ "CAP_SYSLOG", "create the container with caps that name it", NULL },
		{ "CAP_CHOWN", "refused: process.scheduler.policy SCHED_RR could", &rr },
	};
	owned_arena a = ARENA_INIT;
	struct ask ask = { .profile = "agent", .annotations = "env.allow=GITHUB_ORG" };
	struct policy *p;
	struct spec *out;
	struct err e = { 0 };

	cr_assert_eq(decide(&a, &ask, &p, &out, &e), 0, "%s", e.text);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct spec_capabilities caps = { 0 };
		struct spec_process process = { .capabilities = &caps,
						.scheduler = rows[i].scheduler };
		struct strv dropped = { 0 };
		int r;

		strv_add(&a, &caps.bounding, rows[i].cap);
		strv_add(&a, &caps.ambient, rows[i].cap);
		strv_add(&a, &caps.inheritable, rows[i].cap);
		strv_add(&a, &process.env, "GITHUB_TOKEN=x");
		strv_add(&a, &process.env, "GITHUB_ORG=y");
		strv_add(&a, &process.env, "X=npm_abcdefghijklmnopqrstuvwxyz0123456789");
		r = policy_apply_process(&a, out->agent, &process, &dropped, &e);
		cr_expect_eq(r < 0, rows[i].refused != NULL, "%s", rows[i].cap);
		if (rows[i].refused) {
			cr_expect(strstr(e.text, rows[i].refused), "%s", e.text);
			continue;
		}
		cr_expect(process.no_new_privileges);
		cr_expect_eq(process.env.n, 1);
		cr_expect_str_eq(process.env.v[0], "GITHUB_ORG=y");
		cr_expect_eq(dropped.n, 2);
		cr_expect_eq(process.capabilities->bounding.n, i == 0);
		cr_expect_eq(process.capabilities->ambient.n, i == 0);
		cr_expect_eq(process.capabilities->inheritable.n, i == 0);
		cr_expect_eq(caps.bounding.n, 1, "the caller's own set was changed");
	}
}
