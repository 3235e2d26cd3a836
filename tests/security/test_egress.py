# SPDX-License-Identifier: Apache-2.0
"""C1-C4, C6, C8, C10, C11, C18: the egress table of a real container, attacked from inside it.

test_egress_table.py attacks the table alone, row by row; here the runtime
installs it, and the attacker is what a policy makes of a process.  The wire
comes between create and start, as Docker plugs it in.
"""
import contextlib
import json
import os
import threading

import confined
import pytest
from netlab import (BOX4, BOX6, GATEWAY4, GATEWAY6, LOUD, METADATA, NEIGHBOUR4, NEIGHBOUR6,
                    OTHER4, OTHER6, PROTOCOLS, WORLD4, WORLD6, Lab, Outcome, refused_at_once,
                    unknown_here)
from runtime import run, until
from test_inside import DEFAULT_CAPS, process_file

SLEEP = ["sleep", "100"]
RULES = f"{WORLD4}:443 (LLM API), [{WORLD6}]:443 (LLM API), {WORLD4}:5005/udp (telemetry)"
# Runs each line of /attacks, and says what came of it.
EACH = ["sh", "-c", "while read -r words; do echo \"$words: $(/bin/attacker $words)\"; "
        "done </attacks >/outcomes; touch /done; sleep 100"]


@pytest.fixture(scope="module")
def lab():
    with contextlib.closing(Lab()) as made:
        yield made.populate()


@pytest.fixture
def agent(lab, rt, box, work):
    """agent(args, edit, **fields): an agent's container, created and on the wire, not started."""
    made = []

    def make(args=SLEEP, edit=None, start=True, **fields):
        fields.setdefault("egress_allow", RULES)
        b = confined.confine(box(list(args), edit), work,
                             **{k: v for k, v in fields.items() if v is not None})
        b.attacker = confined.put(b, lab.attacker)
        rt.create(b)
        b.ns = lab.new(b.id, rt.state(b)["pid"])
        made.append(b)
        lab.attach(b.ns)
        lab.servers.seen.clear()
        if start:
            rt.start(b)
        return b
    yield make
    for b in made:
        lab.remove(b.ns)


def attack(rt, b, *words, flags=(), code=0):
    r = rt.exec(b, *flags, "--", b.attacker, *map(str, words))
    assert r.code == code, r.text
    return Outcome(r.out)


def attack_by_first(lab, rt, agent, attacks, edit=None, **fields):
    """What became of each, made by the container's own process; and the container."""
    b = agent(EACH, edit, start=False, **fields)
    b.file("/attacks", "".join(" ".join(map(str, a)) + "\n" for a in attacks))
    rt.start(b)
    until(lambda: os.path.exists(b.rootfs + "/done"), 30)
    lines = b.read("/outcomes").splitlines()
    assert len(lines) == len(attacks)
    return {a: Outcome(line.rsplit(": ", 1)[1]) for a, line in zip(attacks, lines)}, b


def records(event):
    with open(confined.LOG, encoding="utf-8") as f:
        return [x for x in map(json.loads, f) if x["event"] == event]


def network_of(rt, b):
    rt.delete(b, "--force", check=True)
    return [x for x in records("delete") if x["container.id"] == b.id][-1]["network"]


# ---- C1

ALLOWED = [("tcp", WORLD4, 443), ("tcp", WORLD6, 443), ("udp", WORLD4, 5005),
           ("tcp", f"::ffff:{WORLD4}", 443)]
DENIED = [("tcp", WORLD4, 80), ("tcp", WORLD6, 80), ("udp", WORLD4, 443), ("udp", WORLD6, 443),
          ("udp", WORLD6, 5005), ("tcp", OTHER4, 443), ("tcp", OTHER6, 443),
          ("tcp", f"::ffff:{OTHER4}", 443), ("tcp", f"::ffff:{WORLD4}", 80), ("udp", WORLD4, 53),
          ("tcp", WORLD4, 53), ("udp", WORLD6, 53)]
NEAR = [("tcp", METADATA, 80), ("tcp", GATEWAY4, 80), ("tcp", GATEWAY6, 80), ("udp", GATEWAY4, 53),
        ("udp", GATEWAY6, 53), ("tcp", NEIGHBOUR4, 443), ("tcp", NEIGHBOUR6, 443),
        ("tcp", "fe80::77ff:fe00:1%eth0", 80), ("udp", "127.0.0.11", 53), ("tcp", "127.0.0.11", 53)]


