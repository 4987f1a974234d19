"""A string through its search: projected on its principal axes, and the loss along it by rounds.

Freeman & Bruna 2017, App. C. The histories come from landscape/search/history.py.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from mpl_toolkits.mplot3d.art3d import Line3DCollection
from PIL import Image

from landscape.core.profile import thinned
from landscape.report.figures.style import COLOURS, INK, STYLE, draw

PIECES = 120  # of a string that is drawn in colour
MOST_FRAMES = 24
PALETTE = 128
NAMED = 8  # strings at most for a legend
SIZE = (4.0, 3.2)  # inches
FRAME_SECONDS, LAST_SECONDS = 0.7, 2.5
BLACK: Any = {**STYLE, **{key: "#000" for key, value in STYLE.items() if value == INK}}


@dataclass(frozen=True)
class Frame:
    """A look at the string: what landscape/search/history.py says of it.

    beads [n, 3] are along the axes, places [n] fractions of the length, profile [points, 2].
    """

    round: int
    level: float
    highest: float
    at: float
    beads: np.ndarray
    places: np.ndarray
    profile: np.ndarray

    @property
    def title(self) -> str:
        said = f"round {self.round} at {self.level:.3g}: "
        return f"{said}{len(self.beads)} beads, highest {self.highest:.4g}"


@dataclass(frozen=True)
class History:
    frames: tuple[Frame, ...]
    variance: np.ndarray

    @property
    def seen(self) -> list[Frame]:
        """The frames whose beads' positions were kept."""
        return [frame for frame in self.frames if len(frame.beads)]


def read_history(arrays: Mapping[str, np.ndarray]) -> History:
    """The history of a connection, from its arrays."""

    def parts(name: str, counts: str) -> list[np.ndarray]:
        return np.split(arrays[name], np.cumsum(arrays[counts])[:-1])

    frames = zip(
        arrays["facts"],
        parts("beads", "bead_counts"),
        parts("places", "bead_counts"),
        parts("profile", "profile_counts"),
        strict=True,
    )
    made = (
        Frame(int(facts[0]), float(facts[1]), float(facts[2]), float(facts[3]), *arrays_of)
        for facts, *arrays_of in frames
    )
    return History(tuple(made), arrays["variance"])


def stills(history: History, metric: str, ids: str) -> list[tuple[str, str]]:
    """Titles and SVGs of the start, two looks in between, and the end, if there are so many."""
    frames = history.seen
    last = len(frames) - 1
    chosen = sorted({round(last * part / 3) for part in range(4)})
    view = _View(history, metric)

    def still(number: int) -> str:
        frame = frames[number]
        label = f"The string at {frame.title}"
        return draw(lambda axes: view.show(axes, frame), f"{ids}-{number}", label, SIZE, "3d")

    return [(frames[number].title, still(number)) for number in chosen]


def animation(history: History, metric: str) -> bytes:
    """A GIF of one frame a look; of evenly spaced ones when there are more than MOST_FRAMES."""
    frames = history.seen
    count = min(len(frames), MOST_FRAMES)
    chosen = np.linspace(0, len(frames) - 1, count).round().astype(int)
    view, images = _View(history, metric), []
    for number in chosen:
        with matplotlib.rc_context(BLACK):
            figure = Figure(figsize=SIZE, dpi=130, layout="constrained")
            canvas = FigureCanvasAgg(figure)
            axes = figure.add_subplot(projection="3d")
            view.show(axes, frames[number])
            figure.text(0.03, 0.94, frames[number].title, fontsize=9)
            canvas.draw()
            images.append(np.asarray(canvas.buffer_rgba())[..., :3].copy())
    # one palette for all, or a loss would change its colour from frame to frame
    palette = Image.fromarray(np.concatenate(images)).quantize(PALETTE, dither=Image.Dither.NONE)
    shown = [
        Image.fromarray(image).quantize(palette=palette, dither=Image.Dither.NONE)
        for image in images
    ]
    seconds = [FRAME_SECONDS] * (count - 1) + [LAST_SECONDS]
    made = io.BytesIO()
    shown[0].save(
        made, "GIF", save_all=True, append_images=shown[1:], loop=0, optimize=True,
        duration=[int(1000 * one) for one in seconds],
    )  # fmt: skip
    return made.getvalue()


