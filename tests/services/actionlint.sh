#!/usr/bin/env bash
# The linter of GitHub's workflows, from the Go module proxy, kept for the next time; prints its path.
set -euo pipefail
ACTIONLINT=1.7.12
command -v actionlint && exit
folder=${XDG_CACHE_HOME:-$HOME/.cache}/shipper-tests/actionlint-$ACTIONLINT
if [ ! -x "$folder/actionlint" ]; then
  command -v go >/dev/null || { echo "installing actionlint needs Go" >&2; exit 1; }
  mkdir -p "$(dirname "$folder")"
  made=$(mktemp -d "$folder.XXXXXX")  # a folder of its own first: nobody is to see half of it
  GOBIN=$made CGO_ENABLED=0 go install -ldflags='-s -w' "github.com/rhysd/actionlint/cmd/actionlint@v$ACTIONLINT" >&2
  mv -T "$made" "$folder" 2>/dev/null || rm -rf "$made"
fi
echo "$folder/actionlint"
