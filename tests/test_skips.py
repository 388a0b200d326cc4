"""A skip is a failure in CI."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = {
    "test_of_itself.py": "import pytest\n\ndef test_it(): pytest.skip('no disk')\n",
    "test_of_a_mark.py": "import pytest\n\n@pytest.mark.skipif(True, reason='no disk')\ndef test_it(): pass\n",
    "test_of_a_module.py": "import pytest\npytest.skip('no disk', allow_module_level=True)\n",
    "test_of_an_import.py": "import pytest\npytest.importorskip('no_disk')\n",
    "test_of_a_fixture.py": "import pytest\n\n@pytest.fixture\ndef a(): pytest.skip('no disk')\n\ndef test_it(a): pass\n",
}


@pytest.mark.parametrize("name", TESTS)
@pytest.mark.parametrize(("ci", "code"), [("true", 1), ("false", 0), ("", 0)])
def test_a_skip_fails_in_ci_alone(tmp_path: Path, name: str, ci: str, code: int) -> None:
    """However a test is skipped, and with the reason."""
    (tmp_path / name).write_text(TESTS[name])
    (tmp_path / "test_other.py").write_text(
        "import pytest\n\n@pytest.mark.xfail(strict=True)\ndef test_x(): raise ValueError\n\ndef test_y(): pass\n"
    )
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests.skips", "-p", "no:cacheprovider", "-p", "no:randomly", str(tmp_path)],
        capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "CI": ci, "PYTHONPATH": str(root)}, check=False,
    )  # fmt: skip
    assert (done.returncode in (1, 2)) == bool(code), done.stdout
    if code:
        assert "not run in CI: " in done.stdout
        assert "disk" in done.stdout
