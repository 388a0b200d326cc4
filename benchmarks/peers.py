"""The measured agents: shipper and other log agents on the PATH, configured for the same work.

The work: follow Docker's json-file logs from their beginning, put the fields of a JSON message at the root, keep the
offset on disk, send to a daily index with `_bulk` over loopback, without TLS and without compression. None of the
others enforces a schema, sets ids, counts, redacts, or commits only acknowledged events. The OpenTelemetry Collector
sends protobuf over HTTP (OTLP), without an index and without an answer for each entry: its own protocol.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

SHIPPER = """
inputs: ["docker:@GLOB@"]
output: http://127.0.0.1:@PORT@
state_dir: @STATE@/state
listen: 127.0.0.1:0
elasticsearch: {require_template: false, compress: false}
tail: {batch_age: @FLUSH@, poll_interval: @POLL@}
"""
FLUENT_BIT = """
service: {flush: @FLUSH@, log_level: warn, parsers_file: @STATE@/parsers.conf@SERVICE@}
pipeline:
  inputs:
    - {name: tail, tag: kube.*, path: "@GLOB@", multiline.parser: docker, db: @STATE@/tail.db, read_from_head: true,
       refresh_interval: 1, buffer_chunk_size: 256k, buffer_max_size: 1M, mem_buf_limit: 128M,
       threaded: @THREADED@@INPUT@}
  filters:
    - {name: parser, match: "*", key_name: log, parser: json, reserve_data: true}
  outputs:
    - {name: es, match: "*", host: 127.0.0.1, port: @PORT@, logstash_format: true, logstash_prefix: keneyapp-logs,
       suppress_type_name: true, buffer_size: 16M, retry_limit: false, workers: 2@OUTPUT@}
"""
FLUENT_BIT_PARSERS = "[PARSER]\n    Name json\n    Format json\n"
FILEBEAT = """
filebeat.inputs:
  - {type: container, paths: ["@GLOB@"], stream: all, json.keys_under_root: true, json.add_error_key: true}
filebeat.registry.path: @STATE@/registry
setup.ilm.enabled: false
setup.template.enabled: false
queue.mem: {events: 16384, flush.min_events: 4096, flush.timeout: @FLUSH@s}
output.elasticsearch:
  {hosts: ["http://127.0.0.1:@PORT@"], index: "keneyapp-logs-%{+yyyy.MM.dd}", bulk_max_size: 4096, worker: 2,
   compression_level: 0, allow_older_versions: true}
"""
OTEL = """
extensions: {file_storage: {directory: "@STATE@"}}
receivers:
  file_log:
    include: ["@GLOB@"]
    start_at: beginning
    storage: file_storage
    poll_interval: 200ms
    max_concurrent_files: 1024
    operators:
      - {type: container, format: docker, add_metadata_from_filepath: false}
      - {type: json_parser, if: 'body startsWith "{"', parse_to: body, on_error: send_quiet}
exporters:
  otlp_http:
    endpoint: http://127.0.0.1:@PORT@
    compression: none
    encoding: proto
    sending_queue: {enabled: true, num_consumers: 2, queue_size: 200000, sizer: items, block_on_overflow: true,
                    batch: {min_size: 2000, max_size: 4000, flush_timeout: "@FLUSH@s", sizer: items}}
service:
  extensions: [file_storage]
  telemetry: {metrics: {level: none}, logs: {level: warn}}
  pipelines: {logs: {receivers: [file_log], exporters: [otlp_http]}}
"""
VECTOR = """
data_dir: @STATE@
sources:
  logs: {type: file, include: ["@GLOB@"], read_from: beginning}
transforms:
  decoded:
    type: remap
    inputs: [logs]
    source: |
      . = object!(parse_json!(string!(.message)))
      inner, error = parse_json(string!(.log))
      if error == null && is_object(inner) { del(.log); . = merge(., object!(inner)) }
sinks:
  store: {type: elasticsearch, inputs: [decoded], endpoints: ["http://127.0.0.1:@PORT@"], api_version: v8, mode: bulk,
          bulk: {index: "keneyapp-logs-%Y.%m.%d", action: create}, healthcheck: {enabled: false},
          batch: {timeout_secs: @FLUSH@}}
"""
RSYSLOG = """
global(workDirectory="@STATE@" maxMessageSize="256k")
main_queue(queue.type="LinkedList" queue.size="100000" queue.dequeueBatchSize="4096" queue.workerThreads="2")
module(load="imfile" mode="inotify")
module(load="omelasticsearch")
template(name="body" type="list") { property(name="$!all-json-plain") }
template(name="index" type="list") {
  constant(value="keneyapp-logs-")
  property(name="$.line!time" position.from="1" position.to="10")
}
input(type="imfile" file="@GLOB@" tag="docker" ruleset="ship" addMetadata="off" freshStartTail="off"
      persistStateInterval="2000")
