//! The native path of ordinary log lines: the chain plan executed over many lines at a time, with the same documents as
//! the Python chain, byte for byte.
//!
//! `Chain.scan` processes ordinary lines from the beginning of a chunk and returns their documents, pre-encoded for a
//! bulk request, with their counter groups. It stops at the first other line, which takes the Python path.
#![cfg_attr(not(feature = "python"), allow(dead_code))] // some functions are used by `boundary` only

mod access_log;
mod block;
#[cfg(feature = "python")]
mod boundary;
mod enforce;
mod field_values;
mod general;
mod joins;
mod lenient_json;
mod line;
mod nested;
mod normalise;
#[cfg(feature = "python")]
mod parts;
mod pattern;
mod payload;
mod payload_split;
mod plan;
mod pool;
mod pseudonym;
mod python_text;
mod redact;
mod redact_names;
mod redact_numbers;
mod redact_values;
mod render;
mod runtime;
mod scan;
mod secrets;
mod settings;
mod stack_traces;
mod text_cleanup;
mod text_fields;
mod text_heads;
mod texts;
mod time_formats;
mod time_zones;
mod times;
mod trace_objects;
mod trigrams;
mod value;
mod violation;
