# SPDX-License-Identifier: Apache-2.0
"""Real engines, started for the tests: Docker, Podman and containerd.

Each has the runtime registered twice: "plain" as it is, and "confined" with
the runtime argument --profile PROFILE.  tests/run gives them stores and
networks of their own and ends them with its process namespace.
"""
import hashlib
import io
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
from runtime import program, run, until

IMAGE = "localhost/box:latest"


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

    def __init__(self, directory, confined_profile="agent"):
        self.dir = directory
        self.profile = confined_profile
        os.makedirs(directory, exist_ok=True)

    def argv(self, *args):
        raise NotImplementedError

    def __call__(self, *args, **kw):
        kw.setdefault("env", self.environment())
        kw.setdefault("timeout", 60)
        return run(self.argv(*args), **kw)

    def environment(self):
        e = {k: v for k, v in os.environ.items() if k not in ("GITHUB_TOKEN",)}
        e.update(self.env or {})
        return e

    def run_args(self, *args, confined=False):
        return ["run", *self.runtime_args(confined), *args]

    def run(self, *args, confined=False, **kw):
        """run ARGS (options, image, command) with the runtime under test"""
        return self(*self.run_args(*args, confined=confined), **kw)

    def up(self, *args, confined=False):
        return self.run("-d", *args, confined=confined, check=True).out.strip()

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


class Docker(Engine):
    name = "docker"

    def __init__(self, directory, confined_profile="agent", options=()):
        super().__init__(directory, confined_profile)
        os.makedirs("/etc/docker", exist_ok=True)
        with open("/etc/docker/daemon.json", "w", encoding="ascii") as f:
            json.dump({"runtimes": {
                "plain": {"path": program()},
                "confined": {"path": program(), "runtimeArgs": ["--profile", self.profile]}}}, f)
        self.env = {"DOCKER_HOST": "unix:///run/docker.sock"}
        self.daemon = Daemon(
            ["dockerd", "-H", self.env["DOCKER_HOST"], "--exec-root", "/run/docker", *options],
            directory + "/dockerd.log", lambda: self("version").code == 0)
        # Docker's policy for bridges is everybody's: other engines share these namespaces.
        run(["iptables", "-P", "FORWARD", "ACCEPT"])
        self("load", "-i", busybox_image(directory), check=True)
        server = self("version", "--format", "{{.Server.Version}}", check=True).out
        self.annotations = int(server.split(".")[0]) >= 24

    def argv(self, *args):
        return ["docker", *args]

    def runtime_args(self, confined):
        return ["--runtime", "confined" if confined else "plain"]

    def stop(self):
        self.remove_all()
        self.daemon.stop()


class Podman(Engine):
    name = "podman"

    def __init__(self, directory, confined_profile="agent", cgroup_manager="cgroupfs"):
        super().__init__(directory, confined_profile)
        conf = directory + "/containers.conf"
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

    def argv(self, *args):
        return ["podman", "--runtime", program(), *args]

    def runtime_args(self, confined):
        return ["--annotation", f"io.agentrun.profile={self.profile}"] if confined else []

    def remove_all(self):
        self("rm", "-f", "-a", "-t", "0", check=True)

    def stop(self):
        self.remove_all()


class Containerd:
    """containerd driven by ctr."""
    name = "ctr"
    annotations = True

    def __init__(self, directory, confined_profile="agent"):
        self.profile = confined_profile
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
        return run(self.argv(*args), **kw)

    def run_args(self, *args, confined=False):
        """run OPTIONS... CID COMMAND...; options are those that start with a dash"""
        args = list(args)
        options = []
        while args[0].startswith("-"):
            options.append(args.pop(0))
        extra = [f"--annotation=io.agentrun.profile={self.profile}"] if confined else []
        return ["run", "--runc-binary", program(), *extra, *options, IMAGE, *args]

    def run(self, *args, confined=False, **kw):
        return self(*self.run_args(*args, confined=confined), **kw)

    def remove_all(self):
        for cid in self("task", "ls", "-q", check=True).out.split():
            self("task", "kill", "-s", "SIGKILL", cid)
            until(lambda c=cid: "STOPPED" in self("task", "ls").out or
                  c not in self("task", "ls", "-q").out.split())
            self("task", "rm", "-f", cid)
        for cid in self("container", "ls", "-q", check=True).out.split():
            self("container", "rm", cid, check=True)

    def stop(self):
        self.remove_all()
        self.daemon.stop()


AVAILABLE = {"docker": (Docker, "dockerd"), "podman": (Podman, "podman"),
             "ctr": (Containerd, "containerd")}


def start(name, **kw):
    cls, _ = AVAILABLE[name]
    return cls(os.path.join(tempfile.gettempdir(), "engine-" + name), **kw)


def missing(name):
    return shutil.which(AVAILABLE[name][1]) is None
