//! `shipper_native.parts`: the steps of the chain one by one, for tests that compare each with its Python twin.
//!
//! Values pass the boundary as JSON. `None` stands for a declined value.

use pyo3::prelude::*;
use pyo3::types::PyModule;

use crate::value;

/// Return the submodule with all parts.
pub fn module(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
    let parts = PyModule::new(py, "parts")?;
    parts.add_function(wrap_pyfunction!(json_written, &parts)?)?;
    Ok(parts)
}

// --- value.rs -------------------------------------------------------------------------------------

/// Return a JSON text as it is written back; None if it is invalid, or nested too deeply.
#[pyfunction]
fn json_written(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    value::write(&value::read(text).ok()?, &mut bytes);
    Some(bytes)
}
