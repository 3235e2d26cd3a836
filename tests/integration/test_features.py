# SPDX-License-Identifier: Apache-2.0
"""`features` says what the program does, no more and no less."""
import json
import os

import pytest
from listener import CONTINUE, listener
from runtime import run, program

F = json.loads(run([program(), "features"], check=True).out)


def test_form():
    assert F["ociVersionMin"] == "1.0.0"
    assert F["ociVersionMax"].startswith("1.")
    assert F["hooks"] == ["prestart", "createRuntime", "createContainer", "startContainer",
                          "poststart", "poststop"]
    assert sorted(F["linux"]["namespaces"]) == ["cgroup", "ipc", "mount", "network", "pid", "time",
                                                "user", "uts"]
    assert {"CAP_CHOWN", "CAP_CHECKPOINT_RESTORE"} <= set(F["linux"]["capabilities"])
    assert F["potentiallyUnsafeConfigAnnotations"] == [
        "io.agentrun.", "org.systemd.property.", "run.oci.keep_original_groups"]
    assert F["linux"]["seccomp"]["enabled"] is True
    assert {"ro", "rro", "rbind", "idmap", "tmpcopyup"} <= set(F["mountOptions"])


@pytest.mark.parametrize("version, good", [
    (F["ociVersionMin"], True), (F["ociVersionMax"], True), ("0.9.0", True), ("2.0.0", False)])
def test_versions(rt, box, version, good):
    b = box(["true"], lambda c: c.update(ociVersion=version))
    rt.run(b, check=good or "ociVersion: not a version 0.x or 1.x")


def seccomp(rule=None, **members):
    def edit(c):
        c["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", **members}
        if rule:
            c["linux"]["seccomp"]["syscalls"] = [{"names": ["acct"], **rule}]
    return edit


@pytest.mark.parametrize("word", F["linux"]["seccomp"]["actions"])
def test_seccomp_action(rt, box, work, word):
    path = {"listenerPath": work + "/s"} if word == "SCMP_ACT_NOTIFY" else {}
    with listener(work + "/s", lambda call: CONTINUE) as s:
        rt.run(box(["true"], seccomp({"action": word}, **path)), check=True)
    assert len(s.states) == len(path)


@pytest.mark.parametrize("word", F["linux"]["seccomp"]["operators"])
def test_seccomp_operator(rt, box, word):
    rule = {"action": "SCMP_ACT_KILL", "args": [{"index": 0, "value": 1, "op": word}]}
    rt.run(box(["true"], seccomp(rule)), check=True)


@pytest.mark.parametrize("word", F["linux"]["seccomp"]["supportedFlags"])
def test_seccomp_flag(rt, box, word):
    assert word in F["linux"]["seccomp"]["knownFlags"]
    rt.run(box(["true"], seccomp(flags=[word])), check=True)


def has_resctrl():
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        return " - resctrl " in f.read()


@pytest.mark.skipif(has_resctrl(), reason="the machine's own would be used")
def test_intel_rdt(rt, box):
    """The build knows it; this machine does not have it (tests/unit/test_resctrl.c plays one)."""
    assert F["linux"]["intelRdt"] == {"enabled": True, "schemata": True, "monitoring": True}
    b = box(["true"], lambda c: c["linux"].update(intelRdt={"closID": "x"}))
    rt.create(b, check="linux.intelRdt: no resctrl file system is mounted")
    assert rt.ids() == []


@pytest.mark.skipif(not os.path.exists("/proc/self/numa_maps"), reason="a kernel without NUMA")
def test_memory_policy(rt, box):
    """Every mode and every flag, with the mode that takes it, gets as far as the kernel."""
    known = F["linux"]["memoryPolicy"]
    asked = [(mode, []) for mode in known["modes"]]
    asked += [("MPOL_BIND", [flag]) for flag in known["flags"]]
    assert len(asked) == 7 + 3
    for mode, flags in asked:
        member = {"mode": mode, "flags": flags}
        if mode not in ("MPOL_DEFAULT", "MPOL_LOCAL"):
            member["nodes"] = "0"
        rt.run(box(["true"], lambda c, m=member: c["linux"].update(memoryPolicy=m)), check=True)


def test_net_devices(rt, box):
    assert F["linux"]["netDevices"] == {"enabled": True}
    rt.run(box(["true"], lambda c: c["linux"].update(netDevices={"no-such": {}})),
           check="linux.netDevices.no-such: there is no such network device")


def test_mount_options(rt, box):
    """None of them reaches the file system, which would refuse a word that it does not know."""
    special = {"bind", "rbind", "remount", "idmap", "ridmap", "tmpcopyup"}
    for word in F["mountOptions"]:
        if word in special or "iversion" in word:
            continue  # of some file systems only

        def edit(c, word=word):
            c["mounts"].append({"destination": "/m", "type": "tmpfs", "source": "tmpfs",
                                "options": [word]})
        r = rt.run(box(["true"], edit))
        assert r.code == 0, f"{word}: {r.err}"
    rt.run(box(["true"], lambda c: c["mounts"].append(
        {"destination": "/m", "type": "tmpfs", "source": "tmpfs", "options": ["no-such"]})),
        check='option "no-such": tmpfs: Unknown parameter')


def test_takes_no_operand():
    run([program(), "features", "x"], check="features: takes no operand")
