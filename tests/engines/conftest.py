# SPDX-License-Identifier: Apache-2.0
import os

import engines
import leaks
import pytest

# AGENTRUN_ENGINES="docker podman" limits a run to some engines.
CHOSEN = os.environ.get("AGENTRUN_ENGINES", "docker podman ctr").split()
DOCKER_LIKE = [e for e in CHOSEN if e != "ctr"]
started = {}


def get(name):
    if name not in CHOSEN:
        pytest.skip(f"{name} is not in AGENTRUN_ENGINES")
    if engines.missing(name):
        pytest.skip(f"{name} is not installed")
    if name == "ctr" and not engines.controller("cpu"):
        pytest.skip("ctr asks for CPU shares, and there is no such controller here")
    if name not in started:
        started[name] = engines.start(name)
    return started[name]


def pytest_sessionfinish():
    for e in started.values():
        e.stop()


# What an engine keeps between containers is not a leak of the runtime's.
KEPT = ("/run/docker", "/var/lib", "containers/", "/run/netns", "libpod", "/run/lock",
        "/run/user", "/run/containerd", "aardvark", "netavark", "/dev/shm/libpod", "crun", "runc",
        "/run/sysctl.d")


def kept(line):
    kind, _, what = line.partition(": ")
    if kind == "process":
        return what.split()[-1] in ("dockerd", "containerd", "aardvark-dns", "catatonit",
                                    "fuse-overlayfs", "podman", "slirp4netns", "docker-proxy")
    if kind == "cgroup":
        return what.endswith(("/docker", "/libpod_parent", "/conmon", "/default", "/buildkit",
                              # systemd makes these with their first scopes
                              "/machine.slice", ".service/user.slice"))
    if kind == "namespace":
        return False
    return what == "/run/agentrun" or any(k in what for k in KEPT)


def clean(name):
    """The engine; no container outlives a test, and nothing of it is left."""
    e = get(name)
    before = leaks.Snapshot()
    yield e
    e.remove_all()
    before.check(ignore=kept, timeout=10)


@pytest.fixture(params=DOCKER_LIKE)
def engine(request):
    """An engine with Docker's command line."""
    yield from clean(request.param)


@pytest.fixture
def ctr():
    yield from clean("ctr")
