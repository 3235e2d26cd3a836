# SPDX-License-Identifier: Apache-2.0
"""The quick starts of README.md, as they stand there, with each engine."""
import os
import re

import pytest
import readme
from conftest import get
from engines import IMAGE, controller
from runtime import flavour

pytestmark = pytest.mark.skipif(flavour() != "agentrun", reason="it is agentrun's")
TOKEN = "ghp_" + "A1b2C3d4E5f6G7h8I9j0" + "k1L2m3N4o5P6q7R8"


@pytest.fixture
def project(work):
    path = work + "/project"
    os.mkdir(path)
    with open(path + "/hello", "w", encoding="ascii"):
        pass
    return path


def scrubbed(out):
    """The container's environment was printed, without the token."""
    assert re.search(r"^PATH=/usr/bin:/bin$", out, flags=re.M)
    return "GITHUB_TOKEN" not in out and TOKEN not in out


@pytest.mark.skipif(os.geteuid() != 0, reason="for the machine's Docker")
def test_docker(work, project):
    docker = get("docker")
    docker("tag", IMAGE, "busybox", check=True)
    with open("/etc/docker/daemon.json", encoding="utf-8") as f:
        before = f.read()
    systemctl = (f'test "$*" = "reload docker" || exit 1\nkill -HUP {docker.daemon.process.pid}\n'
                 "until docker info --format '{{json .Runtimes}}' | grep -q agentrun\n"
                 "do sleep 0.1; done\n")
    env = {**docker.env, "GITHUB_TOKEN": TOKEN, "HOME": work}
    try:
        (text,) = readme.blocks("docker")
        assert scrubbed(readme.shell(text, work, systemctl, cwd=project, **env).out)
        # the control: without the runtime the token is there
        plain = text.splitlines()[-1].replace("=agentrun", "=plain")
        assert not scrubbed(readme.shell(plain, work, cwd=project, **env).out)
        if docker.annotations:
            (text,) = readme.blocks("docker annotation")
            readme.shell(text, work, cwd=project, **env)
            (text,) = readme.blocks("docker review")
            out = readme.shell(text, work, cwd=project, **env).out
            assert "+++ b/made" in out and "applied 2 of 2 changes" in out
            with open(project + "/hello", encoding="ascii") as f:
                assert f.read() == "more\n"
    finally:
        with open("/etc/docker/daemon.json", "w", encoding="utf-8") as f:
            f.write(before)


def test_podman(work, project):
    podman = get("podman")
    podman("tag", IMAGE, "docker.io/library/busybox:latest", check=True)
    root = os.geteuid() == 0
    etc = "/etc" if root else work + "/config"
    os.makedirs(etc + "/containers/containers.conf.d", exist_ok=True)
    with open(podman.env["CONTAINERS_CONF"], encoding="ascii") as f:
        conf = re.sub(r"(?s)runtime_supports_json.*", "", f.read())
    with open(etc + "/containers/containers.conf", "w", encoding="ascii") as f:
        f.write(conf)
    env = {"GITHUB_TOKEN": TOKEN, "PODMAN_IGNORE_CGROUPSV1_WARNING": "1"}
    if not root:
        env["XDG_CONFIG_HOME"] = etc
    drop_in = etc + "/containers/containers.conf.d/50-agentrun.conf"
    (text,) = readme.blocks("podman")
    try:
        r = readme.shell(text, work, cwd=project, **env)
        assert scrubbed(r.out) and re.search("^hello$", r.out, flags=re.M)
        assert os.path.exists(drop_in)
        # what an error of the runtime says reaches the user: its name is in runtime_supports_json
        r = readme.shell("! podman run --rm --runtime=agentrun --annotation io.agentrun.env=x "
                         "busybox true", work, cwd=project, **env)
        assert "io.agentrun.env" in r.err
        # Podman's own runtimes are still known
        r = readme.shell("podman info --debug --format '{{.Host.OCIRuntime.Name}}'", work, **env)
        assert r.out.strip() in ("crun", "runc")
    finally:
        os.unlink(etc + "/containers/containers.conf")
        os.unlink(drop_in)


@pytest.mark.skipif(not controller("cpu"), reason="ctr asks for CPU shares")
def test_containerd(work):
    ctr = get("ctr")
    name = "docker.io/library/busybox:latest"
    ctr("image", "tag", "--force", IMAGE, name, check=True)
    (text,) = readme.blocks("containerd")
    env = {"CONTAINERD_ADDRESS": ctr.socket}
    try:
        r = readme.shell(text, work, 'test "$*" = "restart containerd"\n', **env)
        assert scrubbed(r.out)
        plain = re.sub(r"--runc-binary \S+", "--runc-binary " + readme.program(),
                       text.splitlines()[-1])
        assert not scrubbed(readme.shell(plain, work, **env).out)
    finally:
        ctr("image", "rm", name)