def test_c1_c2_by_the_first_process(lab, rt, agent):
    got, b = attack_by_first(lab, rt, agent, ALLOWED + DENIED + NEAR)
    assert {a: o for a, o in got.items() if a in ALLOWED and o.result != "ok"} == {}
    assert {a: o for a, o in got.items() if a not in ALLOWED and not refused_at_once(o)} == {}
    assert {(p, a) for p, a, _ in lab.servers.seen} == {("tcp", WORLD4), ("tcp", WORLD6),
                                                        ("udp", WORLD4)}
    assert lab.wire.said(0.1) != []    # the listener hears what is allowed
    seen = network_of(rt, b)["destinations"]
    by_verdict = {v: {(d["server.address"], d["server.port"]) for d in seen if d["verdict"] == v}
                  for v in ("allowed", "reply", "denied")}
    assert by_verdict["allowed"] == by_verdict["reply"] == {(WORLD4, 443), (WORLD6, 443),
                                                            (WORLD4, 5005)}
    assert {(METADATA, 80), (OTHER6, 443), ("127.0.0.11", 53)} <= by_verdict["denied"]


EXECS = {
    "plain": [], "user-0": ["--user", "0"], "user-1000": ["--user", "1000:1000"],
    "cap": ["--cap", "CAP_NET_RAW"],
}


@pytest.mark.parametrize("flags", EXECS.values(), ids=EXECS)
def test_c1_c2_by_exec(lab, rt, agent, flags):
    b = agent()
    for action in ALLOWED:
        assert attack(rt, b, *action, flags=flags).result == "ok", action
    lab.wire.said(0.1)
    lab.servers.seen.clear()
    for action in DENIED[:4] + NEAR:
        assert refused_at_once(attack(rt, b, *action, flags=flags)), action
    assert lab.servers.seen == [] and lab.wire.said(0.1) == []


def test_c1_by_exec_of_a_process_file(lab, rt, agent):
    b = agent()
    for action, want in ((ALLOWED[0], True), (ALLOWED[1], True), (DENIED[0], False)):
        r = rt.exec(b, "--process", process_file(b, [b.attacker, *map(str, action)]), check=True)
        assert (Outcome(r.out).result == "ok") == want


@pytest.mark.parametrize("fields", [{}, {"egress": "none"}, {"profile": "inspect"}])
def test_c1_no_rules_no_egress(lab, rt, agent, fields):
    b = agent(egress_allow=None, **fields)
    for action in ALLOWED:
        assert refused_at_once(attack(rt, b, *action)), action
    assert lab.servers.seen == [] and lab.wire.said(0.1) == []


def test_c1_open_is_open(lab, rt, agent):
    """So it is the table that refuses, and nothing of the laboratory."""
    b = agent(egress_allow=None, egress="open")
    for action in ALLOWED + DENIED + NEAR[:7]:
        assert attack(rt, b, *action).result == "ok", action


@pytest.mark.parametrize("rule, why", [
    (f"{METADATA}:80 (x)", "is never a destination: it is link-local, where cloud metadata"),
    ("[fe80::1]:80 (x)", "is never a destination: it is link-local"),
    (f"{WORLD4}:53/udp (x)", "port 53 is never allowed"),
    (f"{WORLD4}:1-100 (x)", "port 53 is never allowed"),
    ("128.0.0.0/1:80 (x)", "is never a destination: it is link-local, where cloud metadata"),
    ("224.0.0.251:5353/udp (x)", "is never a destination: it is multicast")])
def test_c2_rules_that_are_never_allowed(rt, box, work, rule, why):
    b = confined.confine(box(SLEEP), work, egress_allow=rule)
    r = rt.create(b, check=f'agentrun: annotation io.agentrun.egress.allow: "{rule}": {why}')
    assert "\n" not in r.err.strip()
    assert rt.ids() == []


# ---- C3, C4

def test_c3_c4_nothing_on_the_wire(lab, rt, agent):
    got, _ = attack_by_first(lab, rt, agent, LOUD + PROTOCOLS)
    assert {a: o for a, o in got.items() if a in LOUD and o.result != (
        "silent" if a[0] == "join" else "EPERM")} == {}    # who joins is not told
    assert {a: o for a, o in got.items() if a in PROTOCOLS and not unknown_here(o) and
            o.result not in ("EPERM", "ENOSYS")} == {}
    assert lab.wire.said(0.3) == []


