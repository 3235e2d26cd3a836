# SPDX-License-Identifier: Apache-2.0
"""The egress table attacked from inside its network namespace (THREATS part C).

The table is installed by the probe, which calls egress_install() alone; the
whole runtime is attacked elsewhere.
"""
import contextlib
import json
import os
import re
import subprocess
import time

import pytest
import runtime
from netlab import (BOX4, BOX6, GATEWAY4, GATEWAY6, LOUD, METADATA, NEIGHBOUR4, NEIGHBOUR6,
                    OTHER4, OTHER6, PROTOCOLS, WORLD4, WORLD6, Lab, refused_at_once, unknown_here)

TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "egress-table.nft")
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
RULES = ("--allow", f"{WORLD4} tcp 443 443 LLM API", "--allow", f"{WORLD6} tcp 443 443 LLM API",
         "--allow", f"{WORLD4} udp 5000 5010 telemetry",
         "--allow", f"{WORLD6} udp 5000 5010 telemetry")


@pytest.fixture(scope="module")
def lab():
    with contextlib.closing(Lab()) as made:
        yield made.populate()


@pytest.fixture
def bare(lab):
    box = lab.box()
    yield box
    lab.remove(box)


@pytest.fixture
def box(lab, bare):
    """With the table of RULES, on the wire."""
    lab.install(bare, *RULES)
    lab.attach(bare)
    lab.servers.seen.clear()
    return bare


def counted(lab, box, verdict):
    return {(d["address"], d["protocol"], d["port"]): d for d in lab.evidence(box)[1]
            if d["verdict"] == verdict}


def listing(box):
    return box.run("nft", "-s", "list", "table", "inet", "agentrun", check=True).out


def structure(box):
    """The table without what was counted: the kernel itself may send something at any time (MLD)."""
    return re.sub(r"\n\t\telements = {[^}]* counter[^}]*}", "", listing(box))


def without(box, text):
    """Deletes the one rule that shows this text."""
    shown = box.run("nft", "-a", "list", "table", "inet", "agentrun", check=True).out
    rules = [x for x in shown.splitlines() if text in x and not x.lstrip().startswith("elements")]
    assert len(rules) == 1
    handle = rules[0].split()[-1]
    box.run("nft", "delete", "rule", "inet", "agentrun", "out", "handle", handle, check=True)


# ---- the table itself


def test_table_equals_the_reference(lab, bare):
    """The nft text, loaded by nft, and ours, shown by nft: the same rules in the same order."""
    lab.install(bare, "--digest", "sha256:abc", "--allow", "203.0.113.10 tcp 443 443 LLM API",
                "--allow", "2001:db8::10 tcp 443 443 LLM API")
    ours = listing(bare)
    assert '\tcomment "policy sha256:abc"\n' in ours
    bare.run("nft", "delete", "table", "inet", "agentrun", check=True)
    bare.run("nft", "-f", TABLE, check=True)
    assert ours.replace('\tcomment "policy sha256:abc"\n', "") == listing(bare)


def test_table_equals_the_reference_in_the_kernel(lab, bare):
    """The same again by what the kernel was told, expression by expression."""
    def expressions():
        text = bare.run("nft", "--debug=netlink", "list", "table", "inet", "agentrun",
                        check=True).out
        text = re.sub(r"__set\d+", "__set", text)
        # nft 1.0 puts a conversion of one byte before lookups in interval sets, which does nothing.
        return [re.sub(r"\s+", " ", x) for x in text.splitlines()
                if x.startswith("  [") and "byteorder" not in x and "userdata" not in x]

    lab.install(bare, "--allow", "203.0.113.10 tcp 443 443 LLM API",
                "--allow", "2001:db8::10 tcp 443 443 LLM API")
    ours = expressions()
    assert len(ours) > 150
    bare.run("nft", "delete", "table", "inet", "agentrun", check=True)
    bare.run("nft", "-f", TABLE, check=True)
    assert ours == expressions()


