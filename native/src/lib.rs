//! The native path of ordinary log lines: the chain plan executed over many lines at a time, with the same documents as
//! the Python chain, byte for byte.
//!
//! `Chain.scan` takes lines from the beginning of a chunk for as long as they are ordinary and returns their documents,
//! ready for a bulk request, with what they add up to for the counters. Any other line stops it and goes the Python path.
#![cfg_attr(not(feature = "python"), allow(dead_code))] // only the boundary uses some of it

mod block;
#[cfg(feature = "python")]
mod boundary;
mod line;
mod plan;
mod runtime;
mod scan;
mod secrets;
mod settings;
mod time;
