# SPDX-License-Identifier: Apache-2.0
"""What a session made, as public tools read it: in-toto, SLSA, DSSE, OpenSSL."""
import base64
import hashlib
import json
import os
import shutil
import stat
import subprocess

import audit_log
import pytest
import runtime

pytestmark = pytest.mark.skipif(runtime.flavour() != "agentrun", reason="records are agentrun's own")
TOKEN = "ghp_0123456789abcdefghij0123456789abcdef"
DIGESTS = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("old", "new", "made", "image")}


def applied(*files):
    """The members of an apply record: (path, content or None for a deletion)..."""
    return json.dumps({
        "workspace.source": "/srv/w", "changes.digest": DIGESTS["made"], "caller.uid": 0,
        "applied": [{"path": path, "kind": "modified", "sha256": DIGESTS[content]} if content
                    else {"path": path, "kind": "deleted"} for path, content in files]},
        separators=(",", ":"))


@pytest.fixture
def log(work):
    """a session whose changes were applied days later, in two steps, beside one of which none were"""
    one = audit_log.Log(os.path.join(work, "log"))
    one.append("other", "create")
    one("record", "s1", "create", json.dumps({
        "container.runtime.version": "0.1.0", "container.image.name": f"docker.io/x@sha256:{DIGESTS['image']}",
        "process.command_args": ["agent", "--fix"], "policy": {"profile": "agent", "digest": "0" * 64,
                                                               "egress": {"mode": "none", "rules": []}},
        "claims": {"task": "issue 7"}}, separators=(",", ":")))
    one("exec", "s1", "curl", "-H", f"Authorization: Bearer {TOKEN}")
    one.append("s1", "delete")
    one("record", "s1", "apply", applied(("src/a.c", "old"), ("src/gone.c", "old"), ("b", "made")))
    one.append("other", "exec")
    one("record", "s1", "apply", applied(("src/a.c", "new"), ("src/gone.c", None)))
    return one


def audit(log, *args, **kw):
    return runtime.run([runtime.program(), "audit", args[0], "--directory", log.dir, *args[1:]], **kw)


def pae(envelope):
    body = base64.b64decode(envelope["payload"], validate=True)
    kind = envelope["payloadType"].encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(body), body)


def openssl_verifies(log, work, message, signature):
    for name, data in (("message", message), ("signature", signature)):
        with open(os.path.join(work, name), "wb") as f:
            f.write(data)
    return subprocess.run(
        ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", os.path.join(log.dir, "audit.pub"),
         "-sigfile", os.path.join(work, "signature"), "-in", os.path.join(work, "message")],
        check=False, capture_output=True, timeout=30).returncode == 0


@pytest.fixture
def openssl():
    if not shutil.which("openssl"):
        pytest.skip("no openssl")


# ---- keys


def test_a_key_is_as_openssl_writes_it(log, work, openssl):
    key, public = os.path.join(log.dir, "audit.key"), os.path.join(log.dir, "audit.pub")
    name = audit(log, "keygen", check=True).out.strip()
    assert stat.S_IMODE(os.stat(key).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(public).st_mode) == 0o644
    out = subprocess.run(["openssl", "pkey", "-in", key], check=True, capture_output=True).stdout
    with open(key, "rb") as f:
        assert f.read() == out
    out = subprocess.run(["openssl", "pkey", "-in", key, "-pubout"], check=True,
                         capture_output=True).stdout
    with open(public, "rb") as f:
        assert f.read() == out
    der = subprocess.run(["openssl", "pkey", "-pubin", "-in", public, "-outform", "DER"], check=True,
                         capture_output=True).stdout
    assert hashlib.sha256(der).hexdigest() == name

    # one that OpenSSL made serves as well
    os.unlink(key)
    os.unlink(public)
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True)
    subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", public], check=True)
    envelope = json.loads(audit(log, "provenance", "s1", check=True).out)
    assert openssl_verifies(log, work, pae(envelope), base64.b64decode(envelope["signatures"][0]["sig"]))


def test_a_key_is_never_written_over(log):
    audit(log, "keygen", check=True)
    with open(os.path.join(log.dir, "audit.key"), "rb") as f:
        before = f.read()
    r = audit(log, "keygen")
    assert r.code == 1 and "audit.key exists" in r.err
    with open(os.path.join(log.dir, "audit.key"), "rb") as f:
        assert f.read() == before
    # nor its public half: then there is no key at all
    os.unlink(os.path.join(log.dir, "audit.key"))
    r = audit(log, "keygen")
    assert r.code == 1 and "audit.pub: File exists" in r.err
    assert not os.path.exists(os.path.join(log.dir, "audit.key"))


