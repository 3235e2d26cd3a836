# SPDX-License-Identifier: Apache-2.0
"""A container under `docker run`: agentrun and runc by turns, below the same dockerd."""
import contextlib
import json
import os
import shlex
import shutil
import subprocess
import tarfile
import tempfile
import time

PAIRS = 20
IMAGE = "localhost/bench"


class NoEngine(Exception):
    pass


@contextlib.contextmanager
def dockerd(work, group, runtimes):
    """A daemon with stores of its own; yields the command line of its client."""
    for program in ("docker", "dockerd", "containerd"):
        if not shutil.which(program):
            raise NoEngine(f"{program} is not installed")
    d = tempfile.mkdtemp(dir="/run")  # overlays cannot stand on an overlay
    for top in ("/etc", "/opt"):  # where dockerd leaves a key, and containerd directories
        upper, temporary = tempfile.mkdtemp(dir=d), tempfile.mkdtemp(dir=d)
        if subprocess.run(["mount", "-t", "overlay", "overlay", top, "-o",
                           f"lowerdir={top},upperdir={upper},workdir={temporary}"],
                          check=False).returncode != 0:
            raise NoEngine("overlays cannot be mounted")
    with open(f"{d}/daemon.json", "w", encoding="ascii") as f:
        json.dump({"runtimes": {name: {"path": path} for name, path in runtimes.items()}}, f)
    client = ["docker", "-H", f"unix://{d}/sock"]
    with open(f"{work}/dockerd.log", "wb") as log, subprocess.Popen(
            ["dockerd", "--config-file", f"{d}/daemon.json", "-H", f"unix://{d}/sock",
             "--data-root", f"{d}/data", "--exec-root", f"{d}/exec", "--pidfile", f"{d}/pid",
             "--iptables=false", "--ip6tables=false", "--bridge=none",
             "--cgroup-parent", f"/{group}/docker"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log) as daemon:
        try:
            for _ in range(300):
                if subprocess.run([*client, "version"], capture_output=True,
                                  check=False).returncode == 0:
                    break
                if daemon.poll() is not None:
                    raise NoEngine("dockerd does not start")
                time.sleep(0.1)
            else:
                raise NoEngine("dockerd does not answer")
            yield client
        finally:
            daemon.terminate()
            daemon.wait()


def wrapper(path, program, log):
    """A runtime that writes down when each command began and ended."""
    with open(path, "x", encoding="ascii") as f:
        f.write(f"""#!/bin/bash
began=$EPOCHREALTIME
{shlex.quote(program)} "$@"
code=$?
echo "$began $EPOCHREALTIME" >>{log}
exit $code
""")
    os.chmod(path, 0o755)
    return path


def pairs(program, runc, rootfs, project, work, group, count):
    """[({figure: ms with agentrun}, {figure: ms with runc}), ...]"""
    log, names = f"{work}/calls", ("agentrun", "other")
    wrapped = {name: wrapper(f"{work}/{name}", path, log)
               for name, path in zip(names, (program, runc))}
    with dockerd(work, group, wrapped) as client:
        with tarfile.open(f"{work}/image.tar", "w") as t:
            t.add(rootfs, arcname=".")
        subprocess.run([*client, "import", f"{work}/image.tar", IMAGE], check=True,
                       stdout=subprocess.DEVNULL)

        def run(runtime):
            argv = [*client, "run", "--rm", "--runtime", runtime, "--network", "none",
                    "-v", f"{project}:/workspace", "-w", "/workspace", IMAGE, "true"]
            with open(log, "w", encoding="ascii"):
                pass
            began = time.perf_counter()
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            took = time.perf_counter() - began
            if done.returncode != 0:
                raise NoEngine(f"{runtime}: {done.stderr.strip()}")
            with open(log, encoding="ascii") as f:
                calls = sorted(tuple(map(float, line.split())) for line in f)
            return {"docker run": 1e3 * took,
                    "create to delete": 1e3 * (max(c[1] for c in calls) - calls[0][0]),
                    "in the runtime": 1e3 * sum(c[1] - c[0] for c in calls)}

        for name in names:
            run(name)
        took = []
        for i in range(count):
            pair = {name: run(name) for name in names[::1 if i % 2 else -1]}
            took.append(tuple(pair[name] for name in names))
        return took
