"""Generates the dashboards and their documentation page from code.

python -m deploy.grafana           write deploy/grafana/dashboards/*.json and docs/dashboards.md
python -m deploy.grafana --check   fail if a file is out of date
"""

import json
import sys
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana import business_dashboard, main_dashboard, shipper_dashboard
from deploy.grafana.page import page

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "grafana" / "dashboards"
PAGE = ROOT / "docs" / "dashboards.md"
BOARDS = (main_dashboard, business_dashboard, shipper_dashboard)


def main() -> int:
    """Write or check every file; 1 if one is out of date."""
    written = files()
    if "--check" not in sys.argv[1:]:
        for path, text in written.items():
            path.write_text(text, encoding="utf-8")
        return 0
    stale = [path for path, text in written.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        print(f"{path.relative_to(ROOT)} is out of date: run python -m deploy.grafana", file=sys.stderr)
    return 1 if stale else 0


def files() -> dict[Path, str]:
    """All files with their contents."""
    boards = {module.FILE: rendered(module.board().build()) for module in BOARDS}
    texts = {FOLDER / name: json.dumps(board, indent=2, sort_keys=True) + "\n" for name, board in boards.items()}
    return {**texts, PAGE: page(boards)}


def rendered(board: object) -> dict[str, Any]:
    """A dashboard as JSON for Grafana."""
    model: dict[str, Any] = json.loads(json.dumps(board, cls=JSONEncoder))
    return model


if __name__ == "__main__":
    sys.exit(main())