def test_table_mode_none_and_open(lab, bare):
    lab.install(bare, "--mode", "open")
    assert bare.run("nft", "list", "ruleset", check=True).out == ""
    lab.install(bare, "--mode", "none", *RULES)
    assert "elements" not in listing(bare).split("chain")[0]
    assert "goto deny" in listing(bare)


def test_table_ranges_and_overlaps(lab, bare):
    """Overlapping rules, which the kernel would refuse, hold together what they hold apart."""
    lab.install(bare, "--allow", "10.0.0.0/8 tcp 443 443 wide",
                "--allow", "10.1.0.0/16 tcp 400 500 narrow",
                "--allow", "10.1.0.0/16 tcp 443 443 again",
                "--allow", "2001:db8::/32 udp 1000 2000 v6",
                "--name", "api.example 198.51.100.7 tcp 443 443 named")
    text = listing(bare)
    for element in ("10.0.0.0/8 . tcp . 443 ", "10.1.0.0/16 . tcp . 400-442 ",
                    "10.1.0.0/16 . tcp . 444-500 ", "2001:db8::/32 . udp . 1000-2000 ",
                    "198.51.100.7 . tcp . 443 "):
        assert element in text
    assert text.count('comment "narrow"') == 2 and "again" not in text
    assert 'comment "named"' in text


def test_table_many_rules(lab, bare):
    """More than one message's worth of elements, and long reasons cut between characters."""
    rules = []
    for i in range(700):
        rules += ["--allow", f"10.{i // 250}.{i % 250}.1 tcp 443 443 {'é' * 100}"]
    lab.install(bare, *rules)
    text = listing(bare)
    assert text.count(". tcp . 443") == 700 and "\ufffd" not in text


@pytest.mark.parametrize("rule, why", [
    ("9.9.9.9 udp 53 53 dns", "port 53"),
    ("9.9.9.0/24 tcp 1 1000 dns", "port 53"),
    ("169.254.169.254 tcp 80 80 x", "link-local"),
    ("224.0.0.251 udp 5353 5353 x", "multicast"),
    ("fe80::1 tcp 80 80 x", "link-local"),
    ("ff02::fb udp 5353 5353 x", "multicast"),
    ("::ffff:203.0.113.10 tcp 443 443 x", "IPv4-mapped"),
])
def test_rule_refused_in_three_lines(lab, bare, rule, why):
    r = lab.install(bare, "--allow", rule, check=False)
    first, second, third = r.err.splitlines()
    assert first.startswith("refused: egress to ") and why in first
    assert second == "  policy: egress=allow (profile agent)"
    assert third.startswith("  to allow it: ")
    assert bare.run("nft", "list", "ruleset", check=True).out == ""


@pytest.mark.parametrize("why, rules", [
    ("is no address and no prefix", [
        "example.com tcp 443 443 x", "010.0.0.1 tcp 443 443 x", "10.1 tcp 443 443 x",
        "10.0.0.1/8 tcp 443 443 x", "10.0.0.0/33 tcp 443 443 x", "10.0.0.0/ tcp 443 443 x",
        "2001:db8::/129 tcp 443 443 x"]),
    ("protocol must be tcp or udp", ["10.0.0.1 icmp 443 443 x"]),
    ("are no range of 1-65535", ["10.0.0.1 tcp 0 443 x", "10.0.0.1 tcp 443 65536 x",
                                 "10.0.0.1 tcp 444 443 x"])])
def test_rule_invalid(lab, bare, why, rules):
    for rule in rules:
        assert lab.install(bare, "--allow", rule, check=why).err.startswith("egress: "), rule
    assert bare.run("nft", "list", "ruleset", check=True).out == ""


