"""Charts as SVG that stands in a page: no colour but by class, and no text that is not a figure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from markupsafe import Markup

from singer_delivery.report.model import Volume

WIDTH, HEIGHT = 1040, 250
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 10, 26
#: Labels below the columns have room for so many.
MOST_LABELS = 12
#: Series of a column from below, by attribute of Volume; each has a class in the style sheet.
SERIES = ("delivered", "rejected", "open")


def bar(count: int, most: int) -> Markup:
    """Return a bar as long as a count is against the largest one; one for anything can be seen."""
    length = max(100 * count / most, 0.8) if count else 0
    return Markup(
        '<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" '
        'focusable="false"><rect class="track" width="100" height="10"/>'
        '<rect class="delivered" width="{}" height="10"/></svg>'
    ).format(f"{length:.2f}")


def columns(volumes: Sequence[Volume], grain: str, title: str, description: str) -> Markup:
    """Return stacked columns over time, with the largest count on a round scale."""
    most = max((v.delivered + v.rejected + v.open for v in volumes), default=0)
    step = tick(most)
    ceiling = max(step * -(-most // step), step)
    height = HEIGHT - TOP - BOTTOM
    parts = [
        Markup(
            '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-labelledby="volume-t volume-d">'
            '<title id="volume-t">{}</title><desc id="volume-d">{}</desc>'
            '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" '
            'patternTransform="rotate(45)"><rect class="hatch" width="6" height="6"/>'
            '<rect class="stripe" width="2.5" height="6"/></pattern></defs>'
        ).format(WIDTH, HEIGHT, title, description)
    ]
    for value in range(0, ceiling + 1, step):
        y = TOP + height * (1 - value / ceiling)
        parts.append(
            Markup(
                '<line class="grid" x1="{}" x2="{}" y1="{y}" y2="{y}"/>'
                '<text class="scale" x="{}" y="{}" text-anchor="end">{}</text>'
            ).format(LEFT, WIDTH - RIGHT, LEFT - 6, f"{y + 4:.1f}", f"{value:,}", y=f"{y:.1f}")
        )
    room = (WIDTH - LEFT - RIGHT) / max(len(volumes), 1)
    every = -(-len(volumes) // MOST_LABELS) or 1
    for number, volume in enumerate(volumes):
        x = LEFT + number * room
        parts.append(_column(volume, x + room * 0.12, room * 0.76, height / ceiling))
        if number % every == 0:
            parts.append(
                Markup('<text class="scale" x="{}" y="{}" text-anchor="middle">{}</text>').format(
                    f"{x + room / 2:.1f}", HEIGHT - 8, label(volume.start, grain)
                )
            )
    parts.append(Markup("</svg>"))
    return Markup("").join(parts)


def _column(volume: Volume, x: float, width: float, scale: float) -> Markup:
    parts, bottom = [], float(HEIGHT - BOTTOM)
    for name in SERIES:
        count = getattr(volume, name)
        if count:
            tall = count * scale
            bottom -= tall
            parts.append(
                Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>').format(
                    name, f"{x:.1f}", f"{bottom:.2f}", f"{width:.1f}", f"{tall:.2f}"
                )
            )
    return Markup("").join(parts)


def tick(most: int) -> int:
    """Return a round distance between lines, so that there are at most six."""
    step = 1
    while most > step * 5:
        step = next(size for size in _round(step) if size > step)
    return step


def _round(step: int) -> list[int]:
    power = 10 ** (len(str(step)) - 1)
    return [power * factor for factor in (1, 2, 5, 10)]


def label(start: date, grain: str) -> str:
    """Return what stands below a column."""
    return f"{start:%b %Y}" if grain == "month" else f"{start.day} {start:%b}"
