# SPDX-License-Identifier: Apache-2.0
"""Eight clients of an engine at once: what they are told fits, and nothing is left behind."""
import concurrent.futures as cf
import os
import random
import time

from runtime import flavour, program, run
from test_confined import engine  # noqa: F401  pylint: disable=unused-import

SECONDS = float(os.environ.get("AGENTRUN_LOAD_SECONDS", "12"))
SEED = os.environ.get("AGENTRUN_LOAD_SEED", "1")
CLIENTS = 8
PROFILES = [None, "agent"] if flavour() == "agentrun" else [None]


def short(engine, rnd, profile):
    code = rnd.choice((0, 7))
    r = engine.box(profile, ["sh", "-c", f"exit {code}"], timeout=120)
    assert r.code == code, r.text


def missing(engine, rnd, profile):
    r = engine.box(profile, ["no-such"], timeout=120)
    assert r.code == (1 if engine.name == "ctr" else 127), r.text
    assert "executable file not found" in r.text, r.text


def long(engine, rnd, profile):
    with engine.running(profile) as c:
        for _ in range(rnd.randrange(4)):
            if rnd.random() < 0.3:
                c.pause()
                c.unpause()
            code = rnd.choice((0, 3))
            r = c.exec(["sh", "-c", f"exit {code}"], timeout=120)
            assert r.code == code, r.text


def killed(engine, rnd, profile):
    """It is killed while a command runs in it, and removed while it ends."""
    with engine.running(profile) as c, cf.ThreadPoolExecutor(1) as pool:
        if engine.name == "ctr":    # which would wait for the exec of a task that is gone
            return
        command = pool.submit(c.exec, ["sleep", "100"], timeout=120)
        time.sleep(rnd.random() / 2)
        engine("kill", c.id, check=True)
        assert command.result().code != 0


def client(engine, n, end):
    rnd = random.Random(f"{SEED}-{n}")
    done = 0
    while time.monotonic() < end:
        rnd.choice((short, missing, long, killed))(engine, rnd, rnd.choice(PROFILES))
        done += 1
    return done


def test_load(engine):
    end = time.monotonic() + SECONDS
    with cf.ThreadPoolExecutor(CLIENTS) as pool:
        assert all(list(pool.map(lambda n: client(engine, n, end), range(CLIENTS))))
    if flavour() == "agentrun":
        run([program(), "audit", "verify"], check=True)
    assert engine.box(None, ["true"]).code == 0