def test_v6_rule_for_everything_leaves_out_the_link(lab, bare):
    lab.install(bare, "--allow", "::/0 udp 443 443 all")
    lab.attach(bare)
    assert bare.attack("udp", WORLD6, 443).result == "ok"
    assert bare.attack("broadcast", "ff02::1%eth0", 443).result == "EPERM"
    assert [w for w in lab.wire.said(0.3) if "ff02" in w or "fe80" in w] == []


def test_without_nft_log_only_the_log_is_lost(lab, bare):
    lab.install(bare, *RULES)
    full = listing(bare)
    bare.run("nft", "delete", "table", "inet", "agentrun", check=True)
    lab.install(bare, "--no-log", *RULES)
    left = listing(bare).splitlines()
    lost = [x for x in full.splitlines() if x not in left]
    assert [" group 5" in x for x in lost] == [True, True]


def test_child_user_namespace_owns_the_network(lab):
    """Rootless: the table goes into a network namespace that a user namespace owns, and is read."""
    script = (f"{lab.probe} install --allow '{WORLD4} tcp 443 443 x' && "
              f"{lab.attacker} tcp {WORLD4} 80; {lab.probe} read")
    r = runtime.run([*NOBODY, "unshare", "-Urn", "sh", "-c", script], check=True)
    assert '"truncated": false' in r.out


def test_evidence_read_by_the_unprivileged_owner(lab):
    """From outside: an ordinary user reads a namespace that belongs to a child user namespace."""
    script = f"{lab.probe} install; {lab.attacker} tcp 127.0.0.11 53 >&2; echo ready; sleep 60"
    with subprocess.Popen([*NOBODY, "unshare", "-Urn", "sh", "-c", script],
                          stdout=subprocess.PIPE, text=True) as p:
        try:
            assert p.stdout.readline() == "ready\n"
            r = runtime.run([*NOBODY, lab.probe, "read", f"/proc/{p.pid}/ns/net"], check=True)
        finally:
            p.kill()
    assert '"address": "127.0.0.11"' in r.out


def test_evidence_read_by_who_cannot_come_back(lab):
    """Rootless Podman's runtime is root in a user namespace, and its network is the host's."""
    inside = f"{lab.probe} install; {lab.attacker} tcp 127.0.0.11 53 >&2; echo ready; sleep 60"
    r = runtime.run([*NOBODY, "unshare", "-Ur", "bash", "-c",
                     f"exec 3< <(unshare -n sh -c '{inside}'); read -r _ <&3; "
                     f"{lab.probe} read /proc/$!/ns/net; x=$?; kill $!; exit $x"], check=True)
    assert '"address": "127.0.0.11"' in r.out


# ---- C1


@pytest.mark.parametrize("action", [
    ("tcp", WORLD4, 443), ("tcp", WORLD6, 443), ("udp", WORLD4, 5005), ("udp", WORLD6, 5005),
    ("tcp", f"::ffff:{WORLD4}", 443)])
def test_C1_allowed(lab, box, action):
    assert box.attack(*action).result == "ok"
    key = (action[1].replace("::ffff:", ""), action[0], action[2])
    sent, got = counted(lab, box, "allowed")[key], counted(lab, box, "reply")[key]
    assert sent["packets"] > 0 and sent["bytes"] > 0 and got["packets"] > 0 and got["bytes"] > 0


@pytest.mark.parametrize("action", [
    ("tcp", WORLD4, 80), ("tcp", WORLD6, 80), ("udp", WORLD4, 443), ("udp", WORLD6, 443),
    ("tcp", OTHER4, 443), ("tcp", OTHER6, 443), ("tcp", f"::ffff:{OTHER4}", 443),
    ("tcp", f"::ffff:{WORLD4}", 80), ("udp", WORLD4, 53), ("tcp", WORLD4, 53), ("udp", WORLD6, 53)])
def test_C1_denied_at_once(lab, box, action):
    assert refused_at_once(box.attack(*action))
    assert lab.servers.seen == [] and lab.wire.said(0.1) == []
    key = (action[1].replace("::ffff:", ""), action[0], action[2])
    assert counted(lab, box, "denied")[key]["packets"] > 0


