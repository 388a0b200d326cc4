#!/usr/bin/env bash
# A private Docker engine, for machines without one.
#   docker.sh start FOLDER [OPTION…]
#                              engine with its data and socket under FOLDER; prints the socket's address
#   docker.sh stop FOLDER      stops it, and removes the folder
# It creates no bridge and no firewall rules: containers have no network, or the host's.
set -euo pipefail

answers() { curl -fsS --max-time 2 --unix-socket "$1/docker.sock" http://engine/_ping >/dev/null 2>&1; }

start() {
  local folder=$1
  shift
  mkdir -p "$folder"
  if ! answers "$folder"; then
    rm -f "$folder/docker.pid"
    setsid dockerd --host "unix://$folder/docker.sock" --data-root "$folder/data" --exec-root "$folder/exec" \
      --pidfile "$folder/docker.pid" --iptables=false --bridge=none "$@" >"$folder/dockerd.log" 2>&1 </dev/null &
    echo $! >"$folder/started.pid"  # its own pid file appears late, so an interrupted start would not find it
    for _ in $(seq 300); do
      answers "$folder" && break
      sleep 0.2
    done
    answers "$folder" || { tail -20 "$folder/dockerd.log" >&2; exit 1; }
  fi
  echo "unix://$folder/docker.sock"
}

stop() {
  local folder=$1
  if [ -s "$folder/started.pid" ]; then
    local pid
    pid=$(cat "$folder/started.pid")
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 600); do grep -qs "^State:.[^ZX]" "/proc/$pid/status" || break; sleep 0.1; done
  fi
  awk -v under="$folder/" 'index($2, under) == 1 {print $2}' /proc/mounts | sort -r | xargs -r -n1 umount -l
  rm -rf --one-file-system "$folder"  # do not delete through remaining mounts
}

case ${1:-} in
  start) start "$(realpath -m "$2")" "${@:3}" ;;
  stop) stop "$(realpath -m "$2")" ;;
  *) sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
