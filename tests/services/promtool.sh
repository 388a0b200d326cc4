#!/usr/bin/env bash
# promtool of Debian's prometheus package, for machines that have none: prints its path.
set -euo pipefail
if ! command -v promtool >/dev/null; then
  [ "$(id -u)" = 0 ] || { echo "installing prometheus needs root" >&2; exit 1; }
  apt-get update -qq >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends prometheus >/dev/null
  { command -v systemctl >/dev/null && systemctl stop prometheus; } >/dev/null 2>&1 || true
fi
command -v promtool
