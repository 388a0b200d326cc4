#!/bin/sh
# Makes what docker-compose.yml asks for: .env with a new password for each service, and the files of secrets.
# What is there already is left alone, so it can be run again. From the root of the repository:
#   deploy/compose/prepare.sh
# SLACK_URL, PAGERDUTY_KEY and SMTP_PASSWORD are taken from the environment where they are given.
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

file shipper_elasticsearch_password "$(random)"
file shipper_token "$(random)"
file slack_url "${SLACK_URL:-https://slack.invalid/not-set}"
file pagerduty_key "${PAGERDUTY_KEY:-not-set}"
file smtp_password "${SMTP_PASSWORD:-not-set}"

echo "$env_file and $secrets/ are ready"
if grep -q not-set "$secrets/slack_url" "$secrets/pagerduty_key" "$secrets/smtp_password"; then
  echo "alerts reach nobody yet: write the addresses and keys into slack_url, pagerduty_key and smtp_password there"
fi
