#!/usr/bin/env bash
# What the tests of deploy/kubernetes need, from the Go module proxy, kept for the next time.
#   kustomize.sh path    kustomize; prints its path
#   kustomize.sh crds    the Prometheus operator's resource definitions; prints their folder
set -euo pipefail
KUSTOMIZE=5.7.1  # the last that Go 1.24 builds
OPERATOR=0.85.0
cache=${XDG_CACHE_HOME:-$HOME/.cache}/shipper-tests
mkdir -p "$cache"

need_go() { command -v go >/dev/null || { echo "installing kustomize needs Go" >&2; exit 1; }; }

# Into a folder of its own first: another run may be at the same, and nobody is to see half of it.
place() { mv -T "$1" "$2" 2>/dev/null || rm -rf "$1"; }

kustomize_path() {
  command -v kustomize && return
  local folder=$cache/kustomize-$KUSTOMIZE
  if [ ! -x "$folder/kustomize" ]; then
    need_go
    local made
    made=$(mktemp -d "$cache/kustomize.XXXXXX")
    # Not optimised: it renders in a blink either way, and is built in two thirds of the time.
    GOBIN=$made CGO_ENABLED=0 go install -ldflags='-s -w' -gcflags=all='-N -l' \
      "sigs.k8s.io/kustomize/kustomize/v5@v$KUSTOMIZE" >&2
    place "$made" "$folder"
  fi
  echo "$folder/kustomize"
}

crds() {
  local folder=$cache/prometheus-operator-$OPERATOR
  if [ ! -d "$folder" ]; then
    need_go
    local made source
    made=$(mktemp -d "$cache/operator.XXXXXX")
    source=$(cd "$made" && go mod download -json "github.com/prometheus-operator/prometheus-operator@v$OPERATOR" |
      sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
    cp "$source"/example/prometheus-operator-crd/*_{servicemonitors,prometheusrules}.yaml "$made/"
    chmod -R u+w "$made"
    place "$made" "$folder"
  fi
  echo "$folder"
}

case ${1:-} in
  path) kustomize_path ;;
  crds) crds ;;
  *) sed -n '3,4s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