def test_C1_no_rule_no_ipv6(lab, bare):
    lab.install(bare, "--allow", f"{WORLD4} tcp 443 443 x")
    lab.attach(bare)
    assert bare.attack("tcp", WORLD4, 443).result == "ok"
    assert refused_at_once(bare.attack("tcp", WORLD6, 443))


# ---- C2


@pytest.mark.parametrize("action", [
    ("tcp", METADATA, 80), ("tcp", GATEWAY4, 80), ("tcp", GATEWAY6, 80), ("udp", GATEWAY4, 53),
    ("udp", GATEWAY6, 53), ("tcp", NEIGHBOUR4, 443), ("tcp", NEIGHBOUR6, 443),
    ("udp", NEIGHBOUR4, 443),
    ("tcp", "fe80::77ff:fe00:1%eth0", 80), ("udp", "fe80::77ff:fe00:1%eth0", 53)])
def test_C2_neighbourhood(lab, box, action):
    assert refused_at_once(box.attack(*action))
    assert lab.servers.seen == [] and lab.wire.said(0.1) == []


def test_C2_metadata_despite_a_rule_that_covers_it(lab, bare):
    lab.install(bare, "--allow", "0.0.0.0/0 tcp 80 80 all")
    lab.attach(bare)
    lab.servers.seen.clear()
    assert refused_at_once(bare.attack("tcp", METADATA, 80))
    assert bare.attack("tcp", WORLD4, 80).result == "ok"
    assert lab.servers.seen == [("tcp", WORLD4, 80)]
    without(bare, "169.254.0.0/16")
    assert bare.attack("tcp", METADATA, 80).result == "ok"


# ---- C3


@pytest.mark.parametrize("action", LOUD)
def test_C3_nothing_on_the_wire(lab, box, action):
    want = "silent" if action[0] == "join" else "EPERM"    # who joins is not told
    assert box.attack(*action).result == want
    assert lab.wire.said(0.3) == []


def test_C3_C4_the_attacks_themselves_work(lab, bare):
    """Without the table, all of them are heard."""
    lab.attach(bare)
    bare.sysctl("ipv4/ping_group_range", "0 2147483647")
    for action in (*LOUD, *PROTOCOLS, ("ping", WORLD4), ("ping", WORLD6)):
        lab.wire.said()
        outcome = bare.attack(*action, caps=",+net_raw")
        assert unknown_here(outcome) or lab.wire.said(0.1) != [], (action, outcome)


# ---- C4


@pytest.mark.parametrize("action", PROTOCOLS)
def test_C4_protocols(lab, box, action):
    """Even with NET_RAW, which no container has under a policy."""
    outcome = box.attack(*action, caps=",+net_raw")
    if unknown_here(outcome):
        pytest.skip(f"this kernel has no protocol {action[2]}")
    assert outcome.result == "EPERM"
    assert lab.wire.said(0.1) == []


@pytest.mark.parametrize("address", [WORLD4, WORLD6, GATEWAY4])
def test_C4_ping_socket(lab, box, address):
    box.sysctl("ipv4/ping_group_range", "0 2147483647")
    assert refused_at_once(box.attack("ping", address))
    assert lab.wire.said(0.1) == []
    assert counted(lab, box, "denied")[(address, "icmpv6" if ":" in address else "icmp", 0)]


# ---- C5


# Through an allowed address to another: the first hop is what the sets are asked for.
DETOURS = {
    "ip hdrlength > 5": ("lsrr", OTHER4, 443, WORLD4),
    "exthdr rt exists": ("rthdr", OTHER6, 443, WORLD6),
    "exthdr hbh exists": ("hbh", WORLD6, 443),
}


@pytest.mark.parametrize("rule", DETOURS)
def test_C5_headers_that_change_the_way(lab, box, rule):
    assert box.attack(*DETOURS[rule], caps=",+net_raw").result != "ok"
    assert lab.wire.said(0.1) == []
    without(box, rule)
    box.attack(*DETOURS[rule], caps=",+net_raw")
    assert lab.wire.said(0.1) != []    # the attack is one, and the rule is what stops it


