# SPDX-License-Identifier: Apache-2.0
"""Real engines, started for the tests: Docker, Podman and containerd.

Docker has the runtime registered once as it is ("plain") and once for each
profile, as a runtime argument; the others choose the profile by annotation.
tests/run gives them stores and networks of their own and ends them with its
process namespace.
"""
import contextlib
import hashlib
import io
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import tarfile
import tempfile

import bundle
import probe
from runtime import REPO, program, run, until

IMAGE = "localhost/box:latest"
PROFILES = ("agent", "work", "edit")


def make_image(path, rootfs, env=("PATH=/usr/bin:/bin",)):
    """A docker-archive, which all engines load: one layer, one tag."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as t:
        t.add(rootfs, arcname=".")
    layer = layer.getvalue()
    digest = hashlib.sha256(layer).hexdigest()
    config = json.dumps({
        "architecture": "amd64", "os": "linux",
        "config": {"Env": list(env), "Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest]},
        "history": [{"created": "2020-01-01T00:00:00Z", "created_by": "test"}],
    }).encode()
    name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = json.dumps([{"Config": name, "RepoTags": [IMAGE], "Layers": [digest + ".tar"]}])
    with tarfile.open(path, "w") as t:
        for n, data in ((digest + ".tar", layer), (name, config),
                        ("manifest.json", manifest.encode())):
            info = tarfile.TarInfo(n)
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))
    return path


def controller(name):
    """Whether this machine lets containers have that cgroup controller."""
    try:
        with open("/sys/fs/cgroup/cgroup.controllers", encoding="ascii") as f:
            return name in f.read().split()
    except OSError:
        return os.path.exists("/sys/fs/cgroup/" + name)


def busybox_image(directory):
    rootfs = bundle.make_rootfs(os.path.join(directory, "image"))
    shutil.copy(probe.program(), rootfs + "/bin/probe")
    for f in ("mailcap", "httpd.conf"):
        with open(f"{rootfs}/etc/{f}", "w", encoding="ascii"):
            pass
    with open(f"{rootfs}/index.html", "w", encoding="ascii") as f:
        f.write("served\n")
    return make_image(os.path.join(directory, "box.tar"), rootfs)


class Daemon:
    """A background program that is ended with all its children."""

    def __init__(self, args, log, ready, timeout=30, **kw):
        self.log = log
        with open(log, "ab") as out:
            self.process = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=out, start_new_session=True, **kw)

        def up():
            assert self.process.poll() is None, self.tail()
            return ready()
        try:
            until(up, timeout, f"{args[0]} ready")
        except AssertionError:
            self.stop()
            raise

    def tail(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return "".join(f.readlines()[-30:])

    def stop(self, timeout=20):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Engine:
    """What the tests need of an engine with a command line like Docker's."""
    name = None
    annotations = True
    env = None
    network = None

    def __init__(self, directory):
        self.dir = directory
        os.makedirs(directory, exist_ok=True)

    def argv(self, *args):
        raise NotImplementedError

    def __call__(self, *args, **kw):
        kw.setdefault("env", self.environment())
        kw.setdefault("timeout", 60)
        # conmon leaves a file called oom where it was started
        kw.setdefault("cwd", tempfile.gettempdir())
        return run(self.argv(*args), **kw)

    def environment(self):
        e = {k: v for k, v in os.environ.items() if k not in ("GITHUB_TOKEN",)}
        e.update(self.env or {})
        return e

    def run_args(self, *args, profile=None):
        return ["run", *self.runtime_args(profile), *args]

    def run(self, *args, profile=None, **kw):
        """run ARGS (options, image, command) with the runtime under test"""
        return self(*self.run_args(*args, profile=profile), **kw)

    def up(self, *args, profile=None):
        return self.run("-d", *args, profile=profile, check=True).out.strip()

    def options(self, mounts=(), env=(), cwd=None, network=False, annotations=()):
        options = [f"--annotation={a}" for a in annotations]
        for source, destination in mounts:
            options += ["-v", f"{source}:{destination}"]
        for name in env:
            options += ["-e", f"{name}={env[name]}"]
        if cwd:
            options += ["-w", cwd]
        if network and self.network:
            options += ["--network", self.network]
        return options

    def box(self, profile, command, check=None, image=IMAGE, timeout=60, user=None, **options):
        """What all engines have in common: one command in a fresh container."""
        who = ["-u", user] if user else []
        return self.run("--rm", *who, *self.options(**options), image, *command, profile=profile,
                        check=check, timeout=timeout)

    @contextlib.contextmanager
    def running(self, profile, image=IMAGE, **options):
        c = Running(self, self.up(*self.options(**options), image, "sleep", "100",
                                  profile=profile))
        yield c
        self("rm", "-f", *(["-t", "0"] if self.name == "podman" else []), c.id, check=True)

    def inspect(self, cid, template):
        return self("inspect", "-f", template, cid, check=True).out.strip()

    def pid(self, cid):
        return int(self.inspect(cid, "{{.State.Pid}}"))

    def remove_all(self):
        ids = self("ps", "-aq", check=True).out.split()
        if ids:
            self("rm", "-f", *ids, check=True)

    def stop(self):
        pass

    @property
    def version(self):
        out = run([self.name, "--version"], check=True).out
        return tuple(int(x) for x in re.search(r"(\d+)\.(\d+)", out).groups())


