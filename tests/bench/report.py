# SPDX-License-Identifier: Apache-2.0
"""The figures: summed up, printed as they come, held against the targets, written as JSON.

A row is one figure of one runtime: shape, figure, runtime, unit, n, median, p10, p90, ratio (to
agentrun's median); of commands also cpu, the least time on a processor: it tells the work, and not
what else runs; of what grows also size and growth, the ratio of cpu to that of half the size.
"""
import dataclasses
import json
import statistics

OURS, POLICY = "agentrun", "agentrun+policy"
COMMANDS, FILES = "commands executed", "files, 500 of them changed"     # what grows


@dataclasses.dataclass
class Target:
    """A figure of the docker shape is at most a bound: a value, or a multiple of another's."""
    what: str
    figure: str
    bound: float
    against: str = None  # the runtime's name without its version; None: the bound is a value
    runtime: str = OURS
    unit: str = "ms"
    more: bool = False  # the bound is how much more it may be than the other's
    layouts: tuple = ("v1", "hybrid", "v2")


TARGETS = (
    Target("run", "run", 0.45, "crun"),
    Target("run", "run", 1.1, "floor"),
    Target("run, isolated, on v1", "run, isolated", 0.35, "crun", layouts=("v1", "hybrid")),
    Target("run, agent profile", "run", 1.5, OURS, POLICY, more=True),
    Target("run, agent profile", "run", 0.6, "crun", POLICY),
    Target("create+delete, agent profile", "create+delete", 8, runtime=POLICY),
    Target("create+start+kill+delete", "create+start+kill+delete", 0.35, "crun"),
    Target("exec", "exec", 0.40, "crun"),
    Target("state", "state", 0.30, "crun"),
    Target("kill", "kill", 0.30, "crun"),
    Target("delete", "delete", 0.30, "crun"),
    Target("run, cold", "run, cold", 0.5, "crun"),
    Target("peak memory, run", "peak memory, run", 0.4, "crun"),
    Target("waiting init, Rss", "waiting init, Rss", 200, unit="KiB"),
)
# Linear growth and what noise adds, as the mean of two doublings: a machine that other work makes
# slower for some seconds makes one of them more and the next one less.
DOUBLED = 2.1


def number(v, unit):
    return f"{v:.2f}" if unit in ("ms", "times") else f"{v:,.0f}"


def summary(samples):
    values = sorted(s[0] for s in samples)
    tenth = statistics.quantiles(values, n=10, method="inclusive") if len(values) > 1 else values
    s = {"n": len(values), "median": statistics.median(values), "p10": tenth[0], "p90": tenth[-1]}
    if len(samples[0]) > 1:
        s["cpu"] = min(x[1] for x in samples)
    return s


