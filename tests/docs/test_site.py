"""The site: every page has its place, it is built without a warning, and it leads nowhere in vain."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md") if "_build" not in path.parts}


def placed(tree: Any) -> Iterator[str]:
    """The pages that a part of the navigation names."""
    if isinstance(tree, list):
        for part in tree:
            yield from placed(part)
    elif isinstance(tree, dict):
        for key, value in tree.items():
            if key in ("root", "file"):
                yield value
            elif key == "glob":
                yield from (path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.glob(f"{value}.md"))
            else:
                yield from placed(value)


def test_every_page_has_its_place_in_the_navigation() -> None:
    """A page that is missing is named: give it a line, such as `- file: NAME`, in docs/toc.yml."""
    times_by_page = Counter(placed(yaml.safe_load((DOCS / "toc.yml").read_text(encoding="utf-8"))))
    assert PAGES - times_by_page.keys() == set(), "give these a line in docs/toc.yml"
    assert times_by_page.keys() - PAGES == set(), "docs/toc.yml names pages that are not there"
    twice = {name for name, times in times_by_page.items() if times > 1}
    assert twice <= {"runbooks/README"}, "these stand in two places"  # which is both a heading and among its folder


class Page(HTMLParser):
    """Links and anchors of a page of the site."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loads: set[str] = set()
        self.anchors: set[str] = {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name == "id" and value:
                self.anchors.add(value)
            if value and (name, tag) in (("href", "a"), ("href", "link"), ("src", "script"), ("src", "img")):
                (self.links if tag == "a" else self.loads).add(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Page]:
    """Every page of the site, built as `make site` does."""
    folder = tmp_path_factory.mktemp("site")
    recipe = re.search(r"^site: .*\n\t\$\(RUN\) (.*) docs site$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    done = subprocess.run(
        [sys.executable, "-m", *recipe[1].split(), "docs", str(folder), "--doctree-dir", str(folder / ".doctrees")],
        cwd=ROOT, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return {path: Page(path.read_text(encoding="utf-8")) for path in folder.rglob("*.html")}


@pytest.mark.integration
def test_every_internal_link_and_anchor_is_there(site: dict[Path, Page]) -> None:
    """In the pages as they were built: files, and places in them."""
    assert len(site) >= len(PAGES)
    broken = []
    for path, page in site.items():
        for link in page.links | page.loads:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists() or (target in site and unquote(parts.fragment) not in site[target].anchors):
                broken.append(f"{path.name}: {link}")
    assert broken == []


@pytest.mark.integration
def test_the_site_loads_nothing_from_elsewhere(site: dict[Path, Page]) -> None:
    """No script, style, font or picture of another server: it works without a network."""
    for path, page in site.items():
        assert [load for load in page.loads if urlsplit(load).netloc] == [], path.name
    styles = list(min(site, key=lambda path: len(path.parts)).parent.rglob("*.css"))
    assert styles
    for style in styles:
        assert not re.search(r"@import|url\(\s*['\"]?(?:https?:)?//", style.read_text(encoding="utf-8")), style.name