ruleset(name="ship") {
  set $.envelope = parse_json($msg, "\\$.line");
  set $.payload = parse_json($.line!log, "\\$!");
  if ($.payload != 0) then { set $!message = $.line!log; }
  action(type="omelasticsearch" server="127.0.0.1" serverport="@PORT@" usehttps="off" template="body"
         searchIndex="index" dynSearchIndex="on" searchType="" bulkmode="on" maxbytes="5m" queue.type="Direct"
         action.resumeRetryCount="-1" errorfile="@STATE@/errors")
}
"""
SYSLOG_NG = r"""@version: 3.35
options { stats-freq(0); mark-freq(0); log-msg-size(262144); threaded(yes); };
source logs {
  wildcard-file(base-dir("@ROOT@") filename-pattern("*-json.log") recursive(yes) monitor-method("poll") follow-freq(0.2)
                flags(no-parse) max-files(250) log-fetch-limit(1000) log-iw-size(5000000));
};
parser envelope { json-parser(prefix(".line.")); };
parser payload { json-parser(template("${.line.log}") prefix("payload.")); };
template index {
  template("keneyapp-logs-$(substr ${.line.time} 0 4).$(substr ${.line.time} 5 2).$(substr ${.line.time} 8 2)");
};
template structured { template("{\"create\":{\"_index\":\"$(template index)\"}}
$(format-json --scope none --key payload.* --rekey payload.* --shift 8 --pair @timestamp=${.line.time})"); };
template text { template("{\"create\":{\"_index\":\"$(template index)\"}}
$(format-json --scope none --pair message=${.line.log} --pair @timestamp=${.line.time})"); };
destination store {
  http(persist-name("structured") url("http://127.0.0.1:@PORT@/_bulk") method("POST") body("$(template structured)")
       headers("Content-Type: application/x-ndjson") body-suffix("\n") delimiter("\n")
       workers(2) batch-lines(2000) batch-bytes(4194304) batch-timeout(200) log-fifo-size(200000));
};
destination texts {
  http(persist-name("text") url("http://127.0.0.1:@PORT@/_bulk") method("POST") body("$(template text)")
       headers("Content-Type: application/x-ndjson") body-suffix("\n") delimiter("\n")
       workers(1) batch-lines(2000) batch-bytes(4194304) batch-timeout(200) log-fifo-size(200000));
};
log {
  source(logs); parser(envelope);
  if { parser(payload); destination(store); } else { destination(texts); };
  flags(flow-control);
};
"""


@dataclass(frozen=True)
class Peer:
    """An agent: its program, arguments and files; `@NAME@` is replaced by a value of the run."""

    name: str
    program: str
    arguments: tuple[str, ...]
    files: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)

    def executable(self) -> str | None:
        """Return the path of its program; None if it is not installed."""
        return shutil.which(self.program)


OURS = ("-m", "shipper", "run", "--config", "@STATE@/shipper.yaml")
NATIVE = Peer("shipper", sys.executable, OURS, {"shipper.yaml": SHIPPER})
PYTHON = Peer("shipper, plain Python", sys.executable, OURS, {"shipper.yaml": SHIPPER}, {"SHIPPER_COMPILED": "false"})
_FLUENT = {"fluent-bit.yaml": FLUENT_BIT, "parsers.conf": FLUENT_BIT_PARSERS}
_FLUENT_ARGUMENTS = ("-c", "@STATE@/fluent-bit.yaml")
_MEMORY = {"SERVICE": "", "INPUT": "", "OUTPUT": ""}
_DISK = {
    "SERVICE": ', storage.path: "@STATE@/chunks", storage.sync: full',
    "INPUT": ", storage.type: filesystem",
    "OUTPUT": ", generate_id: true",
}
_SYSLOG_NG_ARGUMENTS = (
    "--foreground", "--no-caps", "--cfgfile=@STATE@/syslog-ng.conf", "--persist-file=@STATE@/persist",
    "--pidfile=@STATE@/pid", "--control=@STATE@/control",
)  # fmt: skip
OTHERS = (
    Peer("Fluent Bit", "fluent-bit", _FLUENT_ARGUMENTS, _FLUENT, values=_MEMORY | {"THREADED": "false"}),
    Peer("Fluent Bit, threaded", "fluent-bit", _FLUENT_ARGUMENTS, _FLUENT, values=_MEMORY | {"THREADED": "true"}),
    Peer("Filebeat", "filebeat", ("-c", "@STATE@/filebeat.yml", "--path.data", "@STATE@"), {"filebeat.yml": FILEBEAT}),
    Peer(
        "rsyslog", "rsyslogd", ("-n", "-f", "@STATE@/rsyslog.conf", "-i", "@STATE@/pid"), {"rsyslog.conf": RSYSLOG}
    ),  # does not join the parts of a long message
    Peer("syslog-ng", "syslog-ng", _SYSLOG_NG_ARGUMENTS, {"syslog-ng.conf": SYSLOG_NG}),  # does not either
    Peer("OpenTelemetry Collector", "otelcol-contrib", ("--config", "@STATE@/otel.yaml"), {"otel.yaml": OTEL}),
    Peer("Vector", "vector", ("--config", "@STATE@/vector.yaml"), {"vector.yaml": VECTOR}),
)
CAREFUL = Peer(
    "Fluent Bit, chunks on disk, ids", "fluent-bit", _FLUENT_ARGUMENTS, _FLUENT, values=_DISK | {"THREADED": "false"}
)
"""Fluent Bit with protection against losses and duplicates: chunks on disk, and ids from an event's content."""


def installed_peers() -> list[Peer]:
    """Shipper with the native and the Python path, and other agents on the PATH."""
    return [NATIVE, PYTHON, *(peer for peer in OTHERS if peer.executable())]


def environment(peer: Peer) -> dict[str, str]:
    """A peer's environment variables; compiled Python modules are kept, as in an installation."""
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": "", **peer.environment}
