# SPDX-License-Identifier: Apache-2.0
"""The figures as a picture: for each figure bars of all runtimes, for what grows lines.

A bar ends at the median; the thin line over it goes from the tenth to the ninetieth percentile.
Growth has both axes logarithmic, so that a line as steep as the dashed one is linear growth.
"""
import math
from xml.sax.saxutils import escape

WIDTH, MARGIN, GAP, COLUMNS = 1280, 32, 24, 3
PANEL = (WIDTH - 2 * MARGIN - (COLUMNS - 1) * GAP) / COLUMNS
ROW, TITLE, LABEL, VALUE = 20, 26, 112, 88  # of a panel of bars: heights, then widths at both sides
CHART = 190
INK, FAINT, GRID, PAPER = "#1f2933", "#5f6c7b", "#d9dee5", "#ffffff"
COLOURS = {"agentrun": "#1463b8", "agentrun+policy": "#63a9e8", "floor": "#9aa5b1",
           "crun": "#e08a1e", "runc": "#8e5bb5"}


def colour(runtime):
    return COLOURS.get(runtime, COLOURS.get(runtime.split()[0], INK))


def short(v):
    """Four digits at most."""
    for limit, divisor, suffix in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e5, 1e3, "k")):
        if v >= limit:
            return f"{v / divisor:.3g}{suffix}"
    return f"{v:.2f}" if v < 10 else f"{v:.1f}" if v < 100 else f"{v:.0f}"


class Drawing:
    def __init__(self):
        self.parts, self.y = [], MARGIN

    def text(self, x, y, text, size=12, fill=INK, anchor="start", weight="normal"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{fill}" '
                          f'text-anchor="{anchor}" font-weight="{weight}">{escape(text)}</text>')

    def rect(self, x, y, w, h, fill):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(w, 0.5):.1f}" '
                          f'height="{h:.1f}" fill="{fill}"/>')

    def line(self, points, stroke, width=1.0, dash=""):
        at = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dash = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(f'<polyline points="{at}" fill="none" stroke="{stroke}" '
                          f'stroke-width="{width}"{dash}/>')

    def dot(self, x, y, fill):
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{fill}"/>')

    def grid(self, panels, draw, height):
        """Panels from left to right; height(panel)"""
        for i in range(0, len(panels), COLUMNS):
            row = panels[i:i + COLUMNS]
            for k, panel in enumerate(row):
                draw(MARGIN + k * (PANEL + GAP), self.y, panel)
            self.y += max(map(height, row)) + GAP

    def section(self, title):
        self.y += 8
        self.line([(MARGIN, self.y), (WIDTH - MARGIN, self.y)], GRID)
        self.y += 24
        self.text(MARGIN, self.y, title, 16, weight="bold")
        self.y += 16

    def svg(self):
        return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{self.y:.0f}" '
                f'viewBox="0 0 {WIDTH} {self.y:.0f}" font-family="sans-serif">\n'
                f'<rect width="100%" height="100%" fill="{PAPER}"/>\n'
                + "\n".join(self.parts) + "\n</svg>\n")


def bars(d, x, y, rows):
    unit = rows[0]["unit"]
    d.text(x, y + 14, f"{rows[0]['figure']} ({unit})", 13, weight="bold")
    room = PANEL - LABEL - VALUE
    top = max(r["p90"] for r in rows) or 1
    for i, r in enumerate(rows):
        at = y + TITLE + i * ROW
        left, middle = x + LABEL, at + ROW / 2
        d.text(left - 6, middle + 4, r["runtime"][:18], 11, FAINT, "end")
        d.rect(left, at + 3, room * r["median"] / top, ROW - 6, colour(r["runtime"]))
        if r["p90"] > r["p10"]:
            d.line([(left + room * r["p10"] / top, middle), (left + room * r["p90"] / top, middle)],
                   INK)
        ratio = f" ({r['ratio']:.{1 if r['ratio'] < 10 else 0}f}x)" if r["ratio"] != 1 else ""
        d.text(left + room * max(r["median"], r["p90"]) / top + 6, middle + 4,
               short(r["median"]) + ratio, 11)


def chart(d, x, y, rows):
    """One line for each runtime: time over size."""
    d.text(x, y + 14, f"{rows[0]['figure']}, {rows[0]['grows']} (ms)", 13, weight="bold")
    sizes = sorted({r["size"] for r in rows})
    left, right, top, bottom = x + 44, x + PANEL - 12, y + 30, y + CHART - 22
    low = math.log10(min(r["median"] for r in rows) * 0.8)
    high = math.log10(max(r["median"] for r in rows) * 1.25)

    def at(size, ms):
        across = (math.log2(size / sizes[0]) / math.log2(sizes[-1] / sizes[0])
                  if len(sizes) > 1 else 0)
        return (left + (right - left) * across,
                bottom - (bottom - top) * (math.log10(ms) - low) / (high - low))

    for step in range(math.floor(low), math.ceil(high) + 1):
        for digit in (1, 2, 5):
            ms = digit * 10 ** step
            if low <= math.log10(ms) <= high:
                _, level = at(sizes[0], ms)
                d.line([(left, level), (right, level)], GRID)
                d.text(left - 6, level + 4, f"{ms:g}", 10, FAINT, "end")
    for size in sizes:
        d.text(at(size, 1)[0], bottom + 16, f"{size:,}", 10, FAINT, "middle")
    first = min(r["median"] for r in rows if r["size"] == sizes[0])
    times = min(sizes[-1] / sizes[0], 10 ** high / first)
    d.line([at(sizes[0], first), at(sizes[0] * times, first * times)], FAINT, 1, "4 4")
    for name in dict.fromkeys(r["runtime"] for r in rows):
        points = [at(r["size"], r["median"]) for r in rows if r["runtime"] == name]
        d.line(points, colour(name), 2)
        for p in points:
            d.dot(*p, colour(name))


def write(path, rows, about):
    d = Drawing()
    d.text(MARGIN, d.y + 8, "agentrun, the kernel's floor, crun and runc", 22, weight="bold")
    d.text(MARGIN, d.y + 30, f"Linux {about['kernel']}, {about['cpus']} processors, cgroup "
           f"{about['cgroup']}, up to {about['samples']} samples each; bars: median, thin line: "
           "10th to 90th percentile; in brackets: times agentrun's", 12, FAINT)
    d.y += 52
    x = MARGIN
    order = list(COLOURS)
    for name in sorted({r["runtime"] for r in rows}, key=lambda n: order.index(n.split()[0])):
        d.rect(x, d.y - 10, 12, 12, colour(name))
        d.text(x + 18, d.y, name, 12)
        x += 44 + 7 * len(name)
    d.y += 8

    def groups(keep, key):
        found = {}
        for r in rows:
            if keep(r):
                found.setdefault(tuple(r[k] for k in key), []).append(r)
        return list(found.values())

    for shape in dict.fromkeys(r["shape"] for r in rows):
        of_shape = groups(lambda r, s=shape: r["shape"] == s and "size" not in r, ("figure",))
        if of_shape:
            d.section("docker run, one dockerd" if shape == "engine" else f"{shape} shape")
            d.grid(of_shape, lambda *a: bars(d, *a), lambda g: TITLE + ROW * len(g))
    growing = groups(lambda r: "size" in r, ("figure", "grows"))
    if growing:
        d.section("as the work doubles (both axes logarithmic; dashed: linear growth)")
        d.grid(growing, lambda *a: chart(d, *a), lambda g: CHART)
    with open(path, "w", encoding="utf-8") as f:
        f.write(d.svg())
