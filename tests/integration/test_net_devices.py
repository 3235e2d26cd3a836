# SPDX-License-Identifier: Apache-2.0
"""linux.netDevices: interfaces of the caller's network namespace become the container's."""
import json
import os

import pytest
from bundle import drop_namespace, namespace
from runtime import run, until

pytestmark = pytest.mark.differs("runc", "known from 1.4 on")
TEMPLATE = pytest.mark.differs("crun", "has no templates")
KEPT = ["192.0.2.7/24", "2001:db8::7/64"]


def ip(*args):
    return run(["ip", *args], check=True).out


def show(*netns):
    """name -> what `ip address` says of each interface."""
    return {d["ifname"]: d for d in json.loads(run([*netns, "ip", "-j", "address"], check=True).out)}


def inside(rt, b):
    return show("nsenter", f"--net=/proc/{rt.state(b)['pid']}/ns/net")


def addresses(d):
    """Without the link-local ones that the kernel makes of itself."""
    return sorted(f"{a['local']}/{a['prefixlen']}" for a in d["addr_info"]
                  if not a["local"].startswith("fe80:"))


def kept(d):
    return [a for a in addresses(d) if a in KEPT]


@pytest.fixture
def device():
    """device(NAME): a veth device with addresses, up; its other end is NAME-far."""
    made = []

    def make(name):
        ip("link", "add", name, "type", "veth", "peer", "name", name + "-far")
        made.append(name + "-far")
        for address in KEPT:
            ip("address", "add", address, "dev", name)
        ip("address", "add", "192.0.2.99/32", "dev", name, "scope", "link")
        ip("address", "add", "192.0.2.98/32", "dev", name, "valid_lft", "900", "preferred_lft", "900")
        ip("link", "set", name, "mtu", "1400", "up")
        return name
    yield make
    for far in made:
        run(["ip", "link", "delete", far])
    # with a namespace, the kernel deletes what is in it when it gets to it
    until(lambda: not set(made) & set(show()))


@pytest.fixture
def bridge():
    """A device that the kernel does not let leave its namespace."""
    ip("link", "add", "br0", "type", "bridge")
    yield "br0"
    ip("link", "delete", "br0")


def moving(**names):
    """netDevices: host name -> its name in the container, None for the same."""
    def edit(c):
        c["linux"]["netDevices"] = {k: {"name": v} if v else {} for k, v in names.items()}
    return edit


@pytest.mark.parametrize("name, expected", [
    (None, "v0"), ("eth0", "eth0"), pytest.param("net%d", "net0", marks=TEMPLATE),
    pytest.param("a%db", "a0b", marks=TEMPLATE)])
def test_moves_with_its_addresses_and_is_up(rt, box, device, name, expected):
    b = box(["sleep", "100"], moving(**{device("v0"): name}))
    rt.create(b)
    assert "v0" not in show()
    d = inside(rt, b)[expected]
    assert addresses(d) == KEPT, "the permanent ones of global scope, no others"
    assert "UP" in d["flags"] and d["mtu"] == 1400
    rt.start(b)
    assert "192.0.2.7" in rt.exec(b, "--", "ip", "address", "show", expected, check=True).out


@TEMPLATE
def test_two_and_a_template(rt, box, device):
    """The template leaves the name that another asks for."""
    b = box(["sleep", "100"], moving(**{device("v0"): "eth%d", device("v1"): "eth0"}))
    rt.create(b)
    far = {d["ifname"]: d["link_index"] for d in show().values() if "link_index" in d}
    found = inside(rt, b)
    assert found["eth1"]["ifindex"] == far["v0-far"]
    assert found["eth0"]["ifindex"] == far["v1-far"]


