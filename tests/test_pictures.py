"""Strings in pictures: which are drawn, with which words, into which files."""

import io
import re
import xml.dom.minidom
from typing import Any

import numpy as np
from PIL import Image

from landscape.report import report, write_html
from landscape.report.figures.pictures import MOST_FRAMES, animation, read_history, stills
from landscape.report.page.strings import MOST_SHOWN, chosen
from tests.pages import film, row, save

SEVERAL = [
    row(0, 1, 0.5, beads=9), row(0, 2, 0.5, beads=3), row(0, 1, 0.1, beads=5),
    row(0, 2, 0.1, beads=7), row(0, 3, 0.1, "NOT_FOUND", beads=17),
    row(1, 2, 0.1, "STUCK", beads=3),
]  # fmt: skip


def long_film(frames: int) -> dict[str, np.ndarray]:
    one = film(row(0, 1))
    beads, places = one["beads"][:2], one["places"][:2]
    profile = one["profile"][:3]
    rounds = np.arange(frames)[:, None] * [1, 0, 0, 0]
    return {
        "facts": np.tile(one["facts"][:1], (frames, 1)) + rounds,
        "beads": np.tile(beads, (frames, 1)) + 0.01 * np.arange(2 * frames)[:, None],
        "places": np.tile(places, frames),
        "bead_counts": np.full(frames, 2),
        "profile": np.tile(profile, (frames, 1)) * (1 + np.arange(3 * frames)[:, None] * [0, 1]),
        "profile_counts": np.full(frames, 3),
        "variance": one["variance"],
    }


def test_the_longest_of_the_lowest_level_are_chosen():
    found = [(one.level, one.a, one.b) for one in chosen(SEVERAL, [])]
    assert found == [(0.1, 0, 2), (0.1, 0, 3)]


def test_the_pairs_that_were_asked_for_are_chosen_at_every_level():
    found = [(one.level, one.a, one.b) for one in chosen(SEVERAL, [(0, 1)])]
    assert found == [(0.5, 0, 1), (0.1, 0, 1)]


def test_a_string_never_searched_is_not_drawn(run):
    unreached = row(0, 1, 0.1, "LEVEL_NOT_REACHED", limit=None, rounds=None)
    assert chosen([unreached], [(0, 1)]) == []


def test_four_stills_from_start_to_end_and_the_variance_on_them():
    found = stills(read_history(long_film(10)), "train loss", "s")
    said = [f"round {r} at 0.5" for r in (0, 3, 6, 9)]
    assert [title.split(":")[0] for title, _ in found] == said
    for _, svg in found:
        xml.dom.minidom.parseString(svg)
        said = "".join(re.findall(r">([^<>]+)<", svg))
        assert "axis 1 (75 %)" in said and "axis 2 (25 %)" in said and "axis 3 (0 %)" in said


def test_an_animation_has_a_frame_a_look_up_to_a_bound():
    for frames, shown in ((2, 2), (10, 10), (100, MOST_FRAMES)):
        gif = Image.open(io.BytesIO(animation(read_history(long_film(frames)), "train loss")))
        assert getattr(gif, "n_frames", 1) == shown


def test_a_loss_has_one_colour_in_all_frames():
    arrays = long_film(6)
    arrays["profile"][-3:, 1] *= 100  # only the last frame has the high losses
    gif: Any = Image.open(io.BytesIO(animation(read_history(arrays), "train loss")))
    bars = []
    for number in range(gif.n_frames):
        gif.seek(number)
        frame = np.asarray(gif.convert("RGB")).astype(int)
        bars.append(frame[100:330:10, int(0.842 * frame.shape[1])])
    assert np.ptp(bars[0], axis=0).min() > 100  # it is the bar, and it has colours
    assert all(np.array_equal(bar, bars[0]) for bar in bars)


def test_frames_whose_positions_were_forgotten_are_left_out_of_the_projections():
    arrays = long_film(10)
    arrays["bead_counts"][2:8] = 0
    for name in ("beads", "places"):
        arrays[name] = np.concatenate([arrays[name][:4], arrays[name][16:]])
    film_ = read_history(arrays)
    assert len(film_.frames) == 10 and [frame.round for frame in film_.seen] == [0, 1, 8, 9]
    titles = [title.split(" at")[0] for title, _ in stills(film_, "loss", "s")]
    assert titles == [f"round {r}" for r in (0, 1, 8, 9)]


def test_the_page_stays_light(run):
    save(run, [row(0, 1, level) for level in (0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.02)])
    write_html([run], report([run]), run.report_file, [(0, 1)])
    text = run.report_file.read_text()
    assert text.count("data:image/gif") == MOST_SHOWN
    assert f"{MOST_SHOWN} of 7 strings are drawn here, 7 as files under pictures/" in text
    assert len(list((run.directory / "pictures").rglob("string.gif"))) == 7


def test_losses_that_are_infinite_or_not_positive_can_be_drawn():
    arrays = long_film(3)
    for value in (np.inf, 0.0, -1.0):
        arrays["profile"][1, 1] = value
        assert stills(read_history(arrays), "train loss", "s")


def test_page_and_files_show_the_same(run):
    save(run, SEVERAL)
    write_html([run], report([run]), run.report_file, [(0, 3)])
    folder = run.directory / "pictures/dss-1/0.1/0-3"
    names = {path.name for path in folder.iterdir()}
    assert names == {"still-0.svg", "still-1.svg", "rounds.svg", "string.gif"}
    assert [path.name for path in (run.directory / "pictures/dss-1").iterdir()] == ["0.1"]
    text = run.report_file.read_text()
    assert "pair 0-3 at 0.1 (dss-1): NOT_FOUND, 17 beads" in text
    assert (folder / "still-1.svg").read_text() in text and "data:image/gif;base64," in text
    xml.dom.minidom.parse(str(folder / "rounds.svg"))


def test_barriers_of_what_did_not_connect(run):
    save(run, SEVERAL)
    write_html([run], report([run]), run.report_file)
    text = run.report_file.read_text()
    assert "dss at 0.1, 2 searches that found no path" in text
    assert "dss at 0.5, " not in text.partition("Where no path was found")[2].partition("<h3>")[0]
