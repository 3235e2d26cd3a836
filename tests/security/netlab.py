# SPDX-License-Identifier: Apache-2.0
"""A small internet of network namespaces, to attack from one of them.

    box --- eth0 / vbox --- gateway (bridge br0) --- neighbour
                              |
                              +--- world

The gateway stands for the host: it forwards, and holds the metadata address.
The box is where a container runs: make it with Lab.new(), install its table,
then Lab.attach() gives it eth0, so that the table is there before the wire.
Everything is a namespace of its own: nothing touches the machine's network.
"""
import contextlib
import ctypes
import itertools
import json
import os
import selectors
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time

import runtime

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCES = os.path.join(runtime.REPO, "runtime")
CLONE_NEWNET = 0x40000000
PACKET_OUTGOING = 4

BOX4, BOX6, BOX_MAC = "10.77.0.2", "fd77::2", "02:00:00:77:00:02"
GATEWAY4, GATEWAY6 = "10.77.0.1", "fd77::1"
NEIGHBOUR4, NEIGHBOUR6 = "10.77.0.3", "fd77::3"
WORLD4, WORLD6 = "203.0.113.10", "2001:db8::10"
OTHER4, OTHER6 = "203.0.113.11", "2001:db8::11"    # also in the world
METADATA = "169.254.169.254"

# What a box must not be heard to say.
LOUD = [("broadcast", "224.0.0.251", 5353), ("broadcast", "239.1.2.3", 443),
        ("broadcast", "255.255.255.255", 67), ("broadcast", "10.77.0.255", 443),
        ("broadcast", "ff02::fb%eth0", 5353), ("broadcast", "ff02::1%eth0", 443),
        ("join", "239.1.2.3", "eth0"), ("join", "ff02::1234", "eth0")]
PROTOCOLS = [("proto", kind, number, address, 443)
             for number, kind in ((136, "dgram"), (132, "stream"), (33, "dccp"), (253, "raw"),
                                  (1, "raw"), (2, "raw"), (17, "raw"), (47, "raw"), (255, "raw"))
             for address in (WORLD4, WORLD6)]
PROMPT_MS = 100
# connect() by TCP is reset, send() by UDP is told at once; later ones hear admin-prohibited, which
# IPv4 sockets report as the first and IPv6 sockets as the second of the last two.
REFUSED = ("ECONNREFUSED", "EPERM", "EHOSTUNREACH", "EACCES")

# What a container's root keeps; never NET_ADMIN, NET_RAW or SYS_ADMIN.
CAPS = "-all,+chown,+dac_override,+fowner,+kill,+setgid,+setuid,+net_bind_service"

libc = ctypes.CDLL(None, use_errno=True)
serial = itertools.count()


def build(directory):
    """Compiles the probe and the attacker; returns their paths."""
    flags = ["-std=gnu11", "-O1", "-g", "-D_GNU_SOURCE", f"-I{SOURCES}"]
    cc = os.environ.get("CC", "cc").split()
    probe, attacker = os.path.join(directory, "egress_probe"), os.path.join(directory, "attacker")
    modules = ["base/nl.c", "base/err.c", "base/fd.c", "base/str.c", "base/arena.c",
               "sandbox/egress.c", "sandbox/egress_chains.c", "sandbox/egress_rules.c",
               "sandbox/egress_table.c"]
    subprocess.run([*cc, *flags, "-o", probe, os.path.join(HERE, "egress_probe.c"),
                    *(os.path.join(SOURCES, m) for m in modules),
                    "-Wl,--wrap=nl_commit"], check=True, timeout=120)
    subprocess.run([*cc, *flags, "-static", "-o", attacker, os.path.join(HERE, "attacker.c")],
                   check=True, timeout=120)
    return probe, attacker


class Outcome:
    """What the attacker said: result is "ok", "silent" or an errno's name."""

    def __init__(self, text):
        self.result, ms = text.split()
        self.ms = float(ms)

    def __repr__(self):
        return f"{self.result} after {self.ms} ms"


def refused_at_once(outcome):
    return outcome.result in REFUSED and outcome.ms < PROMPT_MS


def unknown_here(outcome):
    """No protocol of this kernel's."""
    return outcome.result in ("EPROTONOSUPPORT", "ESOCKTNOSUPPORT")


