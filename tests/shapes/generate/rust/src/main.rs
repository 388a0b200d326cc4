//! Events of Rust's loggers, each printed as one line of JSON with its truth.

use std::io::Write;
use std::process::Command;
use std::sync::{Arc, Mutex};

use log::Log;
use serde_json::{json, Value};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

const ID: &str = "0b9c2f64-7c1e-4d53-a1f0-4f2c8b7d6e55";
const MS: i64 = 1_775_541_904_321;
const LEVELS: [&str; 5] = ["trace", "debug", "info", "warning", "error"];

/// A fixed instant, as `tracing` writes times.
struct Fixed;

impl FormatTime for Fixed {
    fn format_time(&self, writer: &mut Writer<'_>) -> std::fmt::Result {
        writer.write_str("2026-04-07T06:05:04.321000Z")
    }
}

/// Keeps what is written.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

impl Write for Sink {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn emit(shape: &str, kind: &str, text: &str, expect: Value) {
    let lines: Vec<&str> = text.trim_end_matches('\n').split('\n').collect();
    // the generator recognises an event by its first key
    let rest = json!({"kind": kind, "lines": lines, "expect": expect}).to_string();
    println!("{{\"shape\":{},{}", json!(shape), &rest[1..]);
}

/// Log one event of each level; `log` is called with its place in `LEVELS`.
fn each_level(shape: &str, kind: &str, sink: &Sink, always: &Value, log: impl Fn(usize)) {
    for (at, level) in LEVELS.iter().enumerate() {
        log(at);
        let mut expect = always.clone();
        expect["level"] = (*level).into();
        expect["message"] = format!("{level} about a berth").into();
        emit(shape, kind, &sink.take(), expect);
    }
}

fn traced(at: usize) {
    match at {
        0 => tracing::trace!(request_id = ID, berth = 7, "trace about a berth"),
        1 => tracing::debug!(request_id = ID, berth = 7, "debug about a berth"),
        2 => tracing::info!(request_id = ID, berth = 7, "info about a berth"),
        3 => tracing::warn!(request_id = ID, berth = 7, "warning about a berth"),
        _ => tracing::error!(request_id = ID, berth = 7, "error about a berth"),
    }
}

fn tracings() {
    let sink = Sink::default();
    let base = || tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_timer(Fixed).with_writer(sink.clone());
    let text = json!({ "correlation_id": ID });
    let structured = json!({"time_ms": MS, "logger": "shapes"});
    let flat = json!({"time_ms": MS, "logger": "shapes", "correlation_id": ID});
    tracing::subscriber::with_default(base().with_ansi(false).finish(), || each_level("tracing fmt", "text", &sink, &text, traced));
    tracing::subscriber::with_default(base().with_ansi(true).finish(), || each_level("tracing fmt, colours", "text", &sink, &text, traced));
    tracing::subscriber::with_default(base().with_ansi(false).compact().finish(), || {
        each_level("tracing compact", "text", &sink, &text, traced);
    });
    tracing::subscriber::with_default(base().json().finish(), || each_level("tracing JSON", "app", &sink, &structured, traced));
    tracing::subscriber::with_default(base().json().flatten_event(true).finish(), || {
        each_level("tracing JSON, flat", "app", &sink, &flat, traced);
    });
    let logfmt = tracing_subscriber::registry().with(tracing_logfmt::builder().with_timestamp(false).layer().with_writer(sink.clone()));
    tracing::subscriber::with_default(logfmt, || each_level("tracing logfmt", "logfmt", &sink, &text, traced));
    let bunyan = tracing_subscriber::registry()
        .with(tracing_bunyan_formatter::JsonStorageLayer)
        .with(tracing_bunyan_formatter::BunyanFormattingLayer::new("shapes".into(), sink.clone()));
    tracing::subscriber::with_default(bunyan, || each_level("tracing bunyan", "app", &sink, &text, traced));
}

fn env_loggers() {
    for (shape, style) in [("env_logger", env_logger::WriteStyle::Never), ("env_logger, colours", env_logger::WriteStyle::Always)] {
        let sink = Sink::default();
        let logger = env_logger::Builder::new()
            .filter_level(log::LevelFilter::Trace)
            .write_style(style)
            .target(env_logger::Target::Pipe(Box::new(sink.clone())))
            .build();
        each_level(shape, "text", &sink, &json!({}), |at| {
            let levels = [log::Level::Trace, log::Level::Debug, log::Level::Info, log::Level::Warn, log::Level::Error];
            let message = format!("{} about a berth", LEVELS[at]);
            logger.log(&log::Record::builder().level(levels[at]).target("shapes::berths").args(format_args!("{message}")).build());
        });
    }
}

/// End this process as `kind` says; the generator starts itself for it.
fn crash(kind: &str) {
    match kind {
        "panic" => panic!("berth B7 is taken"),
        "unwrap" => {
            let berth: Option<i32> = None;
            berth.unwrap();
        }
        _ => std::thread::Builder::new().name("tug-1".into()).spawn(|| panic!("no tug")).unwrap().join().unwrap_or(()),
    }
}

fn crashes() {
    for (kind, backtrace) in [("panic", "0"), ("panic", "1"), ("unwrap", "1"), ("thread", "1")] {
        let program = std::env::current_exe().unwrap();
        let done = Command::new(program).arg(kind).env("RUST_BACKTRACE", backtrace).output().unwrap();
        let text = String::from_utf8(done.stderr).unwrap();
        emit(&format!("Rust crash: {kind}, backtrace {backtrace}"), "stack", text.trim_start_matches('\n'), json!({"level": "error", "stack": true}));
    }
    let error = anyhow::anyhow!("no tug").context("cannot moor");
    emit("anyhow report", "stack", &format!("Error: {error:?}"), json!({"level": "error", "stack": true}));
}

fn main() {
    if let Some(kind) = std::env::args().nth(1) {
        crash(&kind);
        return;
    }
    tracings();
    env_loggers();
    crashes();
}