@pytest.mark.parametrize("address", [WORLD4, WORLD6])
def test_C5_fragments(lab, box, address):
    """To a denied port none leaves; to an allowed one they pass as the datagram that they are."""
    assert refused_at_once(box.attack("fragments", address, 443, 5000))
    assert lab.wire.said(0.1) == [] and lab.servers.seen == []
    assert box.attack("fragments", address, 5005, 5000).result == "ok"


# ---- C6


@pytest.mark.parametrize("family", [(17, 3), (17, 2), (44, 3), (2, 3), (10, 3)])
@pytest.mark.parametrize("userns", [(), ("--userns",)])
def test_C6_packet_sockets(box, family, userns):
    assert box.attack(*userns, "family", *family, 255).result in ("EPERM", "EAFNOSUPPORT", "ENOSPC")


def test_C6_the_attack_itself_works(box):
    for family in ((17, 3), (17, 2), (2, 3), (10, 3)):
        assert box.attack("family", *family, 255, caps=",+net_raw").result == "ok", family


# ---- C7


def test_C7_forwarding(lab, box):
    box.sysctl("ipv4/ip_forward", 1)
    lab.neighbour.ip(f"route add 203.0.113.0/24 via {BOX4}")
    try:
        assert lab.neighbour.attack("tcp", WORLD4, 443).result != "ok"
    finally:
        lab.neighbour.ip("route delete 203.0.113.0/24")
    assert lab.evidence(box)[0]["forwarded"] > 0
    assert [w for w in lab.wire.said() if "203.0.113" in w] == [] and lab.servers.seen == []


def test_C7_the_attack_itself_works(lab, box):
    box.sysctl("ipv4/ip_forward", 1)
    box.run("nft", "add rule inet agentrun transit accept", check=True)
    lab.neighbour.ip(f"route add 203.0.113.0/24 via {BOX4}")
    try:
        assert lab.neighbour.attack("tcp", WORLD4, 443).result == "ok"
    finally:
        lab.neighbour.ip("route delete 203.0.113.0/24")


def test_C7_injected_on_lo(lab, box):
    """With NET_RAW: a frame put on lo, to be forwarded to the wire."""
    box.sysctl("ipv4/ip_forward", 1)
    box.sysctl("ipv4/conf/all/rp_filter", 0)
    box.sysctl("ipv4/conf/lo/accept_local", 1)
    inject = ("import socket,struct\n"
              "ip=struct.pack('!BBHHHBBH4s4s',69,0,29,1,0,64,17,0,socket.inet_aton('10.77.0.9'),"
              f"socket.inet_aton('{OTHER4}'))\n"
              "s=sum(struct.unpack('!10H',ip)); s=(s&0xffff)+(s>>16); s=(s&0xffff)+(s>>16)\n"
              "ip=ip[:10]+struct.pack('!H',0xffff-s)+ip[12:]\n"
              "k=socket.socket(socket.AF_PACKET,socket.SOCK_RAW,0); k.bind(('lo',0x800))\n"
              "k.send(bytes(12)+b'\\x08\\0'+ip+struct.pack('!HHHH',9,443,9,0)+b'x')\n")
    box.run("/usr/bin/python3", "-c", inject, check=True)
    assert lab.wire.said(0.2) == []
    assert lab.evidence(box)[0]["forwarded"] == 1


