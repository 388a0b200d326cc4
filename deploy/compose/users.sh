#!/usr/bin/env bash
# Creates the Elasticsearch users of all clients, each with minimal rights. Can be run again.
set -euo pipefail
url=${ELASTICSEARCH:-http://elasticsearch:9200}
shipper_password=$(cat "${SECRETS:-/run/secrets}/shipper-elasticsearch-password")
body=$(mktemp)
trap 'rm -f "$body"' EXIT

# The administrator's password is passed through a pipe and the body in a file: neither is visible in the process list.
send() {
  cat >"$body"
  printf 'user = "elastic:%s"\n' "$ELASTIC_PASSWORD" | curl --silent --show-error --fail-with-body --retry 12 \
    --retry-delay "${RETRY_DELAY:-5}" --retry-all-errors --config - --request "$1" --header 'Content-Type: application/json' \
    --data "@$body" "$url$2"
  echo
}

send POST /_security/user/kibana_system/_password <<END
{"password": "$KIBANA_PASSWORD"}
END
send PUT /_security/role/shipper <<'END'
{"cluster": ["monitor"],
 "indices": [{"names": ["keneyapp-logs*", "keneyapp-quarantine*"],
              "privileges": ["create_doc", "auto_configure", "view_index_metadata"]}]}
END
send PUT /_security/user/shipper <<END
{"password": "$shipper_password", "roles": ["shipper"], "full_name": "log agent"}
END
send PUT /_security/role/log_reader <<'END'
{"cluster": ["monitor"],
 "indices": [{"names": ["keneyapp-logs*", "keneyapp-quarantine*"], "privileges": ["read", "view_index_metadata"]}]}
END
send PUT /_security/user/grafana <<END
{"password": "$GRAFANA_ELASTICSEARCH_PASSWORD", "roles": ["log_reader"], "full_name": "dashboards"}
END
echo "users are ready"
