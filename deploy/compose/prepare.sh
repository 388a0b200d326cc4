#!/bin/sh
# Creates .env with a new password for each service, and the secret files that docker-compose.yml needs.
# Existing values are kept, so it can be run again. From the root of the repository:
#   deploy/compose/prepare.sh
# SLACK_WEBHOOK, PAGERDUTY_ROUTING_KEY and SMTP_PASSWORD are read from the environment if set.
set -eu
umask 077
env_file=${ENV_FILE:-.env}
secrets=${SECRETS:-deploy/compose/secrets}

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

# Existing variables are kept: the volumes were created with them.
variable() {
  grep -q "^$1=" "$env_file" 2>/dev/null || printf '%s=%s\n' "$1" "$2" >>"$env_file"
}

# Only the owner may enter the folder. Its files are readable, since the user in the container is the image's.
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
  echo "alerts are not delivered yet: write the addresses and keys into slack-webhook, pagerduty-routing-key and smtp-password there"
fi
