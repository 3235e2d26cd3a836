# SPDX-License-Identifier: Apache-2.0
"""`configure`: what it writes into the engines' files, and what it leaves alone."""
import json
import os
import re
import shutil
import stat
import subprocess

import pytest
from runtime import program, run


@pytest.fixture
def etc(work):
    path = os.path.join(work, "etc")
    os.mkdir(path)
    return path


def put(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, mode)
    return path


def get(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def configure(etc, *args, check=True):
    return run([program(), "configure", *args, "--etc", etc], check=check)


def tree(directory):
    """Every file below it with its content, and every link."""
    found = {}
    for top, _, files in os.walk(directory):
        for name in files:
            path = os.path.join(top, name)
            found[path] = os.readlink(path) if os.path.islink(path) else get(path)
    return found


FILES = {"docker": "docker/daemon.json",
         "podman": "containers/containers.conf.d/50-agentrun.conf",
         "containerd": "containerd/config.toml"}
ENGINES = list(FILES)


# ---- all engines

@pytest.mark.parametrize("engine", ENGINES)
def test_from_nothing_and_back(etc, engine):
    out = configure(etc, engine).out
    text = get(f"{etc}/{FILES[engine]}")
    assert all(f"+{line}\n" in out for line in text.splitlines())
    before = tree(etc)
    assert configure(etc, engine).out == f"{etc}/{FILES[engine]}: nothing to do\n"
    assert tree(etc) == before
    configure(etc, engine, "--remove")
    path = f"{etc}/{FILES[engine]}"
    assert not os.path.exists(path) or "agentrun" not in get(path)
    assert "nothing to do" in configure(etc, engine, "--remove").out


@pytest.mark.parametrize("engine", ENGINES)
def test_dry_run_changes_nothing(etc, engine):
    out = configure(etc, engine, "--dry-run").out
    assert "+++ " in out and "Nothing was changed" in out
    assert os.listdir(etc) == []


@pytest.mark.parametrize("engine, text", [
    ("docker", '{\n    "debug": false\n}\n'), ("containerd", "version = 2\n"),
    ("podman", "[engine]\n")])
def test_mode_owner_and_backup(etc, engine, text):
    path = put(f"{etc}/{FILES[engine]}", text, 0o640)
    os.chown(path, 7, 8)
    before = os.stat(path)
    out = configure(etc, engine).out
    st = os.stat(path)
    assert (stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid) == (0o640, 7, 8)
    assert st.st_ino != before.st_ino  # replaced at once, never half-written
    backup = [f for f in os.listdir(os.path.dirname(path)) if f.endswith(".bak")]
    assert len(backup) == 1 and backup[0] in out
    backup = os.path.join(os.path.dirname(path), backup[0])
    assert get(backup) == text
    assert stat.S_IMODE(os.stat(backup).st_mode) == 0o640
    assert not [f for f in os.listdir(os.path.dirname(path)) if f.endswith(".tmp")]


@pytest.mark.parametrize("engine", ENGINES)
def test_difference_is_a_patch(etc, engine, work):
    """What is printed, fed to patch, makes the same file."""
    if not shutil.which("patch"):
        pytest.skip("no patch")
    text = {"docker": '{\n\t"a": [\n\t\t1\n\t],\n\t"b": {},\n\t"c": 1,\n\t"d": 2\n}',
            "podman": "[engine]\n# mine\n",
            "containerd": "version = 2\n\n" + "# line\n" * 9 + "[grpc]\n  uid = 0"}[engine]
    path = put(f"{etc}/{FILES[engine]}", text)
    patch = configure(etc, engine, "--dry-run").out
    patch = patch[patch.index("--- "):patch.index("Nothing")]
    configure(etc, engine)
    copy = put(f"{work}/copy", text)
    subprocess.run(["patch", "-s", copy], input=patch.encode(), check=True)
    assert get(copy) == get(path)


def test_link_in_the_files_place(etc):
    real = put(f"{etc}/managed/daemon.json", "{}\n")
    os.makedirs(f"{etc}/docker")
    os.symlink("../managed/daemon.json", f"{etc}/docker/daemon.json")
    configure(etc, "docker")
    assert os.path.islink(f"{etc}/docker/daemon.json")
    assert "agentrun" in get(real)


@pytest.mark.parametrize("engine, text, word", [
    ("docker", '{"runtimes": ', "daemon.json"),
    ("docker", '{"a": 1, "a": 2}', "twice"),
    ("docker", "[]", "expected an object"),
    ("docker", '{"runtimes": []}', "runtimes: expected an object"),
    ("containerd", "version = 2\nimports = [\"a\"\n[grpc]\n", "line 3"),
    ("containerd", "version = 2\nroot = \"/var\n", "line 2"),
    ("containerd", "version = 2\nroot\n", "line 2"),
    ("containerd", "version = 2\n[plugins\n", "line 2"),
    ("containerd", "version = 2 x\n", "line 1"),
    ("containerd", "version = 2\nroot = nothing\n", "line 2"),
    ("containerd", "version = 1\n", "version 1"),
    ("containerd", 'root = "/x"\n', "version 1"),
    ("containerd", 'version = 2\nplugins = { a = 1 }\n', "line 2"),
    ("containerd", 'version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd]\n'
                   "runtimes.agentrun.runtime_type = 'x'\n", "line 3"),
    ("containerd", "version = 2\n# agentrun: begin (written by `agentrun configure containerd`)\n",
     "no \"# agentrun: end\""),
])
def test_refused_files_stay(etc, engine, text, word):
    path = put(f"{etc}/{FILES[engine]}", text)
    before = tree(etc)
    r = configure(etc, engine, check=False)
    assert r.code == 1 and word in r.err and path in r.err
    assert tree(etc) == before


@pytest.mark.parametrize("args, word", [
    ([], "expected docker, podman or containerd"), (["lxc"], "expected docker"),
    (["docker", "podman"], "expected docker"), (["docker", "--profile", "no-such"], "no-such"),
    (["docker", "--profile", "../x"], "../x"), (["podman", "--etc", "/no/such"], "/no/such"),
])
def test_bad_arguments(etc, args, word):
    r = configure(etc, *args, check=False) if "--etc" not in args else \
        run([program(), "configure", *args], check=False)
    assert r.code == 1 and word in r.err
    assert os.listdir(etc) == []


# ---- Docker

ENTRY = {"path": program(), "runtimeArgs": ["--profile", "agent"]}
DAEMON = {
    "empty": "",
    "braces": "{}",
    "braces apart": "{\n}\n",
    "two": '{\n  "debug": true,\n  "labels": ["a", "b"]\n}\n',
    "four": '{\n    "debug": true,\n    "log-opts": {\n        "max-size": "10m"\n    }\n}\n',
    "tab": '{\n\t"debug": true\n}\n',
    "one line": '{"debug": true, "x": {"y": "}"}}\n',
    "tight": '{"runtimes":{"kata":{"path":"/k"}},"debug":true}',
    "others": '{\n  "runtimes": {\n    "kata": {\n      "path": "/k"\n    }\n  },\n  "debug": true\n}\n',
    "empty runtimes": '{\n  "runtimes": {}\n}\n',
    "differs": '{\n  "runtimes": {\n    "agentrun": {"path": "/old"},\n    "kata": {"path": "/k"}\n  }\n}\n',
    "escapes": '{\n  "a\\"{": "\\\\",\n  "run\\u0074imes": {"k\\"": {"path": "}\\""}}\n}\n',
}


@pytest.mark.parametrize("name", DAEMON)
def test_docker(etc, name):
    text = DAEMON[name]
    path = put(f"{etc}/{FILES['docker']}", text)
    configure(etc, "docker")
    new = get(path)
    expected = json.loads(text or "{}")
    expected.setdefault("runtimes", {})["agentrun"] = ENTRY
    assert json.loads(new) == expected
    assert list(json.loads(new)) == list(expected)
    # The lines that were there stay as they were, but for a comma behind the last.
    lines = [line.rstrip(",") for line in new.splitlines()]
    for line in text.splitlines():
        if len(text.splitlines()) > 1 and "/old" not in line and line.strip() not in ("{}", '"runtimes": {}') \
                and "run\\u" not in line:
            assert line.rstrip(",") in lines
    if name in ("two", "four", "tab"):
        indent = {"two": "  ", "four": "    ", "tab": "\t"}[name]
        assert f'\n{indent}"runtimes": {{\n{indent * 2}"agentrun": {{\n{indent * 3}"path"' in new
    if name in ("one line", "tight"):
        assert len(new.splitlines()) == 1
    assert "nothing to do" in configure(etc, "docker").out
    configure(etc, "docker", "--remove")
    if name not in ("differs", "empty runtimes"):
        assert json.loads(get(path)) == json.loads(text or "{}")
    assert "agentrun" not in get(path)


def test_docker_profiles(etc):
    for profile in ("agent", "inspect", "none"):
        configure(etc, "docker", "--profile", profile)
        runtimes = json.loads(get(f"{etc}/{FILES['docker']}"))["runtimes"]
        assert runtimes == {"agentrun": {"path": program(), "runtimeArgs": ["--profile", profile]}}
    run([program(), "--profile", "edit", "configure", "docker", "--etc", etc], check=True)
    assert "edit" in get(f"{etc}/{FILES['docker']}")


def test_docker_default_runtime_is_not_taken_away(etc):
    path = put(f"{etc}/{FILES['docker']}", '{"default-runtime": "agentrun"}')
    configure(etc, "docker")
    before = get(path)
    r = configure(etc, "docker", "--remove", check=False)
    assert "default-runtime" in r.err and get(path) == before


# ---- the name agentrun@PROFILE

def test_name_selects_the_profile(work, box, etc):
    configure(etc, "podman", "--profile", "inspect")
    link = f"{etc}/agentrun/runtimes/agentrun@inspect"
    assert os.readlink(link) == program()
    b = box(["true"])

    def explained(*argv):
        out = run([*argv, "policy", "explain", "--bundle", b.path, "--json"], check=True).out
        return json.loads(out)["profile"]
    assert explained(program()) is None
    assert explained(link) == explained(program(), "--profile", "inspect") == "inspect"
    assert explained(link, "--profile", "none") is None  # the option wins


@pytest.mark.parametrize("engine", ["podman", "containerd"])
def test_link_is_mended(etc, engine):
    link = f"{etc}/agentrun/runtimes/agentrun@agent"
    configure(etc, engine)
    os.unlink(link)
    os.symlink("/old/agentrun", link)
    assert f"link {link} -> {program()}" in configure(etc, engine).out
    assert os.readlink(link) == program()


# ---- Podman

def supports_json(path):
    line = [x for x in get(path).splitlines() if x.startswith("runtime_supports_json")][0]
    return json.loads(line.split("=")[1])


def test_podman(etc):
    configure(etc, "podman")
    path = f"{etc}/{FILES['podman']}"
    assert {"crun", "runc", "agentrun"} <= set(supports_json(path))
    assert f'agentrun = ["{etc}/agentrun/runtimes/agentrun@agent"]' in get(path)


def test_podman_keeps_the_lists_of_others(etc):
    put(f"{etc}/containers/containers.conf", '[engine]\nruntime_supports_json = ["main"]\n')
    put(f"{etc}/containers/containers.conf.d/10-a.conf",
        'engine.runtime_supports_json = [ # mine\n  "ten",\n  \'x\\y\', ]\n')
    out = configure(etc, "podman").out
    assert supports_json(f"{etc}/{FILES['podman']}") == ["ten", "x\\y", "agentrun"]
    assert "Note" not in out
    late = put(f"{etc}/containers/containers.conf.d/99-z.conf",
               '[engine]\nruntime_supports_json = ["late"]\n')
    configure(etc, "podman", "--remove")
    assert f"Note: {late}" in configure(etc, "podman").out


def test_podman_refuses_malformed_neighbours(etc):
    put(f"{etc}/containers/containers.conf", "[engine\n")
    r = configure(etc, "podman", check=False)
    assert "containers.conf: line 1" in r.err
    assert not os.path.exists(f"{etc}/containers/containers.conf.d")


# ---- containerd

V2 = 'plugins."io.containerd.grpc.v1.cri".containerd.runtimes'
V3 = 'plugins."io.containerd.cri.v1.runtime".containerd.runtimes'
CRI = """# mine
version = 2
root = '/var/lib/containerd' # a comment with "
required_plugins = [ ]
ports = [ [ 1, 2 ], [ 0x1f, 1_000, 3.5e-1 ] ]
odd = { a = "}", b.c = 1979-05-27 07:32:00Z }
text = \"\"\"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.agentrun]
\\\"\"\" \"\"\"
[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    [plugins."io.containerd.grpc.v1.cri".cni]
      bin_dir = "/usr/lib/cni"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = true"""


def test_containerd(etc):
    path = put(f"{etc}/{FILES['containerd']}", CRI)
    configure(etc, "containerd")
    new = get(path)
    assert new.startswith(CRI + "\n\n# agentrun: begin")
    assert f"[{V2}.agentrun]\n" in new and f"[{V2}.agentrun.options]\n" in new
    assert f'BinaryName = "{etc}/agentrun/runtimes/agentrun@agent"\n' in new
    assert new.count("SystemdCgroup = true") == 2  # as runc's
    configure(etc, "containerd", "--profile", "inspect")
    assert get(path) == new.replace("@agent", "@inspect")
    configure(etc, "containerd", "--remove")
    assert get(path) == CRI + "\n"


def test_containerd_block_in_the_middle(etc):
    path = put(f"{etc}/{FILES['containerd']}", "version = 2\n")
    configure(etc, "containerd")
    with open(path, "a", encoding="ascii") as f:
        f.write("\n[grpc]\nuid = 1\n")
    configure(etc, "containerd", "--remove")
    assert get(path) == "version = 2\n\n[grpc]\nuid = 1\n"


def test_containerd_3_drop_in(etc):
    text = f'version = 3\nimports = ["{etc}/containerd/conf.d/*.toml"]\n'
    path = put(f"{etc}/{FILES['containerd']}", text)
    configure(etc, "containerd")
    assert get(path) == text
    drop_in = get(f"{etc}/containerd/conf.d/50-agentrun.toml")
    assert drop_in.startswith("version = 3\n") and f"[{V3}.agentrun]" in drop_in
    assert "nothing to do" in configure(etc, "containerd").out
    configure(etc, "containerd", "--remove")
    assert not os.path.exists(f"{etc}/containerd/conf.d/50-agentrun.toml")


@pytest.mark.parametrize("version, table", [(2, V2), (3, V3)])
def test_containerd_no_drop_in(etc, version, table):
    """containerd 1 would lose the rest of the plugin's settings; an import elsewhere is not ours."""
    where = f"{etc}/containerd/conf.d" if version == 2 else "/elsewhere"
    path = put(f"{etc}/{FILES['containerd']}",
               f'version = {version}\nimports = ["{where}/*.toml"]\n')
    configure(etc, "containerd")
    assert f"[{table}.agentrun]" in get(path)


def test_containerd_without_cri(etc):
    text = 'disabled_plugins = ["cri"]\n'
    path = put(f"{etc}/{FILES['containerd']}", text)
    out = configure(etc, "containerd").out
    assert "disables the CRI plugin" in out and "ctr run --runc-binary" in out
    assert get(path) == text
    assert os.path.islink(f"{etc}/agentrun/runtimes/agentrun@agent")


@pytest.mark.skipif(not shutil.which("containerd"), reason="no containerd")
@pytest.mark.parametrize("text", ["", CRI.replace("odd =", "#").replace("ports", "#").replace(
    "text = \"\"\"", "#").replace("[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.agentrun]\n"
                                  "\\\"\"\" \"\"\"\n", "")], ids=["new", "existing"])
def test_containerd_reads_it(etc, text):
    path = put(f"{etc}/{FILES['containerd']}", text) if text else f"{etc}/{FILES['containerd']}"
    configure(etc, "containerd")
    out = run(["containerd", "-c", path, "config", "dump"], check=True).out
    assert "runtimes.agentrun.options" in out
    assert f"{etc}/agentrun/runtimes/agentrun@agent" in out
    assert re.search(r"""bin_dirs? = \[?['"]/usr/lib/cni""", out) or not text
