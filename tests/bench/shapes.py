# SPDX-License-Identifier: Apache-2.0
"""What the containers of the benchmark are made of: roots, bundles and what makes them larger.

spec: what `agentrun spec` writes. docker: docker-28.json, what dockerd 28 handed its runtime for
`docker run --rm --cgroupns private --network none -m 512m --pids-limit 256 --cpus 1.5
-v DIR:/workspace -w /workspace busybox true`; of its limits those stay for which the host has a
controller.
"""
import json
import os
import shutil
import subprocess

HERE = os.path.dirname(os.path.realpath(__file__))
EGRESS = ("192.0.2.10:443 (package mirror), 198.51.100.0/24:22 (git), "
          "203.0.113.7:8080-8090 (model), [2001:db8::10]:443 (package mirror)")
POLICY = {"io.agentrun.egress": "allow", "io.agentrun.egress.allow": EGRESS}
MANY = 1000  # mount points that the root has ready


def cgroup_layout():
    """v2, hybrid, v1 or none, as the host has it."""
    if os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
        return "v2"
    if os.path.exists("/sys/fs/cgroup/unified/cgroup.procs"):
        return "hybrid"
    return "v1" if os.path.exists("/sys/fs/cgroup/memory") else "none"


def controllers():
    """The controllers that a cgroup of a container can have."""
    if cgroup_layout() == "v2":
        with open("/sys/fs/cgroup/cgroup.controllers", encoding="ascii") as f:
            return f.read().split()
    return os.listdir("/sys/fs/cgroup")


def make_rootfs(path):
    for d in ("bin", "dev", "etc", "proc", "root", "sys", "tmp", "usr", "var", "workspace",
              *(f"mnt/{i}" for i in range(MANY))):
        os.makedirs(f"{path}/{d}")
    os.chmod(f"{path}/tmp", 0o1777)
    shutil.copy("/bin/busybox", f"{path}/bin/busybox")
    for name in ("sh", "true", "sleep"):
        os.symlink("busybox", f"{path}/bin/{name}")
    for name, text in (("passwd", "root:x:0:0:root:/root:/bin/sh\n"), ("group", "root:x:0:\n"),
                       ("hosts", ""), ("hostname", ""), ("resolv.conf", "")):
        with open(f"{path}/etc/{name}", "w", encoding="ascii") as f:
            f.write(text)


def make_project(path):
    """A workspace with some of what the agent profile guards and masks."""
    for d in (".git/hooks", ".vscode", "src"):
        os.makedirs(f"{path}/{d}")
    for name in (".git/config", ".env", ".vscode/settings.json", "src/main.c"):
        with open(f"{path}/{name}", "w", encoding="ascii"):
            pass


def make_engine(path):
    """What Docker keeps of a container outside its root."""
    os.makedirs(path)
    for name in ("resolv.conf", "hostname", "hosts"):
        with open(f"{path}/{name}", "w", encoding="ascii") as f:
            f.write("127.0.0.1 localhost\n" if name == "hosts" else "bench\n")


def docker_config(engine, project):
    with open(f"{HERE}/docker-28.json", encoding="utf-8") as f:
        config = json.load(f)
    for m in config["mounts"]:
        if m["type"] == "bind":
            d = m["destination"]
            m["source"] = project if d == "/workspace" else f"{engine}/{os.path.basename(d)}"
    there, resources = controllers(), config["linux"]["resources"]
    for name, controller in (("memory", "memory"), ("pids", "pids"), ("cpu", "cpu"),
                             ("blockIO", "io" if cgroup_layout() == "v2" else "blkio")):
        if controller not in there:
            del resources[name]
    if cgroup_layout() != "v2" and "memory" in resources and not os.path.exists(
            "/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes"):
        del resources["memory"]["swap"]
    return config


def spec_config(program, work):
    d = f"{work}/spec"
    os.mkdir(d)
    subprocess.run([program, "spec", "--bundle", d], check=True)
    with open(f"{d}/config.json", encoding="utf-8") as f:
        config = json.load(f)
    config["process"].update(terminal=False, args=["true"])
    return config


# ---- a configuration that grows; each takes (config, size, work) ---------------------------------

def more_mounts(config, size, work):
    """binds of as many directories of the host"""
    for i in range(size):
        os.makedirs(f"{work}/many/{i}", exist_ok=True)
        config["mounts"].append({"destination": f"/mnt/{i}", "type": "bind",
                                 "source": f"{work}/many/{i}", "options": ["rbind", "rprivate"]})
    if "annotations" in config:
        config["annotations"]["io.agentrun.mounts"] = "any"


def more_destinations(config, size, _work):
    """as many allowed destinations"""
    config["annotations"]["io.agentrun.egress.allow"] = ", ".join(
        f"10.{i >> 8}.{i & 255}.7:443 (mirror {i})" for i in range(size))


def more_environment(config, size, _work):
    """as many variables"""
    config["process"]["env"] += [f"BENCH_{i:05}=the value of variable {i}" for i in range(size)]
