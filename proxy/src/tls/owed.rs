//! Ciphertext that a socket has not taken yet, and how much of the plaintext in it has gone with what was taken.
//!
//! A caller of `poll_write` counts plaintext, the socket takes ciphertext. A slow reader makes progress within a record,
//! and the last byte of a record counts only with its whole record: when a caller has given all, all is with the socket.

/// The plaintext that one record carries at most (RFC 8446 §5.1).
pub(super) const RECORD: usize = 16 * 1024;

/// Bytes of a record's header: type, version, length.
const HEADER: usize = 5;

/// One or more records on their way out.
#[derive(Debug, Default)]
pub(super) struct Owed {
    wire: Vec<u8>,
    at: usize,
    /// Records that are not wholly sent, the first one first.
    records: Vec<Record>,
    /// Plaintext that has gone and was not counted yet.
    progress: usize,
}

#[derive(Debug)]
struct Record {
    wire: usize,
    plain: usize,
    sent: usize,
    counted: usize,
}

impl Owed {
    /// Takes `wire` besides what is owed already. Its last records carry `plain` bytes of plaintext, those before are
    /// TLS's own.
    pub(super) fn push(&mut self, wire: &[u8], plain: usize) {
        let mut records = Vec::with_capacity(wire.len() / RECORD + 2);
        let mut rest = wire;
        while let Some([_, _, _, high, low]) = rest.first_chunk::<HEADER>() {
            let length = HEADER + usize::from(u16::from_be_bytes([*high, *low]));
            records.push(Record { wire: length.min(rest.len()), plain: 0, sent: 0, counted: 0 });
            rest = rest.get(length..).unwrap_or_default();
        }
        let own = records.len().saturating_sub(plain.div_ceil(RECORD));
        let mut left = plain;
        for record in records.iter_mut().skip(own) {
            record.plain = left.min(RECORD);
            left -= record.plain;
        }
        self.wire.extend_from_slice(wire);
        self.records.append(&mut records);
    }

    /// Whether the socket has taken all.
    pub(super) const fn is_empty(&self) -> bool {
        self.at == self.wire.len()
    }

    /// Whether plaintext is in it, or a part of it has gone: nothing may be put in front of it.
    pub(super) fn is_under_way(&self) -> bool {
        self.at > 0 || self.records.iter().any(|record| record.plain > 0)
    }

    /// Plaintext that a caller has still to be told of: it is in records already, or has gone.
    pub(super) fn uncounted(&self) -> usize {
        self.progress + self.records.iter().map(|record| record.plain - record.counted).sum::<usize>()
    }

    /// What it has still to take.
    pub(super) fn rest(&self) -> &[u8] {
        self.wire.get(self.at..).unwrap_or_default()
    }

    /// The socket took `sent` bytes more.
    pub(super) fn advance(&mut self, sent: usize) {
        self.at = (self.at + sent).min(self.wire.len());
        let mut left = sent;
        for record in &mut self.records {
            let part = left.min(record.wire - record.sent);
            record.sent += part;
            left -= part;
            let whole = record.sent == record.wire;
            let gone = record.sent.saturating_sub(record.wire - record.plain);
            let counted = if whole { record.plain } else { gone.min(record.plain.saturating_sub(1)) };
            self.progress += counted - record.counted;
            record.counted = counted;
        }
        self.records.retain(|record| record.sent < record.wire);
        if self.is_empty() {
            // Freed at once: an idle connection holds nothing.
            *self = Self { progress: self.progress, ..Self::default() };
        }
    }

    /// How much plaintext has gone since this was last asked.
    pub(super) const fn take_progress(&mut self) -> usize {
        std::mem::replace(&mut self.progress, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::{HEADER, Owed, RECORD};

    fn record(payload: usize) -> Vec<u8> {
        let length = u16::try_from(payload + 17).unwrap().to_be_bytes();
        let mut wire = vec![23, 3, 3, length[0], length[1]];
        wire.resize(HEADER + payload + 17, 0);
        wire
    }

    #[test]
    fn plaintext_counts_as_its_ciphertext_goes() {
        let check = |records: &[usize], plain: usize, steps: &[(usize, usize)]| {
            let wire: Vec<u8> = records.iter().flat_map(|payload| record(*payload)).collect();
            let mut owed = Owed::default();
            owed.push(&wire, plain);
            let mut gone = 0;
            for &(sent, expect) in steps {
                owed.advance(sent);
                assert_eq!(gone + owed.uncounted(), plain);
                gone += owed.take_progress();
                assert_eq!(gone, expect, "after {sent} more of {records:?}");
            }
            owed.advance(wire.len());
            assert!(owed.is_empty() && owed.rest().is_empty());
            assert_eq!(gone + owed.take_progress(), plain);
        };
        // One record of 100 bytes: nothing for its header and tag, the last byte with the whole.
        check(&[100], 100, &[(0, 0), (22, 0), (1, 1), (98, 99), (1, 100)]);
        // TLS's own record in front counts for nothing.
        check(&[30, 100], 100, &[(52, 0), (121, 99), (1, 100)]);
        // Full records and a rest.
        check(&[RECORD, RECORD, 5], 2 * RECORD + 5, &[(RECORD + 22, RECORD), (22, RECORD), (RECORD, 2 * RECORD)]);
        check(&[2], 0, &[(24, 0)]);
    }
}
