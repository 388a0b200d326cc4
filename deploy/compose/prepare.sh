#!/bin/sh
# Makes what docker-compose.yml asks for: .env with a new password for each service, and the files of secrets.
# What is there already is left alone, so it can be run again. From the root of the repository:
#   deploy/compose/prepare.sh
# SLACK_WEBHOOK, PAGERDUTY_ROUTING_KEY and SMTP_PASSWORD are taken from the environment where they are given.
set -eu
umask 077
env_file=${ENV_FILE:-.env}
secrets=${SECRETS:-deploy/compose/secrets}

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

# Given once, a variable stays: the volumes were made with it.
variable() {
  grep -q "^$1=" "$env_file" 2>/dev/null || printf '%s=%s\n' "$1" "$2" >>"$env_file"
}

# The folder is closed to others. A file in it is not, since it is read in a container by a user of the image's choice.
file() {
  [ -s "$secrets/$1" ] || printf '%s' "$2" >"$secrets/$1"
  chmod 644 "$secrets/$1"
}

mkdir -p "$secrets"
for name in POSTGRES_PASSWORD REDIS_PASSWORD GRAFANA_PASSWORD ELASTIC_PASSWORD KIBANA_PASSWORD KIBANA_KEY \
  GRAFANA_ELASTICSEARCH_PASSWORD; do
  variable "$name" "$(random)"
done
variable SHIPPER_HOST "$(uname -n)"

file shipper-elasticsearch-password "$(random)"
file shipper-token "$(random)"
file slack-webhook "${SLACK_WEBHOOK:-https://slack.invalid/not-set}"
file pagerduty-routing-key "${PAGERDUTY_ROUTING_KEY:-not-set}"
file smtp-password "${SMTP_PASSWORD:-not-set}"

echo "$env_file and $secrets/ are ready"
if grep -q not-set "$secrets/slack-webhook" "$secrets/pagerduty-routing-key" "$secrets/smtp-password"; then
  echo "alerts reach nobody yet: write the addresses and keys into slack-webhook, pagerduty-routing-key and smtp-password there"
fi
