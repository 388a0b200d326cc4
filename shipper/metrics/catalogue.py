"""Every metric that the shipper keeps of itself, declared once."""

from shipper_schemas.metrics import Metric

LINES_READ = Metric("shipper_lines_read_total", "counter", "Physical lines read from followed files.")
BYTES_READ = Metric("shipper_bytes_read_total", "counter", "Bytes read from followed files, decompressed.")
EVENTS = Metric("shipper_events_total", "counter", "Events by what became of them.", ("outcome",))
LINES = Metric("shipper_lines_total", "counter", "Physical lines by what was decided of their event.", ("outcome",))
ROTATIONS = Metric("shipper_rotations_total", "counter", "Rotations seen.")
TRUNCATIONS = Metric("shipper_truncations_total", "counter", "Files truncated in place.")
LOST = Metric("shipper_files_lost_total", "counter", "Files gone before they were read to their end.")
DAMAGED = Metric("shipper_files_damaged_total", "counter", "Compressed files that end in the middle.")
WRITES = Metric("shipper_output_requests_total", "counter", "Batches given to the output by result.", ("result",))
RETRIES = Metric("shipper_output_retries_total", "counter", "Documents sent again because the output asked for it.")
THROTTLED = Metric("shipper_output_throttled_total", "counter", "Answers that asked for less (429).")
REFUSED = Metric("shipper_output_refused_total", "counter", "Documents that their index would not have.")
WRITE_SECONDS = Metric(
    "shipper_output_request_duration_seconds", "histogram", "How long the output took for a batch.", (),
    (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)  # fmt: skip


MESSAGES = Metric("shipper_messages_read_total", "counter", "Kafka messages read.")
REBALANCES = Metric("shipper_rebalances_total", "counter", "Times that partitions were assigned to this indexer.")
COMMITTED = Metric("shipper_offset_commits_total", "counter", "Commits of offsets by result.", ("result",))


RELOADS = Metric("shipper_config_reloads_total", "counter", "Reloads of the configuration by result.", ("result",))
SUCCESS, FAILURE = "success", "failure"


VIOLATIONS = Metric("shipper_violations_total", "counter", "Schema violations by reason.", ("reason",))
OVERFLOWS = Metric(
    "shipper_label_overflows_total", "counter", "Label values counted as `other`, past their bound.", ("metric",)
)