def test_c3_open_is_loud(lab, rt, agent):
    """So it is the table that keeps them quiet; the protocols are nobody's with a policy."""
    b = agent(egress_allow=None, egress="open")
    for action in LOUD:
        lab.wire.said()
        attack(rt, b, *action)
        assert lab.wire.said(0.1) != [], action


def test_c4_ping_sockets(lab, rt, agent):
    """An engine may open ping_group_range; the table holds all the same."""
    attacks = [("ping", WORLD4), ("ping", WORLD6), ("ping", GATEWAY4)]
    got, _ = attack_by_first(lab, rt, agent, attacks, lambda c: c["linux"].update(
        sysctl={"net.ipv4.ping_group_range": "0 2147483647"}))
    assert {a: o for a, o in got.items() if not refused_at_once(o)} == {}
    assert lab.wire.said(0.1) == []


# ---- C6, C10

FAMILIES = [(*userns, "family", family, kind, 255) for family, kind in ((17, 3), (17, 2), (44, 3),
                                                                        (40, 1), (2, 3), (10, 3))
            for userns in ((), ("--userns",))]
TABLE = [(*userns, action) for action in ("flush", "deltable") for userns in ((), ("--userns",))]


def all_caps(c):
    c["process"]["capabilities"] = {k: DEFAULT_CAPS for k in (
        "bounding", "effective", "permitted", "inheritable", "ambient")}


def test_c6_c10_by_the_first_process(lab, rt, agent):
    got, b = attack_by_first(lab, rt, agent, FAMILIES + TABLE, all_caps)
    assert {a: o for a, o in got.items()
            if o.result not in ("EPERM", "EAFNOSUPPORT", "EPROTONOSUPPORT")} == {}
    assert refused_at_once(attack(rt, b, "tcp", WORLD4, 80))


@pytest.mark.parametrize("flags", EXECS.values(), ids=EXECS)
@pytest.mark.parametrize("action", TABLE, ids=" ".join)
def test_c10_table_deleted_by_exec(lab, rt, agent, flags, action):
    b = agent()
    assert attack(rt, b, *action, flags=flags).result in ("EPERM", "EPROTONOSUPPORT")
    assert refused_at_once(attack(rt, b, "tcp", WORLD4, 80))


def test_c10_the_attack_itself_works(lab, rt, agent):
    """Where neither filter nor capabilities stand in its way."""
    b = agent()
    assert b.ns.run(lab.attacker, "deltable", check=True).out.startswith("ok")
    assert attack(rt, b, "tcp", WORLD4, 80).result == "ok"


# ---- C8


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("address", [BOX4, BOX6])
@pytest.mark.parametrize("port, published, want", [(8080, None, "silent"), (8080, "8080", "ok"),
                                                   (8081, "8080", "silent")])
def test_c8_neighbour_opens_the_flow(lab, rt, agent, protocol, address, port, published, want):
    b = agent(["sh", "-c", f"/bin/attacker serve {protocol} {port} 1500 >/out 2>/ready; sleep 100"],
              **({"ingress_allow": published} if published else {}))
    until(lambda: os.path.exists(b.rootfs + "/ready") and b.read("/ready"))
    assert lab.neighbour.attack(protocol, address, port).result == want
    assert until(lambda: b.read("/out")).startswith(want)


# ---- C11


@pytest.mark.parametrize("kinds", [("prestart",), ("createRuntime",), ("createContainer",),
                                   ("prestart", "createRuntime", "createContainer")])