# ---- C8


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("address", [BOX4, BOX6])
def test_C8_neighbour_opens_the_flow(lab, box, protocol, address):
    with box.serving(protocol, 8080, 1500) as server:
        assert lab.neighbour.attack(protocol, address, 8080).result == "silent"
        assert server.communicate(timeout=5)[0].startswith("silent")
    assert lab.evidence(box)[0]["inbound_denied"] > 0
    assert lab.wire.said() == []


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("address", [BOX4, BOX6])
def test_C8_published_port_is_a_rule_of_its_own(lab, bare, protocol, address):
    lab.install(bare, "--publish", "8080", *RULES)
    lab.attach(bare)
    peer = NEIGHBOUR6 if ":" in address else NEIGHBOUR4
    with bare.serving(protocol, 8080, 3000) as server:
        assert lab.neighbour.attack(protocol, address, 8080).result == "ok"
        assert server.communicate(timeout=5)[0].startswith("ok")
    for verdict in ("inbound", "inbound-reply"):
        assert counted(lab, bare, verdict)[(peer, protocol, 8080)]["bytes"] > 0
    with bare.serving(protocol, 8081, 1500) as server:
        assert lab.neighbour.attack(protocol, address, 8081).result == "silent"
        assert server.communicate(timeout=5)[0].startswith("silent")


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_C8_published_port_opens_nothing_outwards(lab, bare, protocol):
    """The container may answer from a published port; it may not begin from it."""
    lab.install(bare, "--publish", "8080", *RULES)
    lab.attach(bare)
    for peer in (NEIGHBOUR4, NEIGHBOUR6, OTHER4):
        assert refused_at_once(bare.attack(protocol, peer, 443, 8080))
    assert lab.wire.said(0.1) == []


# ---- C9


def icmp_error(address_in_flow, port):
    """Sends a forged port-unreachable to the box, about a datagram that the box would have sent."""
    return ("import socket,struct\n"
            f"a=socket.inet_aton('{BOX4}'); b=socket.inet_aton('{address_in_flow}')\n"
            "inner=struct.pack('!BBHHHBBH4s4s',69,0,32,1,0,64,17,0,a,b)+struct.pack('!HHHH',4444,"
            f"{port},12,0)\n"
            "m=struct.pack('!BBHI',3,3,0,0)+inner\n"
            "s=sum(struct.unpack(f'!{len(m)//2}H',m)); s=(s&0xffff)+(s>>16); s=(s&0xffff)+(s>>16)\n"
            "m=m[:2]+struct.pack('!H',0xffff-s)+m[4:]\n"
            f"socket.socket(socket.AF_INET,socket.SOCK_RAW,1).sendto(m,('{BOX4}',0))\n")


def test_C9_forged_error_without_a_flow(lab, box):
    before = lab.evidence(box)[0]["inbound_denied"]
    lab.neighbour.run("/usr/bin/python3", "-c", icmp_error(OTHER4, 443), check=True)
    runtime.until(lambda: lab.evidence(box)[0]["inbound_denied"] > before)
    assert lab.wire.said(0.1) == []


def test_C9_forged_error_opens_no_way_out(lab, box):
    """About a flow that exists: taken as an error, and it allows no new destination."""
    assert box.attack("udp", WORLD4, 5005, 4444).result == "ok"
    lab.wire.said()
    lab.neighbour.run("/usr/bin/python3", "-c", icmp_error(WORLD4, 5005), check=True)
    time.sleep(0.2)
    assert lab.evidence(box)[0]["inbound_denied"] == 0
    for action in (("udp", NEIGHBOUR4, 443, 4444), ("udp", WORLD4, 443, 4444),
                   ("tcp", NEIGHBOUR4, 443)):
        assert refused_at_once(box.attack(*action))
    assert lab.wire.said(0.1) == []


def test_C9_forged_error_outwards(lab, box):
    """The box sends one itself, about a flow that it has: with NET_RAW, and yet nothing leaves."""
    assert box.attack("udp", WORLD4, 5005, 4444).result == "ok"
    lab.wire.said()
    forged = icmp_error(WORLD4, 5005).replace(f",('{BOX4}',0)", f",('{WORLD4}',0)")
    r = box.run("/usr/bin/python3", "-c", forged, check=False)
    assert "PermissionError" in r.err
    assert lab.wire.said(0.1) == []