class Namespace:
    """A network namespace with a name below /run/netns."""

    def __init__(self, name, lab, pid=None):
        self.name, self.lab, self.path = name, lab, f"/run/netns/{name}"
        runtime.run(["ip", "netns", "attach", name, str(pid)] if pid else
                    ["ip", "netns", "add", name], check=True)

    def ip(self, *args):
        return runtime.run(["ip", "-n", self.name, *" ".join(args).split()], check=True).out

    def sysctl(self, key, value):
        self.run("sh", "-c", f"echo {value} >/proc/sys/net/{key}", check=True)

    def command(self, *args):
        return ["nsenter", f"--net={self.path}", *args]

    def run(self, *args, **kw):
        """As the machine's root: sets things up, checks them."""
        return runtime.run(self.command(*args), **kw)

    def confined(self, *args, caps=""):
        """As a container's root would run it."""
        return self.command("setpriv", "--no-new-privs", f"--bounding-set={CAPS}{caps}",
                            f"--inh-caps={CAPS}{caps}", *args)

    def attack(self, *args, caps=""):
        """One call of the attacker; caps: "+net_raw" and the like to give it more.  What is refused
        late is tried again: a busy machine is late once, a table always."""
        argv = self.confined(self.lab.attacker, *map(str, args), caps=caps)
        for _ in range(5):
            outcome = Outcome(runtime.run(argv, check=True).out)
            if outcome.result not in REFUSED or outcome.ms < PROMPT_MS:
                break
        return outcome

    @contextlib.contextmanager
    def serving(self, *args):
        """The attacker's `serve` in the background; yields it once it listens."""
        argv = self.confined(self.lab.attacker, "serve", *map(str, args))
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
            assert p.stderr.readline() == "ready\n"
            try:
                yield p
            finally:
                if p.poll() is None:
                    p.kill()

    @contextlib.contextmanager
    def entered(self):
        """This thread, inside: for sockets that this process then keeps."""
        with open("/proc/thread-self/ns/net", "rb") as home, open(self.path, "rb") as there:
            setns(there.fileno())
            try:
                yield
            finally:
                setns(home.fileno())

    def remove(self):
        runtime.run(["ip", "netns", "delete", self.name], check=True)


def setns(fd):
    if libc.setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


class Servers(threading.Thread):
    """Answers whoever gets through, and remembers whom: seen holds (protocol, address, port)."""

    def __init__(self):
        super().__init__(daemon=True)
        self.selector, self.seen, self.stopping = selectors.DefaultSelector(), [], False

    def add(self, ns, protocol, address, port):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
        with ns.entered():
            s = socket.socket(family, kind)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.setblocking(False)
        s.bind((address, port))
        if protocol == "tcp":
            s.listen(64)
        self.selector.register(s, selectors.EVENT_READ, (protocol, address, port))

    def run(self):
        while not self.stopping:
            for key, _ in self.selector.select(0.1):
                self.seen.append(key.data)
                with contextlib.suppress(OSError):
                    self.answer(key)

    @staticmethod
    def answer(key):
        if key.data[0] == "udp":
            _, peer = key.fileobj.recvfrom(65536)
            key.fileobj.sendto(b"pong", peer)
        else:
            connection, _ = key.fileobj.accept()
            connection.send(b"hello")
            connection.close()

    def stop(self):
        self.stopping = True
        self.join()
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()


def describe(frame):
    """A frame in a few words: "arp", "icmpv6 135", "tcp 203.0.113.10 443", "ip 253 …"."""
    kind = struct.unpack_from("!H", frame, 12)[0]
    names = {1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 58: "icmpv6"}
    if kind == 0x806:
        return "arp"
    if kind == 0x800:
        at, number = 14 + 4 * (frame[14] & 15), frame[23]
        to = socket.inet_ntop(socket.AF_INET, frame[30:34])
    elif kind == 0x86dd:
        at, number = 54, frame[20]
        to = socket.inet_ntop(socket.AF_INET6, frame[38:54])
        if number == 0:    # hop-by-hop, as in MLD
            at, number = at + 8 * (frame[at + 1] + 1), frame[at]
    else:
        return f"ethertype {kind:#x}"
    if number == 58:
        return f"icmpv6 {frame[at]} {to}"
    if number in (6, 17):
        return f"{names[number]} {to} {struct.unpack_from('!H', frame, at + 2)[0]}"
    return f"{names.get(number, number)} {to}"


class Wire:
    """Every frame that the box sends, seen from the other end of its cable."""

    # What a quiet machine on a link says: ARP; router and neighbour solicitation, advertisement.
    QUIET = ("arp", "icmpv6 133 ", "icmpv6 135 ", "icmpv6 136 ")

    def __init__(self, ns, interface):
        with ns.entered():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.bind((interface, 0))
        self.socket.setblocking(False)

    def frames(self):
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                data, where = self.socket.recvfrom(65536)
                if where[2] != PACKET_OUTGOING:
                    found.append(data)
        return found

    def said(self, wait=0.0):
        """What the box sent since the last call, other than link upkeep."""
        time.sleep(wait)
        words = [describe(f) for f in self.frames()]
        return [w for w in words if not w.startswith(self.QUIET)]


def wait_for_carrier(*links):
    """The kernel tells of a carrier up to a second late, and IPv6 waits for it."""
    for ns, link in links:
        runtime.until(lambda ns=ns, link=link: "state UP" in ns.ip(f"link show {link}"))


