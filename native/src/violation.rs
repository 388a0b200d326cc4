//! Violations of an entry; the twin of `shipper_schemas.violation`.

/// Kinds of violation, in the order of their names in Python.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    CorrelationIdMissing,
    CorrelationIdInvalid,
    CorrelationIdUnusable,
    EventInvalid,
    LevelInvalid,
    DurationInvalid,
    StatusCodeInvalid,
    FieldInvalid,
    TimestampInvalid,
    TimestampSkewed,
    TimestampZone,
    JsonInvalid,
    EnvelopeInvalid,
    LineCut,
    Unstructured,
    Blank,
    InternalError,
    RefusedByIndex,
}

impl Kind {
    pub const ALL: [(&str, Kind); 18] = [
        ("correlation_id_missing", Kind::CorrelationIdMissing),
        ("correlation_id_invalid", Kind::CorrelationIdInvalid),
        ("correlation_id_unusable", Kind::CorrelationIdUnusable),
        ("event_invalid", Kind::EventInvalid),
        ("level_invalid", Kind::LevelInvalid),
        ("duration_invalid", Kind::DurationInvalid),
        ("status_code_invalid", Kind::StatusCodeInvalid),
        ("field_invalid", Kind::FieldInvalid),
        ("timestamp_invalid", Kind::TimestampInvalid),
        ("timestamp_skewed", Kind::TimestampSkewed),
        ("timestamp_zone", Kind::TimestampZone),
        ("json_invalid", Kind::JsonInvalid),
        ("envelope_invalid", Kind::EnvelopeInvalid),
        ("line_cut", Kind::LineCut),
        ("unstructured", Kind::Unstructured),
        ("blank", Kind::Blank),
        ("internal_error", Kind::InternalError),
        ("refused_by_index", Kind::RefusedByIndex),
    ];

    pub fn named(name: &str) -> Option<Kind> {
        let known = Kind::ALL.iter().find(|(known, _)| *known == name);
        known.map(|&(_, kind)| kind)
    }

    pub fn name(self) -> &'static str {
        Kind::ALL[self as usize].0
    }
}

/// The action on an entry with a violation, from the least to the most severe.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Policy {
    Allow,
    Flag,
    Drop,
    Quarantine,
}

impl Policy {
    pub fn named(name: &str) -> Option<Policy> {
        Some(match name {
            "allow" => Policy::Allow,
            "flag" => Policy::Flag,
            "drop" => Policy::Drop,
            "quarantine" => Policy::Quarantine,
            _ => return None,
        })
    }
}

impl Kind {
    /// True if the detail is a sentence that quotes nothing of the entry.
    pub fn quotes_nothing(self) -> bool {
        matches!(
            self,
            Kind::CorrelationIdMissing | Kind::Unstructured | Kind::Blank
        )
    }
}

/// One violation of an entry; `detail` quotes at most a short, escaped excerpt.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    pub kind: Kind,
    pub field: Option<String>,
    pub detail: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_name() {
        for (place, &(name, kind)) in Kind::ALL.iter().enumerate() {
            assert_eq!(kind as usize, place);
            assert_eq!((kind.name(), Kind::named(name)), (name, Some(kind)));
        }
        assert_eq!(Kind::named("odd"), None);
    }

    #[test]
    fn policies_are_ordered_by_severity() {
        let names = ["allow", "flag", "drop", "quarantine"];
        let policies: Vec<_> = names
            .iter()
            .map(|name| Policy::named(name).unwrap())
            .collect();
        assert!(policies.is_sorted());
    }
}
