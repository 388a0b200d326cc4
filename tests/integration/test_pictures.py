"""The pictures of the page: they can be regenerated, and the handbook shows the existing ones."""

import struct
from pathlib import Path

import pytest

from deploy.services.unavailable import Unavailable
from docs import pictures
from tests.integration.conftest import missing

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def size(picture: Path) -> tuple[int, int]:
    """Return width and height of a PNG, in pixels."""
    content = picture.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def test_the_pictures_are_taken_of_a_running_agent(tmp_path: Path) -> None:
    """All of them, in their sizes, and each in its place in the handbook."""
    try:
        pictures.main(1, tmp_path)
    except Unavailable as error:
        missing(str(error), "apt-get install chromium")
    wanted = {picture.name: (picture.width, picture.height) for picture in pictures.PICTURES}
    shown = (pictures.FOLDER.parent / "page.md").read_text(encoding="utf-8")
    assert {path.name: size(path) for path in tmp_path.iterdir()} == wanted
    assert {path.name: size(path) for path in pictures.FOLDER.glob("page-*.png")} == wanted
    assert all(f"(_static/{name})" in shown for name in wanted)