class Lab:
    def __init__(self):
        self.directory = tempfile.mkdtemp(dir="/run")    # which every user may enter
        os.chmod(self.directory, 0o755)
        self.probe, self.attacker = build(self.directory)
        self.tag = f"lab{os.getpid()}x{next(serial)}"
        self.namespaces, self.wire, self.boxes = [], None, itertools.count()
        self.gateway, self.neighbour, self.world = map(self.new, ("gateway", "neighbour", "world"))
        for ns in self.namespaces:    # link-local addresses that work at once
            ns.sysctl("ipv6/conf/all/accept_dad", 0)
            ns.sysctl("ipv6/conf/default/accept_dad", 0)
        self.servers = Servers()
        self._gateway()
        self._cable(self.neighbour, "vneigh", NEIGHBOUR4, NEIGHBOUR6, "02:00:00:77:00:03")
        self._world()
        wait_for_carrier((self.neighbour, "eth0"), (self.gateway, "vneigh"),
                         (self.gateway, "vworld"), (self.world, "eth0"))
        self.servers.start()

    def new(self, name, pid=None):
        ns = Namespace(f"{self.tag}-{name}", self, pid)
        self.namespaces.append(ns)
        return ns

    def _gateway(self):
        g = self.gateway
        for link in ("lo", "br0"):
            if link == "br0":
                g.ip("link add br0 address 02:00:00:77:00:01 type bridge")
            g.ip(f"link set {link} up")
        g.ip(f"addr add {GATEWAY4}/24 dev br0")
        g.ip(f"addr add {GATEWAY6}/64 dev br0 nodad")
        g.ip(f"addr add {METADATA}/32 dev lo")
        g.sysctl("ipv4/ip_forward", 1)
        g.sysctl("ipv6/conf/all/forwarding", 1)

    def _cable(self, ns, end, v4, v6, mac):
        """eth0 in ns, its other end on the gateway's bridge."""
        ns.ip("link set lo up")
        self.gateway.ip(f"link add {end} type veth peer name eth0 address {mac} netns {ns.name}")
        self.gateway.ip(f"link set {end} master br0 up")
        ns.ip(f"addr add {v4}/24 dev eth0")
        ns.ip(f"addr add {v6}/64 dev eth0 nodad")
        ns.ip("link set eth0 up")
        ns.ip(f"route add default via {GATEWAY4}")
        ns.ip(f"route add default via {GATEWAY6}")

    def _world(self):
        g, w = self.gateway, self.world
        w.ip("link set lo up")
        g.ip(f"link add vworld type veth peer name eth0 netns {w.name}")
        g.ip("addr add 203.0.113.1/24 dev vworld")
        g.ip("addr add 2001:db8::1/64 dev vworld nodad")
        g.ip("link set vworld up")
        for a in (f"{WORLD4}/24", f"{OTHER4}/24", f"{WORLD6}/64 nodad", f"{OTHER6}/64 nodad"):
            w.ip(f"addr add {a.split()[0]} dev eth0", *a.split()[1:])
        w.ip("link set eth0 up")
        w.ip("route add default via 203.0.113.1")
        w.ip("route add default via 2001:db8::1")

    def serve(self, ns, protocol, address, port):
        self.servers.add(ns, protocol, address, port)

    def populate(self):
        """Listeners wherever the attacks go."""
        near = (("tcp", 443), ("tcp", 80), ("udp", 53))
        for ns, addresses, ports in (
                (self.world, (WORLD4, WORLD6, OTHER4, OTHER6),
                 (*near, ("udp", 443), ("udp", 5005), ("tcp", 53))),
                (self.gateway, (METADATA, GATEWAY4, GATEWAY6), near),
                (self.neighbour, (NEIGHBOUR4, NEIGHBOUR6), (("tcp", 443), ("udp", 443)))):
            for address in addresses:
                for protocol, port in ports:
                    self.serve(ns, protocol, address, port)
        return self

    def box(self):
        return self.new(f"box{next(self.boxes)}")

    def attach(self, box):
        """Plugs the box in, with a listener on its cable from the first frame on."""
        self.gateway.ip("link add vbox type veth "
                        f"peer name eth0 address {BOX_MAC} netns {box.name}")
        self.wire = Wire(self.gateway, "vbox")
        self.gateway.ip("link set vbox master br0 up")
        self.wire.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)    # it was down until now
        box.ip(f"addr add {BOX4}/24 dev eth0")
        box.ip(f"addr add {BOX6}/64 dev eth0 nodad")
        box.ip("link set eth0 up")
        box.ip(f"route add default via {GATEWAY4}")
        box.ip(f"route add default via {GATEWAY6}")
        wait_for_carrier((box, "eth0"), (self.gateway, "vbox"))
        return self.wire

    def install(self, ns, *options, check=True):
        """The probe's table; options as in egress_probe.c."""
        return ns.run(self.probe, "install", *options, check=check)

    def evidence(self, ns):
        """(summary, destinations): both as the probe prints them."""
        lines = [json.loads(x) for x in
                 runtime.run([self.probe, "read", ns.path], check=True).out.splitlines()]
        return lines[0], lines[1:]

    def remove(self, box):
        if self.wire:
            self.wire.socket.close()
            self.wire = None
            runtime.run(["ip", "-n", self.gateway.name, "link", "delete", "vbox"])
        self.namespaces.remove(box)
        box.remove()

    def close(self):
        self.servers.stop()
        for ns in list(self.namespaces):
            ns.remove()
        shutil.rmtree(self.directory)