# ---- C10


@pytest.mark.parametrize("action", ["flush", "deltable"])
@pytest.mark.parametrize("userns", [(), ("--userns",)])
def test_C10_table_deleted(lab, box, action, userns):
    before = structure(box)
    assert box.attack(*userns, action).result == "EPERM"
    assert structure(box) == before
    assert refused_at_once(box.attack("tcp", WORLD4, 80))


def test_C10_the_attack_itself_works(lab, box):
    """With NET_ADMIN the same calls succeed: the test above fails for want of the right only."""
    assert box.attack("flush", caps=",+net_admin").result == "ok"
    assert "@allow4" not in listing(box)
    assert box.attack("deltable", caps=",+net_admin").result == "ok"


# ---- C11


def test_C11_quiet_from_birth(lab, bare):
    """The table first, the cable after: what comes out is link upkeep, not even MLD."""
    lab.install(bare, *RULES)
    wire = lab.attach(bare)
    assert wire.said(1.5) == []


# ---- C12, the part that is in the table


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_C12_embedded_resolver(lab, box, protocol):
    lab.serve(box, protocol, "127.0.0.11", 53)
    lab.serve(box, protocol, "127.0.0.1", 5353)
    assert refused_at_once(box.attack(protocol, "127.0.0.11", 53))
    assert box.attack(protocol, "127.0.0.1", 5353).result == "ok"
    without(box, "127.0.0.11")
    assert box.attack(protocol, "127.0.0.11", 53).result == "ok"


# ---- C16


def test_C16_evidence_of_allowed_destinations_full(lab, bare):
    lab.install(bare, "--allow", f"{WORLD4} udp 1000 6000 many",
                "--allow", f"{WORLD4} tcp 443 443 x")
    lab.attach(bare)
    assert bare.attack("flood", WORLD4, 1000, 3000).result == "ok"
    assert not lab.evidence(bare)[0]["truncated"]
    assert bare.attack("flood", WORLD4, 3001, 6000).result == "EPERM"
    summary, destinations = lab.evidence(bare)
    assert summary["truncated"] and summary["unrecorded"] > 0
    assert sum(d["verdict"] == "allowed" for d in destinations) == 4096
    lab.wire.said()
    assert bare.attack("tcp", WORLD4, 443).result != "ok"    # no record, no packet
    assert lab.wire.said(0.1) == []


def test_C16_evidence_of_denials_full(lab, box):
    box.attack("flood", OTHER4, 1000, 6000)
    assert lab.wire.said(0.2) == []
    assert lab.evidence(box)[0]["truncated"] and lab.evidence(box)[0]["denied"] >= 5001
    assert refused_at_once(box.attack("tcp", OTHER4, 443))
    assert box.attack("tcp", WORLD4, 443).result == "ok"    # denials take no room from the allowed


# ---- C18


def test_C18_same_policy_shares(lab, box):
    before = structure(box)
    lab.install(box, *RULES)
    assert structure(box) == before


@pytest.mark.parametrize("options", [("--digest", "sha256:other"), ("--digest", "sha256:tes"),
                                     ("--digest", "sha256:test2"), ("--digest", "")])
def test_C18_other_policy_refused(lab, box, options):
    before = structure(box)
    r = lab.install(box, *options, *RULES, check=False)
    assert structure(box) == before
    if not options[1]:
        assert "the policy has no digest" in r.err
    else:
        first, second, third = r.err.splitlines()
        assert first.startswith("refused: ") and "shared" in first
        assert "policy sha256:test" in second and options[1] in second
        assert third.startswith("  to allow it: ")


def test_C18_foreign_table(lab, bare):
    bare.run("nft", "add table inet agentrun", check=True)
    lab.install(bare, *RULES, check="found there: no policy")
    left = json.loads(bare.run("nft", "-j", "list", "ruleset", check=True).out)
    assert left["nftables"][2:] == []
