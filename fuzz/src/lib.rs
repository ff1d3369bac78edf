//! What the fuzz targets share: cutting inputs, and judging what a head says about itself.
//!
//! Each target asserts more than "no panic": that a verdict doesn't depend on how the bytes were split, that what was
//! accepted says the same when it is written again, and that a simpler reader comes to the same.

use switchboard_core::http1::{HeadLimits, Progress};
use switchboard_core::message::Fields;

/// Small, so that inputs reach them.
pub const LIMITS: HeadLimits = HeadLimits { head: 1024, field: 300, fields: 12, target: 100 };

/// A few places to cut `len` bytes at, chosen by the bytes themselves: none, each, and some pairs.
pub fn cuts(bytes: &[u8]) -> Vec<Vec<usize>> {
    let mut hash =
        bytes.iter().fold(0xCBF2_9CE4_8422_2325_u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01B3));
    let mut pick = || {
        hash ^= hash << 13;
        hash ^= hash >> 7;
        hash ^= hash << 17;
        (hash >> 11) as usize % (bytes.len() + 1)
    };
    let mut cuts = vec![(0..bytes.len()).collect()];
    for _ in 0..4 {
        let (a, b) = (pick(), pick());
        cuts.push(vec![a.min(b), a.max(b)]);
    }
    cuts
}

/// Feeds growing prefixes to a parser until it is done or fails.
pub fn grow<E>(
    bytes: &[u8],
    stops: &[usize],
    mut parse: impl FnMut(&[u8]) -> Result<Progress, E>,
) -> Result<Progress, E> {
    for &stop in stops {
        if let Progress::Complete = parse(&bytes[..stop])? {
            return Ok(Progress::Complete);
        }
    }
    parse(bytes)
}

/// Asserts that the lines lie end to end from the first line to the blank one, and that names and values are clean.
pub fn assert_fields(fields: &Fields, head: &[u8]) {
    let first_line = 2 + head[2..].windows(2).position(|w| w == b"\r\n").expect("a first line") + 2;
    let mut at = first_line;
    for field in fields.all() {
        assert_eq!(field.line.start as usize, at);
        at = field.line.end as usize;
        let (name, value, line) = (field.name.of(head), field.value.of(head), field.line.of(head));
        assert!(!name.is_empty() && name.iter().all(|b| b.is_ascii_graphic() && *b != b':'));
        assert!(!value.iter().any(|b| *b != b'\t' && b.is_ascii_control()));
        assert_eq!(value, value.trim_ascii());
        let (before, behind) = line.split_at(name.len());
        assert_eq!(before, name);
        assert_eq!(behind[1..].trim_ascii(), value);
        assert!(behind.starts_with(b":") && line.ends_with(b"\r\n"));
    }
    assert_eq!(&head[at..], b"\r\n");
}

/// All values of a field, compared by name without `Name`.
pub fn values<'a>(fields: &'a Fields, head: &'a [u8], name: &'a [u8]) -> Vec<&'a [u8]> {
    let lines = fields.all().iter().filter(|f| f.name.of(head).eq_ignore_ascii_case(name));
    lines.map(|f| f.value.of(head)).collect()
}

/// Writes the field lines again from names and values, and the blank line.
pub fn write_fields(out: &mut Vec<u8>, fields: &Fields, head: &[u8]) {
    for field in fields.all() {
        for part in [field.name.of(head), b": ", field.value.of(head), b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    out.extend_from_slice(b"\r\n");
}