@pytest.mark.parametrize("spoil, why", [
    (lambda path: os.chmod(path, 0o640), "no one else can read"),
    (lambda path: os.chown(path, 1, -1), "must be a file of uid 0"),
    (lambda path: os.truncate(path, 60), "no Ed25519 key"),
    (lambda path: subprocess.run(["openssl", "genpkey", "-algorithm", "x25519", "-out", path], check=True),
     "no Ed25519 key"),
    (lambda path: subprocess.run(["openssl", "genpkey", "-algorithm", "rsa", "-out", path], check=True,
                                 stderr=subprocess.DEVNULL), "no Ed25519 key"),
])
def test_a_key_that_is_not_ours_alone_signs_nothing(log, openssl, spoil, why):
    audit(log, "keygen", check=True)
    spoil(os.path.join(log.dir, "audit.key"))
    r = audit(log, "provenance", "s1")
    assert r.code == 1 and why in r.err
    assert r.out == ""


def test_the_key_of_the_host(log):
    """Root's log is signed with a key beside the host policy; one that is named, with one beside it."""
    shutil.rmtree("/etc/agentrun", ignore_errors=True)
    shutil.rmtree("/var/log/agentrun", ignore_errors=True)
    shutil.copytree(log.dir, "/var/log/agentrun")
    os.chmod("/var/log/agentrun", 0o700)
    try:
        name = runtime.run([runtime.program(), "audit", "keygen"], check=True).out.strip()
        assert stat.S_IMODE(os.stat("/etc/agentrun").st_mode) == 0o755
        r = runtime.run([runtime.program(), "audit", "provenance", "s1"], check=True)
        assert json.loads(r.out)["signatures"][0]["keyid"] == name
        assert "not signed" in audit(log, "provenance", "s1", check=True).err
    finally:
        shutil.rmtree("/etc/agentrun")
        shutil.rmtree("/var/log/agentrun")


def test_the_key_of_a_user(log, work):
    """without root the log and the key have one directory, which is the user's alone"""
    home = os.path.join(work, "state")
    env = {**os.environ, "XDG_STATE_HOME": home}
    command = [runtime.program(), "--rootless", "true", "audit"]
    name = runtime.run([*command, "keygen"], env=env, check=True).out.strip()
    assert stat.S_IMODE(os.stat(f"{home}/agentrun").st_mode) == 0o700
    assert stat.S_IMODE(os.stat(f"{home}/agentrun/audit.key").st_mode) == 0o600
    shutil.copy(log.path, f"{home}/agentrun")
    envelope = json.loads(runtime.run([*command, "provenance", "s1"], env=env, check=True).out)
    assert envelope["signatures"][0]["keyid"] == name
    builder = json.loads(base64.b64decode(envelope["payload"]))["predicate"]["runDetails"]["builder"]
    assert builder["id"] == "agentrun:builder/user/v1"


# ---- the statement


def test_the_statement(log):
    r = audit(log, "provenance", "s1", check=True)
    assert "not signed" in r.err and "audit keygen" in r.err
    assert TOKEN not in r.out
    statement = json.loads(r.out)
    assert set(statement) == {"_type", "subject", "predicateType", "predicate"}
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    # the last state of each path counts, and a deleted one is none
    assert statement["subject"] == [{"name": "b", "digest": {"sha256": DIGESTS["made"]}},
                                    {"name": "src/a.c", "digest": {"sha256": DIGESTS["new"]}}]
    definition, run = (statement["predicate"][k] for k in ("buildDefinition", "runDetails"))
    assert set(statement["predicate"]) == {"buildDefinition", "runDetails"}
    assert definition["buildType"] == "agentrun:session/v1"
    external = definition["externalParameters"]
    assert external["command"] == ["agent", "--fix"]
    assert external["execs"] == [["curl", "-H", "Authorization: Bearer [redacted]"]]
    assert (external["profile"], external["labels"]) == ("agent", {"task": "issue 7"})
    internal = definition["internalParameters"]
    assert internal["policyDigest"] == "0" * 64 and internal["egress"]["mode"] == "none"
    assert not set(internal) & set(external)
    assert definition["resolvedDependencies"] == [
        {"name": external["image"], "digest": {"sha256": DIGESTS["image"]}}]
    assert run["builder"] == {"id": "agentrun:builder/host/v1", "version": {"agentrun": "0.1.0"}}
    records = [json.loads(x) for x in log.lines() if b'"session":"s1"' in x]
    assert run["metadata"] == {"invocationId": "s1", "startedOn": records[0]["time"],
                               "finishedOn": records[2]["time"]}
    # the last record of the session's chain, as `audit verify --anchor` takes it
    last = run["byproducts"][0]
    assert last["digest"]["sha256"] == hashlib.sha256(log.lines()[-1]).hexdigest()
    assert last["annotations"] == {"seq": len(log.lines()), "session_seq": len(records)}
    assert audit(log, "verify", "--anchor", last["digest"]["sha256"]).code == 0