class Running:
    def __init__(self, engine, cid):
        self.engine, self.id = engine, cid

    def exec(self, command, env=(), flags=(), **kw):
        e = [f"--env={name}={env[name]}" for name in env]
        return self.engine("exec", *flags, *e, self.id, *command, **kw)

    def pause(self):
        self.engine("pause", self.id, check=True)

    def unpause(self):
        self.engine("unpause", self.id, check=True)


ROOTLESS_DOCKER = "/usr/share/docker.io/contrib/dockerd-rootless.sh"


class Docker(Engine):
    name = "docker"

    def __init__(self, directory, options=()):
        super().__init__(directory)
        root = os.geteuid() == 0
        settings = "/etc/docker" if root else os.path.expanduser("~/.config/docker")
        run_dir = "/run" if root else os.environ["XDG_RUNTIME_DIR"]
        os.makedirs(settings, exist_ok=True)
        with open(settings + "/daemon.json", "w", encoding="ascii") as f:
            json.dump({"ipv6": True, "fixed-cidr-v6": "fd00:d0c::/64", "runtimes": {
                "plain": {"path": program()},
                **{p: {"path": program(), "runtimeArgs": ["--profile", p]} for p in PROFILES}}}, f)
        self.env = {"DOCKER_HOST": f"unix://{run_dir}/docker.sock"}
        command = ["dockerd", "-H", self.env["DOCKER_HOST"], "--exec-root", "/run/docker"]
        self.daemon = Daemon([*(command if root else [ROOTLESS_DOCKER]), *options],
                             directory + "/dockerd.log", lambda: self("version").code == 0)
        # Docker's policy for bridges is everybody's: other engines share these namespaces.
        if root:
            run(["iptables", "-P", "FORWARD", "ACCEPT"])
        self("load", "-i", busybox_image(directory), check=True)
        server = self("version", "--format", "{{.Server.Version}}", check=True).out
        self.annotations = int(server.split(".")[0]) >= 24

    def argv(self, *args):
        return ["docker", *args]

    def runtime_args(self, profile):
        return ["--runtime", profile or "plain"]

    def stop(self):
        self.remove_all()
        self.daemon.stop()


class Podman(Engine):
    name = "podman"

    def __init__(self, directory, cgroup_manager="cgroupfs"):
        super().__init__(directory)
        conf = directory + "/containers.conf"
        if os.path.isdir("/run/systemd/system"):
            cgroup_manager = "systemd"
        limits = "" if controller("pids") else "[containers]\npids_limit = 0"
        with open(conf, "w", encoding="ascii") as f:
            f.write(f"""{limits}
[engine]
cgroup_manager = "{cgroup_manager}"
events_logger = "file"
runtime_supports_json = ["agentrun", "runc", "crun"]
[engine.runtimes]
plain = ["{program()}"]
""")
        self.env = {"CONTAINERS_CONF": conf, "PODMAN_IGNORE_CGROUPSV1_WARNING": "1"}
        self("load", "-i", busybox_image(directory), check=True)
        if os.geteuid() == 0:
            self.network = "both"
            self("network", "create", "--ipv6", "both", check=True)

    def argv(self, *args):
        return ["podman", "--runtime", program(), *args]

    def runtime_args(self, profile):
        return ["--annotation", f"io.agentrun.profile={profile}"] if profile else []

    def remove_all(self):
        self("rm", "-f", "-a", "-t", "0", check=True)

    def stop(self):
        self.remove_all()


