"""The rules of deploy/prometheus/rules as one PrometheusRule: `python -m deploy.kubernetes.rules` writes it.

Kustomize cannot insert a file into a field of an object, so the object is generated here and committed.
"""

import sys
from pathlib import Path

import yaml

HERE = Path(__file__).parent
RULES = HERE.parent / "prometheus" / "rules"
TARGET = HERE / "components" / "prometheus-operator" / "prometheus-rule.yaml"
HEAD = "# written by `python -m deploy.kubernetes.rules` from deploy/prometheus/rules; edit those instead\n"


def prometheus_rule(folder: Path) -> str:
    """The PrometheusRule object as YAML, with the groups of all files in order of file name."""
    files = sorted(folder.glob("*.yml"))
    groups = [group for file in files for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]]
    rule = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {
            "name": "shipper",
            "namespace": "shipper",
            "labels": {"app.kubernetes.io/name": "shipper", "app.kubernetes.io/part-of": "keneyapp"},
        },
        "spec": {"groups": groups},
    }
    return HEAD + yaml.safe_dump(rule, sort_keys=False, width=120, allow_unicode=True)


def main() -> int:
    """Write the file; with `--check`, only report if it is out of date."""
    wanted = prometheus_rule(RULES)
    if "--check" not in sys.argv[1:]:
        TARGET.write_text(wanted, encoding="utf-8")
        return 0
    if TARGET.read_text(encoding="utf-8") == wanted:
        return 0
    print(f"{TARGET} is out of date; run `python -m deploy.kubernetes.rules`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