class Report:
    def __init__(self):
        self.rows, self.notes, self.pairs = [], [], []

    @staticmethod
    def heading():
        print(f"{'shape':6} {'figure':29} {'runtime':18} {'median':>10} {'p10':>10} {'p90':>10} "
              f"{'cpu':>8} {'ratio':>6}  (ratio: to {OURS}; times: of the cpu at half the size)")

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)
            print(text, flush=True)

    def add(self, shape, unit, samples, size=None, grows=None):
        """samples: {runtime: {figure: [(value, cpu), ...]}}"""
        for figure in dict.fromkeys(f for by_figure in samples.values() for f in by_figure):
            sums = {name: summary(by[figure]) for name, by in samples.items() if by.get(figure)}
            base = sums.get(OURS) or next(iter(sums.values()))
            for name, s in sums.items():
                row = {"shape": shape, "figure": figure, "runtime": name, "unit": unit,
                       **{k: round(v, 4) for k, v in s.items()},
                       "ratio": round(s["median"] / base["median"], 4)}
                if size:
                    smaller = [r for r in self.rows if r.get("grows") == grows
                               and (r["figure"], r["runtime"]) == (figure, name)]
                    row |= {"size": size, "grows": grows, "growth": round(
                        row["cpu"] / smaller[-1]["cpu"], 4) if smaller else None}
                self.rows.append(row)
                self.line(row)

    @staticmethod
    def line(row):
        figure, unit, growth = row["figure"], row["unit"], row.get("growth")
        if "size" in row:
            figure += f", {row['size']} {row['grows']}"
        values = " ".join(f"{number(row[k], unit):>10}" for k in ("median", "p10", "p90"))
        cpu = number(row["cpu"], unit) if "cpu" in row else ""
        print(f"{row['shape']:6} {figure:29} {row['runtime']:18} {values} {cpu:>8} "
              f"{row['ratio']:6.2f}  {unit}{f', {growth:.2f} times' if growth else ''}", flush=True)

    def medians(self, figure, runtime):
        """{runtime with its version: median} of the docker shape"""
        return {r["runtime"]: r["median"] for r in self.rows
                if (r["shape"], r["figure"]) == ("docker", figure) and "size" not in r
                and r["runtime"].split()[0] == runtime}

    # ---- targets

    def targets(self, layout):
        """(what, measured, bound, met); met is None where it was not measured"""
        for t in TARGETS:
            if layout in t.layouts:
                yield t.what, *self.target(t)
        of = len(self.pairs)
        won = sum(p[0]["create to delete"] < p[1]["create to delete"] for p in self.pairs)
        yield ("create to delete under docker run", f"faster in {won} of {of} pairs" if of else "",
               "faster than runc in every pair", won == of if of else None)
        yield from self.evidence()
        growing = {}  # the last two doublings, where what is constant weighs least
        for r in self.rows:
            if r.get("growth") and r["runtime"] in (OURS, POLICY):
                of = growing.setdefault(r["grows"], {})
                of.setdefault((r["figure"], r["runtime"]), []).append((r["size"], r["growth"]))
        for grows, of in growing.items():
            last = max(size for series in of.values() for size, _ in series)
            times = max(statistics.geometric_mean(g for _, g in sorted(series)[-2:])
                        for series in of.values())
            yield (f"cpu, up to {last} {grows}", f"{times:.2f} times", f"{DOUBLED} times",
                   times <= DOUBLED)
        if not growing:
            yield "cpu, as the work doubles", "", f"{DOUBLED} times", None

    def evidence(self):
        """What the records of a session cost when it is deleted."""
        deletes = {(r["grows"], r["size"]): r["median"] for r in self.rows
                   if r.get("grows") and (r["figure"], r["runtime"]) == ("delete", POLICY)}
        commands = sorted(size for grows, size in deletes if grows == COMMANDS)
        if len(commands) > 1:
            first, last = commands[0], commands[-1]
            more = 1000 * (deletes[COMMANDS, last] - deletes[COMMANDS, first]) / (last - first)
            yield "delete, each 1000 commands", f"{more:+.2f} ms", "1 ms", more <= 1
        files = sorted(size for grows, size in deletes if grows == FILES)
        if files:
            took = deletes[FILES, files[-1]]
            yield f"delete, {files[-1]} {FILES}", f"{took:.2f} ms", "100 ms", took <= 100

    def target(self, t):
        """(measured, bound, met), against the fastest of that name"""
        ours = self.medians(t.figure, t.runtime).get(t.runtime)
        others = self.medians(t.figure, t.against) if t.against else {}
        name = min(others, key=others.get) if others else t.against
        bound = (f"{t.bound} {t.unit}" if not t.against else
                 f"{name} + {t.bound} {t.unit}" if t.more else f"{t.bound} x {name}")
        if ours is None or (t.against and not others):
            return "", bound, None
        if not t.against:
            return f"{number(ours, t.unit)} {t.unit}", bound, ours <= t.bound
        if t.more:
            more = ours - others[name]
            return f"{more:+.2f} {t.unit}", bound, more <= t.bound
        return f"{ours / others[name]:.2f} x", bound, ours <= t.bound * others[name]

    def print_targets(self, layout):
        print(f"\n{'target':36} {'measured':>24}   at most")
        for what, measured, bound, met in self.targets(layout):
            verdict = {True: "met", False: "NOT MET", None: "not measured"}[met]
            print(f"{what:36} {measured:>24}   {bound:34} {verdict}")

    def write(self, path, about):
        with open(path, "w", encoding="utf-8") as f:
            json.dump({**about, "notes": self.notes, "rows": self.rows, "docker run": self.pairs,
                       "targets": [dict(zip(("what", "measured", "bound", "met"), t))
                                   for t in self.targets(about["cgroup"])]}, f, indent=1)
            f.write("\n")