def test_c11_the_table_is_there_before_any_hook(lab, rt, box, work, kinds):
    """prestart is where engines plug the wire in."""
    out = work + "/seen"
    script = ("pid=$(sed 's/.*\"pid\": *\\([0-9]*\\).*/\\1/'); nsenter -t $pid -n "
              f"/usr/sbin/nft list table inet agentrun >{out}.$1 2>&1")

    def edit(c):
        c["hooks"] = {kind: [{"path": "/bin/sh", "args": ["sh", "-c", script, "sh", kind],
                              "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]}]
                      for kind in kinds}
    rt.run(confined.confine(box(["true"], edit), work, egress_allow=RULES), check=True)
    for kind in kinds:
        with open(f"{out}.{kind}", encoding="utf-8") as f:
            text = f.read()
        assert "goto deny" in text and WORLD4 in text


def test_c11_quiet_from_birth(lab, rt, agent):
    """The first instructions of the container fire at once, and all the time."""
    b = agent(["sh", "-c", f"for i in 1 2 3 4 5 6 7 8 9 10; do /bin/attacker udp {OTHER4} 443; "
               f"/bin/attacker tcp {OTHER6} 443; done >/outcomes; touch /done; sleep 100"],
              start=False)
    wire = lab.wire
    rt.start(b)
    until(lambda: os.path.exists(b.rootfs + "/done"))
    assert wire.said(0.1) == [] and lab.servers.seen == []
    outcomes = [Outcome(x) for x in b.read("/outcomes").splitlines()]
    assert len(outcomes) == 20 and all(map(refused_at_once, outcomes))


def test_c11_wired_before_create(lab, rt, box, work):
    """A network namespace that is on the wire already, as Podman and the kubelet make it."""
    ns = lab.box()
    try:
        ns.ip("link set lo up")    # as engines do; the refusals come by it
        lab.attach(ns)
        lab.servers.seen.clear()

        def edit(c):
            c["linux"]["namespaces"] = [n for n in c["linux"]["namespaces"]
                                        if n["type"] != "network"]
            c["linux"]["namespaces"].append({"type": "network", "path": ns.path})
        b = confined.confine(box(["/bin/attacker", "tcp", OTHER4, "443"], edit), work,
                             egress_allow=RULES)
        confined.put(b, lab.attacker)
        assert refused_at_once(Outcome(rt.run(b, check=True).out))
        assert lab.servers.seen == []
        assert not any(OTHER4 in x for x in lab.wire.said(0.1))
    finally:
        lab.remove(ns)


# ---- C18


def join(path):
    def edit(c):
        c["linux"]["namespaces"] = [n for n in c["linux"]["namespaces"] if n["type"] != "network"]
        c["linux"]["namespaces"].append({"type": "network", "path": path})
    return edit


@pytest.mark.parametrize("path", ["/proc/self/ns/net", "/proc/1/ns/net",
                                  "/proc/thread-self/ns/net"])
def test_c18_the_hosts_namespace_by_its_path(rt, box, work, path):
    b = confined.confine(box(SLEEP, join(path)), work, egress_allow=RULES)
    first, _, _ = confined.refusal(rt.create(b, check=False))
    assert "the host's network namespace" in first
    assert rt.ids() == []


@pytest.fixture
def nameserver(work):
    """What the host knows by name while the container is created."""
    def knows(text):
        with open(work + "/names", "w", encoding="ascii") as f:
            f.write(text)
    knows("")
    run(["mount", "--bind", work + "/names", "/etc/hosts"], check=True)
    yield knows
    run(["umount", "/etc/hosts"], check=True)


def test_names_are_resolved_at_create(rt, agent, nameserver):
    """Into the sets and the container's own hosts file, once: what the name means later is nobody's."""
    nameserver(f"{WORLD4} api.example\n{WORLD6} api.example\n")
    b = agent(egress_allow="api.example:443 (LLM API)")
    nameserver(f"{OTHER4} api.example\n{OTHER6} api.example\n")
    known = [line.split() for line in rt.exec(b, "--", "cat", "/etc/hosts", check=True).out.splitlines()]
    assert [WORLD4, "api.example"] in known and [WORLD6, "api.example"] in known
    assert ["127.0.0.1", "localhost"] in known
    for there, elsewhere in ((WORLD4, OTHER4), (WORLD6, OTHER6)):
        assert attack(rt, b, "tcp", there, 443).result == "ok"
        assert refused_at_once(attack(rt, b, "tcp", elsewhere, 443))
        assert refused_at_once(attack(rt, b, "tcp", there, 80))
    assert {d["server.address"] for d in network_of(rt, b)["destinations"]} >= {WORLD4, WORLD6}


@pytest.mark.parametrize("addresses, why, remedy", [
    (["192.168.7.7"], "the name leads to 192.168.7.7", "name the address itself"),
    ([WORLD4, "10.0.0.1"], "the name leads to 10.0.0.1", "name the address itself"),
    (["169.254.169.254"], "the name leads to 169.254.169.254", "leave the rule out"),
    ([WORLD4, "127.0.0.1"], "the name leads to 127.0.0.1", "leave the rule out"),
])
def test_c14_a_name_that_leads_inside(rt, box, work, nameserver, addresses, why, remedy):
    """One forbidden address among good ones is an answer not to be trusted (DNS rebinding)."""
    nameserver("".join(f"{a} api.example\n" for a in addresses))
    b = confined.confine(box(SLEEP), work, egress_allow="api.example:443 (LLM API)")
    lines = confined.refusal(rt.create(b, check=False))
    assert why in lines[0] and remedy in lines[2]
    assert rt.ids() == []


def test_a_name_that_nobody_knows(rt, box, work, nameserver):
    del nameserver
    b = confined.confine(box(SLEEP), work, egress_allow="nobody.invalid:443 (LLM API)")
    rt.create(b, check="egress rule nobody.invalid: ")
    assert rt.ids() == []


def test_c18_the_hosts_namespace_by_a_bind_mount(rt, box, work):
    """And by a link to it."""
    path = work + "/ns"
    with open(path, "w", encoding="ascii"):
        pass
    os.symlink(path, work + "/link")
    run(["mount", "--bind", "/proc/self/ns/net", path], check=True)
    try:
        for p in (path, work + "/link"):
            b = confined.confine(box(SLEEP, join(p)), work)
            assert "the host's network" in confined.refusal(rt.create(b, check=False))[0]
    finally:
        run(["umount", path], check=True)


@pytest.mark.parametrize("egress", ["none", "open"])
def test_c18_sockets_of_the_hosts_network(rt, box, work, egress):
    """A listening socket can be made to call out: connect() to AF_UNSPEC first."""
    b = confined.confine(box(["true"]), work, egress=egress)
    r = run(["bash", "-c", 'exec 3</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"', "x",
             *rt.argv("run", "--bundle", b.path, b.id)], check=egress == "open")
    if egress != "open":
        assert "LISTEN_FDS" in confined.refusal(r)[0]


def test_c18_another_containers(lab, rt, agent, box, work):
    """--network container:X: under the same policy only, however it is spelled."""
    first = agent()
    path = f"/proc/{rt.state(first)['pid']}/ns/net"
    for fields in ({"egress_allow": f"{OTHER4}:443 (other)"}, {"egress_allow": f"{RULES}, "
                                                               f"{OTHER4}:80 (more)"},
                   {"egress": "none"}, {"egress_allow": RULES, "ingress_allow": "8080"}):
        b = confined.confine(box(SLEEP, join(path)), work, **fields)
        text = confined.refusal(rt.create(b, check=False))
        assert "shared with another container" in text[0]
        assert rt.ids() == [first.id]
    same = ", ".join(reversed(RULES.split(", ")))
    second = confined.confine(box(SLEEP, join(path)), work, egress_allow=same)
    second.attacker = confined.put(second, lab.attacker)
    rt.up(second)
    for b in (second, first):
        assert attack(rt, b, "tcp", WORLD4, 443).result == "ok"
        assert refused_at_once(attack(rt, b, "tcp", OTHER4, 443))
    rt.delete(first, "--force", check=True)
    assert refused_at_once(attack(rt, second, "tcp", OTHER4, 443))


def test_c18_open_egress_in_a_confined_ones_namespace(lab, rt, agent, box, work):
    """Joining with egress=open neither opens it nor passes the table."""
    first = agent()
    path = f"/proc/{rt.state(first)['pid']}/ns/net"
    b = confined.confine(box(SLEEP, join(path)), work, egress="open")
    b.attacker = confined.put(b, lab.attacker)
    rt.up(b)
    assert attack(rt, b, "tcp", WORLD4, 443).result == "ok"
    assert refused_at_once(attack(rt, b, "tcp", OTHER4, 443))


def test_c18_many_at_once_in_one_namespace(lab, rt, box, work):
    """Racing creates of a pod with two policies: one policy wins, for all."""
    ns = lab.box()
    try:
        bundles = [confined.confine(box(SLEEP, join(ns.path)), work,
                                    egress_allow=f"{(WORLD4, OTHER4)[i % 2]}:443 (x)")
                   for i in range(8)]
        results = {}

        def create(i):
            results[i] = rt.create(bundles[i], check=None)
        threads = [threading.Thread(target=create, args=(i,)) for i in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert [results[i].code for i in range(8)] in ([0, 1] * 4, [1, 0] * 4)
        for r in results.values():
            assert r.code == 0 or "shared with another container" in confined.refusal(r)[0]
    finally:
        lab.remove(ns)
