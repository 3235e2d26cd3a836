# SPDX-License-Identifier: Apache-2.0
"""The runtime under test: $RUNTIME, or ./agentrun."""
import contextlib
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TIMEOUT = 30


def program():
    return os.path.realpath(os.environ.get("RUNTIME") or os.path.join(REPO, "agentrun"))


def flavour():
    """agentrun, runc or crun, by what --version says."""
    out = subprocess.run([program(), "--version"], capture_output=True, text=True, timeout=TIMEOUT,
                         check=True).stdout
    return out.split()[0]


@dataclass
class Result:
    args: list
    code: int
    out: str
    err: str
    seconds: float = 0

    @property
    def text(self):
        return self.out + self.err


def run(args, *, check=None, timeout=TIMEOUT, stdin=None, **kw):
    """Run a command; its output goes to files, which a child left behind may keep open.

    check: True for "must succeed", False for "must fail", a text for "must fail and say that",
    None for any.  What a signal ends has not failed: it crashed.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, \
            tempfile.TemporaryFile() as inp:
        if isinstance(stdin, str):
            inp.write(stdin.encode())
            inp.seek(0)
            stdin = inp
        began = time.monotonic()
        with subprocess.Popen(args, stdout=out, stderr=err, start_new_session=True,
                              stdin=stdin or subprocess.DEVNULL, **kw) as p:
            try:
                p.wait(timeout)
            except subprocess.TimeoutExpired:
                os.killpg(p.pid, signal.SIGKILL)
                p.wait()
                out.seek(0)
                err.seek(0)
                raise AssertionError(
                    f"{args} took more than {timeout} s\n{out.read()}\n{err.read()}") from None
        r = Result(args, p.returncode, "", "", time.monotonic() - began)
        out.seek(0)
        err.seek(0)
        r.out = out.read().decode(errors="replace")
        r.err = err.read().decode(errors="replace")
    if check is not None:
        said = f"{args}: exit code {r.code}\n{r.out}\n{r.err}"
        assert (r.code == 0 if check is True else r.code > 0), said
        assert not isinstance(check, str) or check in r.err, f"no {check!r}: {said}"
    return r


@contextlib.contextmanager
def background(args, **kw):
    """A command that goes on meanwhile; killed at the end."""
    with subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, **kw) as p:
        try:
            yield p
        finally:
            p.kill()


def until(condition, timeout=5, what=None):
    """Wait until condition() is true and return its value."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {timeout} s: {what or condition}"
        time.sleep(0.005)


@dataclass
class Runtime:
    root: str
    program: str = field(default_factory=program)
    flavour: str = field(default_factory=flavour)
    options: list = field(default_factory=list)

    def argv(self, *args):
        return [self.program, "--root", self.root, *self.options, *map(str, args)]

    def __call__(self, *args, check=None, **kw):
        if isinstance(check, str) and self.flavour != "agentrun":
            check = False  # each has words of its own
        return run(self.argv(*args), check=check, **kw)

    def run(self, b, *flags, **kw):
        return self("run", "--bundle", b.path, *flags, b.id, **kw)

    def create(self, b, *flags, check=True, **kw):
        return self("create", "--bundle", b.path, *flags, b.id, check=check, **kw)

    def start(self, b, check=True, **kw):
        return self("start", b.id, check=check, **kw)

    def up(self, b, *flags, **kw):
        """create and start"""
        self.create(b, *flags, **kw)
        self.start(b)
        return b

    def exec(self, b, *args, **kw):
        """exec: flags, then the command after "--" or a --process file"""
        flags = list(args)
        command = []
        if "--" in flags:
            i = flags.index("--")
            flags, command = flags[:i], flags[i + 1:]
        return self("exec", *flags, b.id, *command, **kw)

    def state(self, b):
        return json.loads(self("state", b.id, check=True).out)

    def status(self, b):
        return self.state(b)["status"]

    def kill(self, b, *args, **kw):
        return self("kill", b.id, *args, **kw)

    def wait(self, b, status="stopped", timeout=10):
        return until(lambda: self.status(b) == status, timeout, f"{b.id} {status}")

    def delete(self, b, *flags, **kw):
        return self("delete", *flags, b.id, **kw)

    def ids(self):
        return self("list", "--quiet", check=True).out.split()


def log_lines(path):
    """The objects of a --log-format json file."""
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f if line.strip()]


def errors(path):
    return [x for x in log_lines(path) if x.get("level") == "error"]


def status_field(text, name):
    """A field of /proc/PID/status."""
    return re.search(rf"^{name}:[ \t]*(.*)$", text, re.M).group(1).strip()
