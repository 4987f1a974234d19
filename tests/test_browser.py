"""The report in a real browser, where there is one: it renders, whole and legible, alone."""

import json
import re
import shutil
import subprocess
from html import unescape

import pytest

from landscape.report import report, write_html
from landscape.report.figures.style import COLOURS, DARK
from landscape.store.records.models import Line
from landscape.store.run import create_run
from tests.pages import ALL, CONFIG, measured, model, save

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars", "--enable-logging=stderr",
]  # fmt: skip
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome on the path")

# what a reader sees, measured by the browser itself and told to the page around it
LOOK = """<script>
addEventListener('load', () => {
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const linear = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
                            return (x + 0.05) / (y + 0.05); };
  const paper = node => { for (; node; node = node.parentElement) {
    const found = rgb(getComputedStyle(node).backgroundColor);
    if (found.length === 3 || found[3] === 1) return found; } return [255, 255, 255]; };
  document.querySelectorAll('details').forEach(one => one.open = true);
  const texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || node.closest('script, style')) continue;
    const style = getComputedStyle(node);
    const ink = node.closest('svg') ? style.fill : style.color;
    texts.push([ratio(rgb(ink), paper(node)), walker.currentNode.data.trim().slice(0, 40)]);
  }
  const figures = [...document.querySelectorAll('figure svg')];
  const sizes = figures.map(one => one.getBoundingClientRect());
  parent.postMessage(JSON.stringify({
    contrast: Math.min(...texts.map(t => t[0])), palest: texts.sort((a, b) => a[0] - b[0])[0][1],
    texts: texts.length, width: innerWidth, page: document.scrollingElement.scrollWidth,
    figures: figures.length, least: Math.min(...sizes.map(s => Math.min(s.width, s.height))),
    beyond: figures.filter(one => one.getBoundingClientRect().right > innerWidth + 1).length,
    paper: getComputedStyle(document.body).backgroundColor,
    unnamed: figures.filter(one => !one.getAttribute('aria-label')).length
           + document.querySelectorAll('img:not([alt]), img[alt=""]').length,
  }), '*');
});
</script>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    made = create_run(tmp_path_factory.mktemp("runs") / "digits-12345678", CONFIG, {})
    with made.stage("train"):
        made.write_models([model(m, []) for m in range(4)])
        made.append_history([Line(model=0, step=s, value=1 / (s + 1)) for s in range(9)])
    save(made, ALL)
    measured(made, ALL)
    write_html([made], report([made]), made.report_file)
    return made.report_file


def browse(tmp_path, *arguments):
    done = subprocess.run(
        [str(BROWSER), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", *arguments],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def looked(page, tmp_path, width, dark):
    """What LOOK says of the page in a frame of a width, the console's lines beside it."""
    text = page.read_text()
    assert "script-src" not in text
    copy, outer = tmp_path / "copy.html", tmp_path / "outer.html"
    allowed = text.replace("default-src 'none';", "default-src 'none'; script-src 'unsafe-inline';")
    copy.write_text(allowed.replace("</body>", LOOK + "</body>"))
    outer.write_text(
        "<script>addEventListener('message', m => document.title = m.data)</script>"
        f'<iframe src="copy.html" style="width:{width}px;height:900px;border:0"></iframe>'
    )
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    dumped, console = browse(
        tmp_path, scheme, "--window-size=1400,1000", "--virtual-time-budget=10000", "--dump-dom",
        outer.as_uri(),
    )  # fmt: skip
    found = re.search(r"<title>(.*?)</title>", dumped, re.DOTALL)
    assert found, dumped
    return json.loads(unescape(found[1])), console


@needs_browser
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_in_a_browser(page, tmp_path, width, dark):
    found, console = looked(page, tmp_path, width, dark)
    assert console == []
    assert found["width"] == width and found["page"] <= width and found["beyond"] == 0
    assert found["figures"] > 14 and found["least"] > 100 and found["unnamed"] == 0
    assert found["contrast"] >= 4.5, found["palest"]  # WCAG 2.2, 1.4.3
    assert (found["paper"] != "rgb(255, 255, 255)") == dark


@needs_browser
def test_the_page_on_paper(page, tmp_path):
    made = tmp_path / "page.pdf"
    _, console = browse(tmp_path, f"--print-to-pdf={made}", page.as_uri())
    assert console == [] and made.read_bytes().startswith(b"%PDF") and made.stat().st_size > 20_000


@needs_browser
def test_nothing_can_be_fetched(page, tmp_path):
    """The page's own policy stops what a name in a run might smuggle in."""
    smuggled = tmp_path / "smuggled.html"
    picture = '<img alt="x" src="https://example.org/x.png">'
    smuggled.write_text(page.read_text().replace("</body>", picture + "</body>"))
    _, console = browse(tmp_path, "--dump-dom", smuggled.as_uri())
    assert any("Content Security Policy" in line for line in console)


def luminance(colour):
    def linear(part):
        c = int(part, 16) / 255
        return c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4

    r, g, b = (linear(colour[i : i + 2]) for i in (1, 3, 5))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(a, b):
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def test_lines_are_seen_on_white_and_in_the_dark():
    """WCAG 2.2, 1.4.11."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    for colour in COLOURS:
        assert contrast(colour, "#ffffff") >= 3
        assert contrast(DARK[colour], "#16181b") >= 3
