#!/usr/bin/env bash
# Prometheus and Alertmanager for machines that have none, of Debian's packages. Prints the paths of prometheus,
# promtool, alertmanager and amtool, one a line. The services that the packages bring do not start, or are stopped:
# their ports may be somebody's.
set -euo pipefail

alertmanager() { command -v prometheus-alertmanager || command -v alertmanager; }

packages=()
{ command -v prometheus && command -v promtool; } >/dev/null || packages+=(prometheus)
{ alertmanager && command -v amtool; } >/dev/null || packages+=(prometheus-alertmanager)
if [ ${#packages[@]} -gt 0 ]; then
  [ "$(id -u)" = 0 ] || { echo "installing ${packages[*]} needs root" >&2; exit 1; }
  apt-get update -qq >/dev/null
  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
  for name in "${packages[@]}"; do
    service "$name" stop >/dev/null 2>&1 || systemctl stop "$name" >/dev/null 2>&1 || true
  done
fi
command -v prometheus promtool
alertmanager
command -v amtool
