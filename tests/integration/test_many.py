# SPDX-License-Identifier: Apache-2.0
"""Many containers, at once and one after the other, without a leak."""
import concurrent.futures as cf

import leaks
from bundle import shell


def test_20_at_once(rt, box):
    boxes = [box(shell(f"sleep 0.2; exit {i}")) for i in range(20)]
    with cf.ThreadPoolExecutor(20) as pool:
        codes = list(pool.map(lambda b: rt.run(b, timeout=60).code, boxes))
    assert codes == list(range(20))
    assert rt.ids() == []


def test_20_running_at_the_same_time(rt, box):
    boxes = [box(["sleep", "100"]) for _ in range(20)]
    with cf.ThreadPoolExecutor(20) as pool:
        list(pool.map(rt.up, boxes))
        assert sorted(rt.ids()) == sorted(b.id for b in boxes)
        list(pool.map(lambda b: rt.delete(b, "--force", check=True), boxes))
    assert rt.ids() == []


def test_200_in_sequence(rt, box):
    b = box(["true"])
    rt.run(b, check=True)
    before = leaks.Snapshot([rt.root])
    for i in range(200):
        assert rt("run", "--bundle", b.path, f"seq{i}").code == 0
    before.check(ignore=lambda line: line.endswith("/box"))
