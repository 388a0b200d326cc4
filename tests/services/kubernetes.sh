#!/usr/bin/env bash
# A real API server for the tests: kube-apiserver and etcd, compiled from the Go module proxy, kept for the next time.
# Compiling takes ten minutes or more on two cores; prints the folder of both programs.
#   kubernetes.sh         the programs, compiled if they are missing
#   kubernetes.sh cached  the programs if they are there; fails otherwise
set -euo pipefail
VERSION=34.4
cache=${XDG_CACHE_HOME:-$HOME/.cache}/shipper-tests
folder=$cache/kubernetes-1.$VERSION
if [ ! -x "$folder/kube-apiserver" ]; then
  [ "${1:-}" != cached ] || { echo "no API server; compile one with tests/services/kubernetes.sh" >&2; exit 1; }
  command -v go >/dev/null || { echo "compiling kube-apiserver needs Go" >&2; exit 1; }
  mkdir -p "$cache"
  made=$(mktemp -d "$cache/kubernetes.XXXXXX")
  (
    mkdir "$made/source" && cd "$made/source"
    export GOFLAGS="-mod=mod -buildvcs=false" CGO_ENABLED=0
    printf 'module server\n\ngo 1.24.0\n' > go.mod
    own=$(go mod download -json "k8s.io/kubernetes@v1.$VERSION" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
    # Its own go.mod is for a work space: the same requirements, and the published version of each part of it.
    {
      echo "require k8s.io/kubernetes v1.$VERSION"
      sed -n 's/^\t\(go.etcd.io\/etcd\/\)client\/v3 \(v[^ ]*\).*/require \1server\/v3 \2/p' "$own/go.mod" | head -n 1
      sed -n '/^require (/,/^)/s/^\t\([^ ]* v[^ ]*\).*/require \1/p' "$own/go.mod" | grep -v ' v0\.0\.0$'
      sed -n '/^require (/,/^)/s/^\t\(k8s.io\/[^ ]*\) v0\.0\.0.*/\1/p' "$own/go.mod" |
        while read -r part; do echo "replace $part => $part v0.$VERSION"; done
    } >> go.mod
    go build -ldflags='-s -w' -o "$made/kube-apiserver" k8s.io/kubernetes/cmd/kube-apiserver
    go build -ldflags='-s -w' -o "$made/etcd" go.etcd.io/etcd/server/v3
  ) >&2
  rm -rf "$made/source"
  mv -T "$made" "$folder" 2>/dev/null || rm -rf "$made"  # another run may have been quicker
fi
echo "$folder"
