//! Stack traces; the twin of `stack_traces/`.

use crate::general::Declined;
use crate::text_heads::Reader;
use crate::value::Fields;

/// Return type and message of the exception in a joined text; None if it is no trace.
pub fn summary<'t>(
    _reader: &mut Reader<'t>,
    _text: &'t str,
) -> Result<Option<Fields<'t>>, Declined> {
    Err(Declined::Trace)
}