class Containerd:
    """containerd driven by ctr."""
    name = "ctr"
    annotations = True

    def __init__(self, directory):
        self.serial = itertools.count(1)
        self.netnses = []
        os.makedirs(directory, exist_ok=True)
        conf = directory + "/config.toml"
        with open(conf, "w", encoding="ascii") as f:
            f.write(f"""
version = 2
root = "/var/lib/containerd/own"
state = "/run/containerd-own"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{directory}/sock"
""")
        self.socket = directory + "/sock"
        self.daemon = Daemon(["containerd", "-c", conf], directory + "/containerd.log",
                             lambda: self("version").code == 0)
        self("image", "import", busybox_image(directory), check=True)

    def argv(self, *args):
        return ["ctr", "-a", self.socket, *args]

    def __call__(self, *args, **kw):
        kw.setdefault("timeout", 60)
        return run(self.argv(*args), **kw)

    def environment(self):
        return dict(os.environ)

    def run_args(self, *args, profile=None):
        """run OPTIONS... CID COMMAND...; options are those that start with a dash"""
        args = list(args)
        options = []
        while args[0].startswith("-"):
            options.append(args.pop(0))
        extra = [f"--annotation=io.agentrun.profile={profile}"] if profile else []
        return ["run", "--runc-binary", program(), *extra, *options, IMAGE, *args]

    def run(self, *args, profile=None, **kw):
        return self(*self.run_args(*args, profile=profile), **kw)

    def options(self, mounts=(), env=(), cwd=None, network=False, annotations=()):
        options = [f"--annotation={a}" for a in annotations]
        options += [f"--mount=type=bind,src={s},dst={d},options=rbind:rw" for s, d in mounts]
        options += [f"--env={name}={env[name]}" for name in env]
        if cwd:
            options.append(f"--cwd={cwd}")
        if network:
            options.append("--with-ns=network:" + self.netns())
        return options

    def box(self, profile, command, check=None, timeout=60, **options):
        cid = f"c{next(self.serial)}"
        return self.run("--rm", *self.options(**options), cid, *command, profile=profile,
                        check=check, timeout=timeout)

    @contextlib.contextmanager
    def running(self, profile, **options):
        cid = f"c{next(self.serial)}"
        self.run("-d", *self.options(**options), cid, "sleep", "100", profile=profile, check=True)
        yield Task(self, cid)
        self("task", "kill", "-s", "SIGKILL", cid, check=True)
        until(lambda: "STOPPED" in self("task", "ls").out)
        self("task", "rm", cid)
        self("container", "rm", cid, check=True)

    def netns(self):
        """A fresh network namespace with a way to this one, as a CNI plugin would make it."""
        n = next(self.serial)
        name = f"ctr{n}"
        for command in (
                f"ip netns add {name}",
                f"ip link add v{n} type veth peer name eth0 netns {name}",
                f"ip addr add 10.99.{n}.1/24 dev v{n}",
                f"ip -6 addr add fd99:{n}::1/64 dev v{n} nodad",
                f"ip link set v{n} up",
                f"ip -n {name} addr add 10.99.{n}.2/24 dev eth0",
                f"ip -n {name} -6 addr add fd99:{n}::2/64 dev eth0 nodad",
                f"ip -n {name} link set lo up", f"ip -n {name} link set eth0 up",
                f"ip -n {name} route add default via 10.99.{n}.1",
                f"ip -n {name} -6 route add default via fd99:{n}::1"):
            run(command.split(), check=True)
        self.netnses.append(name)
        return f"/run/netns/{name}"

    def remove_all(self):
        for cid in self("task", "ls", "-q", check=True).out.split():
            self("task", "kill", "-s", "SIGKILL", cid)
            until(lambda c=cid: "STOPPED" in self("task", "ls").out or
                  c not in self("task", "ls", "-q").out.split())
            self("task", "rm", "-f", cid)
        for cid in self("container", "ls", "-q", check=True).out.split():
            self("container", "rm", cid, check=True)

        while self.netnses:
            run(["ip", "netns", "del", self.netnses.pop()], check=True)

    def stop(self):
        self.remove_all()
        self.daemon.stop()


class Task:
    def __init__(self, engine, cid):
        self.engine, self.id = engine, cid

    def exec(self, command, env=(), flags=(), **kw):
        del env  # ctr has no such option: the process has the container's
        return self.engine("task", "exec", *flags, "--exec-id", f"e{next(self.engine.serial)}",
                           self.id, *command, **kw)

    def pause(self):
        self.engine("task", "pause", self.id, check=True)

    def unpause(self):
        self.engine("task", "resume", self.id, check=True)


AVAILABLE = {"docker": (Docker, "dockerd"), "podman": (Podman, "podman"),
             "ctr": (Containerd, "containerd")}


def install_profiles():
    """The profile "work": "agent" with one allowed server, as an administrator would write it."""
    if os.geteuid() != 0:
        return
    with open(os.path.join(REPO, "profiles/agent.json"), encoding="utf-8") as f:
        profile = json.load(f)
    profile["egress"] = "allow"
    profile["egress.allow"] = ["203.0.113.5:8080 (the test's server)",
                               "[2001:db8:5::1]:8080 (the test's server)"]
    profile["ingress.allow"] = ["80"]
    os.makedirs("/etc/agentrun/profiles", exist_ok=True)
    with open("/etc/agentrun/profiles/work.json", "w", encoding="utf-8") as f:
        json.dump(profile, f)


def start(name, **kw):
    install_profiles()
    cls, _ = AVAILABLE[name]
    return cls(os.path.join(tempfile.gettempdir(), "engine-" + name), **kw)


def missing(name):
    needed = AVAILABLE[name][1]
    if name == "docker" and os.geteuid() != 0:
        return not (shutil.which("rootlesskit") and os.path.exists(ROOTLESS_DOCKER))
    return shutil.which(needed) is None
