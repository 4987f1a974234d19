"""The pieces that the page is made of. All text is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files

from landscape.report.figures.style import DARK, Figure

Part = tuple[str, list[Figure], str]  # a title, its figures, and the rest as HTML

WORDS = (
    "search", "set", "status", "no path found", "reason", "claim", "verdict", "measure", "shape",
    "metric", "shortening", "run", "over", "best from", "aligned by",
)  # fmt: skip  # of columns; the rest are numbers
# nothing may be fetched, run or sent, whatever a name in a run contains
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'"
)

REFRESH_SECONDS = 60


def document(title: str, body: Iterable[str], refreshes: bool = False) -> str:
    """The whole file: no scripts, and nothing that is not in it.

    refreshes: whether a browser that shows it reads the file again every REFRESH_SECONDS.
    """
    style = files("landscape.report.page").joinpath("page.css").read_text()
    dark = "".join(
        f'[style*="{what}: {light}"]{{{what}:{colour} !important}}'
        for light, colour in DARK.items()
        for what in ("stroke", "fill")
    )
    style += f"@media screen and (prefers-color-scheme: dark) {{{dark}}}"
    content = "\n".join(filter(None, body))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}'
        '</title><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        + f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">'
        * refreshes
        + '<meta name="color-scheme" content="light dark">'
        f"<style>{style}</style></head>\n"
        f"<body><main>\n{content}\n</main></body></html>\n"
    )


def section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>" if content else ""


def part(title: str, content: str) -> str:
    return f"<h3>{escape(title)}</h3>{content}" if content else ""


def parts(several: Iterable[Part]) -> str:
    return "".join(part(title, grid(drawn) + rest) for title, drawn, rest in several)


def paragraph(text: str, kind: str = "foot") -> str:
    return f'<p class="{kind}">{escape(text)}</p>' if text else ""


def bullets(items: Sequence[str], kind: str) -> str:
    points = "".join(f"<li>{escape(item)}</li>" for item in items)
    return f'<ul class="{kind}">{points}</ul>' if items else ""


def findings(sentences: Sequence[str]) -> str:
    """A list of texts of which the first sentence is the finding."""
    said = [sentence.partition(". ") for sentence in sentences]
    points = "".join(f"<li><b>{escape(a)}.</b> {escape(rest)}</li>" for a, _, rest in said)
    return f"<ul class=findings>{points}</ul>"


def definitions(meanings: Mapping[str, str]) -> str:
    terms = (f"<dt>{escape(term)}</dt><dd>{escape(said)}</dd>" for term, said in meanings.items())
    return f"<dl>{''.join(terms)}</dl>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    kinds = ["" if name in WORDS else " class=n" for name in head]

    def cells(tag: str, values: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{kind}>{escape(value)}</{tag}>"
            for kind, value in zip(kinds, values, strict=True)
        )

    lines = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return (
        f"<div class=wide tabindex=0><table><thead><tr>{cells('th', head)}</tr></thead>"
        f"<tbody>{lines}</tbody></table></div>"
    )


def figure(svg: str, caption: str) -> str:
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"


def grid(figures: Iterable[Figure], kind: str = "two") -> str:
    shown = "".join(figure(one.svg, one.caption) for one in figures)
    return f'<div class="{kind}">{shown}</div>' if shown else ""


def details(title: str, content: str, on_paper: bool = False) -> str:
    kind = " class=paper" if on_paper else ""
    return f"<details{kind}><summary>{escape(title)}</summary>{content}</details>"


def preformatted(text: str) -> str:
    return f"<pre tabindex=0>{escape(text)}</pre>"
