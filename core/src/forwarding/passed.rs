//! Which rules of this very process have sent a request on to the process itself, so that no rule does it twice.
//!
//! A line of our own says so, on requests to endpoints that are our own listeners and on no others. `exchange::admit` reads it,
//! once the rule is known. A rule may well ask another one by way of a listener; only the way back to itself has no end.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::message::{Field, Fields};
use crate::snapshot::RuleIdentity;

/// The field. It begins as all do that nobody outside may send, so [`super::examine`] drops it.
const FIELD: &[u8] = b"x-switchboard-passed";

/// Whether a line of a request is one with marks.
pub(super) fn is_marks(field: &Field, bytes: &[u8]) -> bool {
    field.name.of(bytes).eq_ignore_ascii_case(FIELD)
}

/// The marks that a request brings. `examine` has noted whether there are any ([`super::Hop::passed`]); `bytes` are the head's.
#[must_use]
pub fn marks<'a>(fields: &Fields, bytes: &'a [u8]) -> Option<&'a [u8]> {
    let line = fields.all().iter().rev().find(|field| is_marks(field, bytes))?;
    Some(line.value.of(bytes))
}

/// What stands for one rule of one process: 16 hexadecimal digits that others can't know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(u64);

impl Mark {
    /// That of a rule. `process` is random, so that in a chain of proxies each knows its own marks alone.
    #[must_use]
    pub fn of(process: u64, rule: &RuleIdentity) -> Self {
        // By identity, not by number: a reload in between may number rules anew.
        let mut hasher = DefaultHasher::new();
        (process, rule).hash(&mut hasher);
        Self(hasher.finish())
    }

    /// Whether it is among those that a line brings.
    #[must_use]
    pub fn is_in(self, passed: &[u8]) -> bool {
        let digits = format!("{:016x}", self.0);
        passed.split(|&byte| byte == b' ').any(|mark| mark == digits.as_bytes())
    }

    /// The line for the next hop, behind the marks that the last one brought.
    #[must_use]
    pub fn line(self, passed: Option<&[u8]>) -> Vec<u8> {
        let mut line = [FIELD, b": "].concat();
        if let Some(passed) = passed {
            line.extend_from_slice(passed);
            line.push(b' ');
        }
        line.extend_from_slice(format!("{:016x}\r\n", self.0).as_bytes());
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_knows_its_own_mark_alone() {
        let rule = |route: &str, fingerprint| RuleIdentity { route: route.into(), fingerprint, when: 0 };
        let (one, other) = (Mark::of(7, &rule("a.test", 1)), Mark::of(7, &rule("b.test", 1)));
        let line = other.line(Some(one.line(None).strip_prefix(b"x-switchboard-passed: ").unwrap().trim_ascii()));
        let passed = line.strip_prefix(b"x-switchboard-passed: ").unwrap().strip_suffix(b"\r\n").unwrap();
        assert!(one.is_in(passed) && other.is_in(passed));
        for stranger in [Mark::of(7, &rule("a.test", 2)), Mark::of(8, &rule("a.test", 1))] {
            assert!(!stranger.is_in(passed));
        }
        assert!(!one.is_in(b""));
    }
}
