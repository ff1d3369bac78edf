//! The words of the language: one of a few, a switch, a time-out, a size, a count.
//!
//! Every other module of the walk reads its values by them, so that `off` and `unlimited` mean the same everywhere.

use super::{Fields, Walk};
use crate::config::suggest::nearest;
use crate::config::text::Node;
use crate::config::value::{amount, fault};
use std::time::Duration;

impl Walk<'_> {
    /// Reads one of some words.
    pub(super) fn word<T: Clone>(&mut self, node: &Node, what: &'static str, words: &[(&'static str, T)]) -> Option<T> {
        self.value(node, what, |text| match words.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => Ok(value.clone()),
            None => {
                let known = words.iter().map(|(word, _)| *word);
                fault(
                    what,
                    match nearest(text, known.clone()) {
                        Some(meant) => format!("did you mean `{meant}`?"),
                        None => format!("write {}", known.collect::<Vec<_>>().join(", ")),
                    },
                )
            }
        })
    }

    /// Reads `true`, `on`, `false` or `off`.
    pub(super) fn switch(&mut self, node: &Node) -> Option<bool> {
        self.value(node, "a switch", |text| match text {
            "true" | "on" => Ok(true),
            "false" | "off" => Ok(false),
            "yes" | "Yes" | "y" | "1" | "True" | "TRUE" | "On" => fault("a switch", "write true"),
            "no" | "No" | "n" | "0" | "False" | "FALSE" | "Off" => fault("a switch", "write false"),
            _ => fault("a switch", "write true or false"),
        })
    }

    /// Reads a time-out; the inner `None` is `off`.
    pub(super) fn timeout(&mut self, node: &Node) -> Option<Option<Duration>> {
        self.value(node, "a time-out", |text| match text {
            "off" | "false" => Ok(None),
            _ if amount::means_none(text) || text == "unlimited" => fault("a time-out", "no time-out is written `off`"),
            _ => amount::duration(text).map(Some),
        })
    }

    /// Reads a time-out over the one that holds, where it is written.
    pub(super) fn timeout_over(&mut self, fields: &Fields<'_>, key: &str, place: &mut Option<Duration>) {
        if let Some(time) = fields.value(key).and_then(|node| self.timeout(node)) {
            *place = time;
        }
    }

    /// Reads a time that may be zero, and that always ends.
    pub(super) fn span(&mut self, node: &Node) -> Option<Duration> {
        self.value(node, "a duration", |text| match text {
            "off" | "false" | "unlimited" => fault("a duration", "it has to end some time; write 24h, say"),
            "0" => fault("a duration", "the unit is missing; write 0s for at once"),
            _ => amount::duration(text),
        })
    }

    /// Reads a size of at least one byte; the inner `None` is `unlimited`.
    pub(super) fn size_or_unlimited(&mut self, node: &Node) -> Option<Option<u64>> {
        self.value(node, "a size", |text| match text {
            "unlimited" => Ok(None),
            "off" | "false" => fault("a size", "no limit is written `unlimited`"),
            _ if amount::means_none(text) => fault("a size", "no limit is written `unlimited`"),
            _ => amount::size(text).map(Some),
        })
    }

    /// Reads a count of at least one; the inner `None` is the word for no limit.
    pub(super) fn count_or(&mut self, node: &Node, none: &'static str) -> Option<Option<u64>> {
        self.value(node, "a count", |text| match text {
            _ if text == none || (none == "off" && matches!(text, "false" | "unlimited")) => Ok(None),
            "off" | "false" | "unlimited" => fault("a count", format!("no limit is written `{none}`")),
            _ if amount::means_none(text) => fault("a count", format!("no limit is written `{none}`")),
            _ => amount::count(text, 1, u32::MAX.into()).map(Some),
        })
    }
}
