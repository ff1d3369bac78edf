//! Who was let in: the lines that the upstream is told of it, and what the ways to prove it have accepted.
//!
//! A desk keeps it while an exchange lasts. What of a client's outlives the exchange (`sse.resume`) is kept under both:
//! two who were let in by different keys are two, also where the upstream is told nothing of them.

/// What the identities of a rule have found.
#[derive(Debug, Default)]
pub struct Who {
    /// Lines for the upstream, each with its CRLF.
    pub lines: Vec<u8>,
    evidence: Vec<u8>,
}

impl Who {
    #[cfg(test)]
    pub(crate) fn of(lines: &[u8], evidence: &[&[u8]]) -> Self {
        let mut who = Self { lines: lines.to_vec(), evidence: Vec::new() };
        who.prove(evidence);
        who
    }

    /// Forgets everybody.
    pub fn clear(&mut self) {
        self.go_back(Mark { lines: 0, evidence: 0 });
    }

    /// Notes what a way has accepted; in parts with their lengths, so that no two notes read the same.
    pub(super) fn prove(&mut self, parts: &[&[u8]]) {
        self.evidence.extend_from_slice(&(parts.len() as u64).to_be_bytes());
        for part in parts {
            self.evidence.extend_from_slice(&(part.len() as u64).to_be_bytes());
            self.evidence.extend_from_slice(part);
        }
    }

    /// What the ways have accepted. Credentials may stand here as they came: nobody keeps it longer than the request.
    #[must_use]
    pub fn evidence(&self) -> &[u8] {
        &self.evidence
    }

    /// How far it is written.
    #[must_use]
    pub const fn mark(&self) -> Mark {
        Mark { lines: self.lines.len(), evidence: self.evidence.len() }
    }

    /// Forgets what was written since: a way that fails in the end has found nobody.
    pub fn go_back(&mut self, mark: Mark) {
        self.lines.truncate(mark.lines);
        self.evidence.truncate(mark.evidence);
    }
}

/// A state to [go back](Who::go_back) to.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    lines: usize,
    evidence: usize,
}