@pytest.mark.parametrize("name, members, why", [
    ("other", None, "agentrun workspace apply"),
    ("nobody", None, "no session or container"),
    ("other", applied(("x", None)), "left no file"),
    ("other", json.dumps({"applied": [{"path": "p" * 90, "kind": "added", "sha256": "0" * 64}] * 600},
                         separators=(",", ":")), "was cut"),
], ids=["nothing applied", "no session", "no file left", "cut"])
def test_what_no_statement_can_be_made_of(log, name, members, why):
    if members:
        log("record", name, "apply", members)
    r = audit(log, "provenance", name)
    assert r.code == 1 and why in r.err
    assert r.out == ""


def test_the_beginning_was_rotated_away(log):
    audit(log, "rotate", check=True)
    log("record", "s1", "apply", applied(("late", "made")))
    assert json.loads(audit(log, "provenance", "s1", check=True).out)["subject"][1]["name"] == "late"
    away = [name for name in os.listdir(log.dir) if name.startswith("audit.jsonl-")]
    os.rename(os.path.join(log.dir, away[0]), os.path.join(log.dir, "elsewhere"))
    r = audit(log, "provenance", "s1")
    assert r.code == 1 and "does not hold the beginning of session s1" in r.err


def test_a_log_that_was_changed_gets_no_signature(log):
    audit(log, "keygen", check=True)
    log.put([x.replace(DIGESTS["new"].encode(), DIGESTS["old"].encode()) for x in log.lines()])
    r = audit(log, "provenance", "s1")
    assert r.code == 1 and "first bad record" in r.err
    assert r.out == ""


def test_of_a_user(log):
    """whose log proves less: he can write what he likes to it"""
    os.chown(log.dir, 1000, 1000)
    statement = json.loads(audit(log, "provenance", "s1", check=True).out)
    assert statement["predicate"]["runDetails"]["builder"]["id"] == "agentrun:builder/user/v1"


# ---- the envelope


def test_public_tools_verify_it(log, work, openssl):
    name = audit(log, "keygen", check=True).out.strip()
    unsigned = os.path.join(work, "unsigned")
    shutil.copytree(log.dir, unsigned, ignore=shutil.ignore_patterns("audit.key"))
    r = audit(log, "provenance", "s1", check=True)
    assert r.err == ""
    envelope = json.loads(r.out)
    assert set(envelope) == {"payload", "payloadType", "signatures"}
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    assert [s["keyid"] for s in envelope["signatures"]] == [name]
    body = base64.b64decode(envelope["payload"], validate=True)
    plain = runtime.run([runtime.program(), "audit", "provenance", "--directory", unsigned, "s1"], check=True)
    assert body.decode() == plain.out.rstrip("\n")

    message = pae(envelope)
    signature = base64.b64decode(envelope["signatures"][0]["sig"], validate=True)
    assert openssl_verifies(log, work, message, signature)
    # neither another type, nor another file, nor another signature
    for other in (message.replace(b"in-toto", b"in-tot0"),
                  message.replace(DIGESTS["new"].encode(), DIGESTS["old"].encode()), message[:-1]):
        assert other != message and not openssl_verifies(log, work, other, signature)
    assert not openssl_verifies(log, work, message, signature[:-1] + bytes([signature[-1] ^ 1]))
    # nor with another key
    os.unlink(os.path.join(log.dir, "audit.key"))
    os.unlink(os.path.join(log.dir, "audit.pub"))
    audit(log, "keygen", check=True)
    assert not openssl_verifies(log, work, message, signature)


def test_as_the_manual_verifies_it(log, work, openssl):
    if not shutil.which("jq"):
        pytest.skip("no jq")
    audit(log, "keygen", check=True)
    with open(os.path.join(runtime.REPO, "man", "agentrun-audit.5"), encoding="ascii") as f:
        lines = f.read().split("agentrun audit provenance NAME")[1].split(".fi")[0].replace("\\-", "-")
    script = f"set -eu\n{runtime.program()} audit provenance --directory {log.dir} s1{lines}"
    shutil.copy(os.path.join(log.dir, "audit.pub"), work)
    out = subprocess.run(["sh", "-c", script], cwd=work, check=True, capture_output=True, timeout=30)
    assert out.stdout == b"Signature Verified Successfully\n"


def test_securesystemslib_verifies_it(log):
    """the library beneath in-toto's and TUF's reference implementations"""
    keys = pytest.importorskip("securesystemslib.keys")
    name = audit(log, "keygen", check=True).out.strip()
    envelope = json.loads(audit(log, "provenance", "s1", check=True).out)
    with open(os.path.join(log.dir, "audit.pub"), encoding="ascii") as f:
        public = base64.b64decode("".join(f.read().splitlines()[1:-1]))[-32:].hex()
    key = {"keytype": "ed25519", "scheme": "ed25519", "keyid": name,
           "keyval": {"public": public, "private": ""}}
    signature = {"keyid": name, "sig": base64.b64decode(envelope["signatures"][0]["sig"]).hex()}
    assert keys.verify_signature(key, signature, pae(envelope))
    assert not keys.verify_signature(key, signature, pae(envelope) + b" ")
