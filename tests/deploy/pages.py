"""Examples and tables of a page of the documentation."""

import re
from collections.abc import Iterator
from pathlib import Path

FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def examples(page: Path, *languages: str) -> Iterator[str]:
    """The fenced examples in one of the languages, without their indent."""
    for indent, language, text in FENCE.findall(page.read_text(encoding="utf-8")):
        if language in languages:
            yield re.sub(rf"^{indent}", "", text, flags=re.MULTILINE)


def cells(page: Path, heading: str) -> list[list[str]]:
    """The rows of the first table under a heading, without its head."""
    return table(page.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0])


def table(text: str) -> list[list[str]]:
    """The rows of the first table of a text, without its head."""
    rows = text.partition("\n| --- |")[2].partition("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row.strip("|"))] for row in rows]
