"""The floor: read the files and decode each line twice, envelope and payload."""

import sys
from pathlib import Path

import orjson


def main(root: str) -> None:
    """Read and decode every log under `root`, and print the number of lines."""
    lines = 0
    for path in sorted(Path(root).glob("*/*-json.log")):
        with path.open("rb") as file:
            for line in file:
                text = orjson.loads(line)["log"]
                if text[:1] == "{" and text[-2:] == "}\n":
                    orjson.loads(text)
                lines += 1
    print(lines)


if __name__ == "__main__":
    main(sys.argv[1])