@TEMPLATE
def test_into_a_namespace_that_is_joined(rt, box, device, work):
    path = work + "/netns"
    with open(path, "w", encoding="ascii"):
        pass
    run(["unshare", f"--net={path}", "ip", "link", "add", "eth0", "type", "bridge"], check=True)

    def edit(c):
        namespace(c, "network", path)
        moving(v0="eth0")(c)
    try:
        b = box(["sleep", "100"], edit)
        device("v0")
        rt.create(b, check="linux.netDevices.v0: the container's network namespace has eth0 already")
        assert kept(show()["v0"]) == KEPT and "UP" in show()["v0"]["flags"]
        b.config["linux"]["netDevices"] = {"v0": {"name": "eth%d"}}
        b.save()
        rt.create(b)
        assert kept(inside(rt, b)["eth1"]) == KEPT
    finally:
        run(["umount", path], check=True)


def test_user_namespace(rt, box, device):
    def edit(c):
        namespace(c, "user")
        for k in ("uidMappings", "gidMappings"):
            c["linux"][k] = [{"containerID": 0, "hostID": 0, "size": 1000}]
        moving(v0="eth0")(c)
    device("v0")
    b = box(["sleep", "100"], edit)
    rt.create(b)
    assert kept(inside(rt, b)["eth0"]) == KEPT


def test_there_before_hooks_and_sysctls(rt, box, device, work):
    def edit(c):
        moving(v0="eth0")(c)
        c["linux"]["sysctl"] = {"net.ipv4.conf.eth0.rp_filter": "2"}
        c["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": [
            "sh", "-c", f"ip link show v0-far >{work}/seen; ! ip link show v0 >>{work}/seen"]}]}
    device("v0")
    rt.run(box(["grep", "-x", "2", "/proc/sys/net/ipv4/conf/eth0/rp_filter"], edit), check=True)
    with open(work + "/seen", encoding="ascii") as f:
        seen = f.read()
    assert " v0-far@if" in seen and " v0@" not in seen


@pytest.mark.differs("crun", "what cannot be made takes the device with it")
@pytest.mark.parametrize("up", [True, False])
def test_comes_back_when_create_fails(rt, box, device, up):
    device("v0")
    if not up:
        ip("link", "set", "v0", "down")
    before = [a for a in KEPT if up or ":" not in a]	# down, the kernel drops those of version 6
    rt.create(box(["/no/such"], moving(v0="eth0")), check='exec: "/no/such"')
    assert kept(show()["v0"]) == before
    assert ("UP" in show()["v0"]["flags"]) == up


@pytest.mark.differs("crun", "the first is gone")
def test_all_or_none(rt, box, device, bridge):
    b = box(["true"], moving(**{device("v0"): "eth0", bridge: None}))
    rt.create(b, check="linux.netDevices.br0: move it into the container's network namespace: ")
    assert kept(show()["v0"]) == KEPT and "UP" in show()["v0"]["flags"]
    assert rt.ids() == []


def own_namespace(c):
    namespace(c, "network", f"/proc/{os.getpid()}/ns/net")


@pytest.mark.differs("crun", "shares the caller's, or loses what it refuses")
@pytest.mark.parametrize("names, edit, why", [
    ({"no-such": None}, None, "linux.netDevices.no-such: there is no such network device"),
    ({"v0": "lo"}, None, "linux.netDevices.v0: the container's network namespace has lo already"),
    ({"lo": "lo1"}, None, "linux.netDevices.lo: move it into the container's network namespace: "),
    ({"v0": None}, lambda c: drop_namespace(c, "network"),
     "linux.netDevices: needs a network namespace"),
    ({"v0": None}, own_namespace,
     "linux.netDevices: the container's network namespace is the runtime's own"),
    ({"v0": "eth0", "v0-far": "eth0"}, None,
     "linux.netDevices.v0-far: v0 has the same name in the container"),
    ({"v0": "a/b"}, None, "linux.netDevices.v0.name: not the name of an interface"),
], ids=["absent", "taken", "immovable", "no-namespace", "own-namespace", "twice", "bad-name"])
def test_refused(rt, box, device, names, edit, why):
    def both(c):
        moving(**names)(c)
        if edit:
            edit(c)
    device("v0")
    rt.create(box(["true"], both), check=why)
    assert kept(show()["v0"]) == KEPT
    assert rt.ids() == []