class _View:
    """What all frames of a history share: the axes' bounds and the colours of the loss."""

    def __init__(self, history: History, metric: str) -> None:
        everywhere = np.concatenate([frame.beads for frame in history.seen])
        room = 0.05 * np.ptp(everywhere, axis=0) + 1e-9
        self.low, self.high = everywhere.min(0) - room, everywhere.max(0) + room
        losses = np.concatenate([frame.profile[:, 1] for frame in history.seen])
        losses = losses[np.isfinite(losses)] if np.isfinite(losses).any() else np.ones(1)
        bottom, top = float(losses.min()), float(losses.max())
        scale = LogNorm if 0 < bottom < top else Normalize
        self.ticks = (np.geomspace if scale is LogNorm else np.linspace)(bottom, top, 4)
        self.label = metric
        self.colours = ScalarMappable(scale(bottom, top), matplotlib.colormaps["plasma"])
        self.variance = history.variance

    def show(self, axes: Any, frame: Frame) -> None:
        profile = thinned(frame.profile, PIECES)
        at = np.unique(np.concatenate([profile[:, 0], frame.places]))
        points = np.stack([np.interp(at, frame.places, axis) for axis in frame.beads.T], 1)
        loss = np.interp((at[1:] + at[:-1]) / 2, *profile.T)
        pieces = np.stack([points[:-1], points[1:]], 1)
        colours = self.colours.to_rgba(np.where(np.isfinite(loss), loss, np.nan))
        axes.add_collection3d(Line3DCollection(pieces, colors=colours, lw=2))
        axes.plot(*frame.beads[1:-1].T, "o", color="#0008", ms=2.5)
        for name, end in (("A", frame.beads[0]), ("B", frame.beads[-1])):
            axes.plot(*end[:, None], "s", color="#000", ms=4)
            axes.text(*end, f" {name}", fontsize=9)
        limits = (axes.set_xlim, axes.set_ylim, axes.set_zlim)
        labels = (axes.set_xlabel, axes.set_ylabel, axes.set_zlabel)
        for number, share in enumerate(self.variance):
            limits[number](self.low[number], self.high[number])
            labels[number](f"axis {number + 1} ({100 * share:.0f} %)", fontsize=8, labelpad=-4)
        axes.locator_params(nbins=4)
        axes.tick_params(labelsize=6, pad=-2)
        axes.figure.set_layout_engine("none")  # which would leave a picture in 3-D little room
        axes.set_position((-0.06, 0.02, 0.84, 0.96))
        bar = axes.figure.add_axes((0.83, 0.2, 0.025, 0.6))
        axes.figure.colorbar(self.colours, cax=bar)
        bar.minorticks_off()
        bar.set_yticks(self.ticks, [f"{tick:.3g}" for tick in self.ticks], fontsize=7)
        bar.set_title(self.label, fontsize=8)


def rounds(axes: Axes, history: History, limit: float, metric: str) -> None:
    """The loss along the string, a curve a round, the later the darker."""
    count = len(history.frames)
    for number, frame in enumerate(history.frames):
        strength = 0.25 + 0.75 * (number + 1) / count
        axes.plot(*frame.profile.T, color=COLOURS[0], alpha=strength, lw=0.6 + 0.8 * strength)
    axes.axhline(limit, color=INK, lw=0.8, ls=":")
    losses = np.concatenate([frame.profile[:, 1] for frame in history.frames] + [[limit]])
    losses = losses[np.isfinite(losses)]
    if losses.min() > 0:
        axes.set_yscale("log")
        ticks = np.geomspace(losses.min(), losses.max(), 4)
        axes.minorticks_off()
        axes.set_yticks(ticks, [f"{tick:.2g}" for tick in ticks])
    axes.set_xlabel("fraction of the string")
    axes.set_ylabel(metric)


def barriers(
    axes: Axes, histories: Mapping[str, History], of: Callable[[Frame], float], label: str
) -> None:
    """A number of each string's barrier, its height or its place, look by look."""
    for number, (name, history) in enumerate(histories.items()):
        seen = [of(frame) for frame in history.frames]
        axes.plot(seen, "o-", color=COLOURS[number % len(COLOURS)], ms=3, lw=0.8, label=name)
    if len(histories) <= NAMED:
        axes.legend(fontsize=7)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("look at the string")
    axes.set_ylabel(label)
