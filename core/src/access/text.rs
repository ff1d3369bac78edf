//! The access line for people: `10:25:39.123 200     1.234 ms GET  a.localhost/path -> 127.0.0.1:3001`.
//!
//! Short facts first in columns, long ones behind, the unusual last; the JSON form has everything.

use super::number::{millis, whole};
use super::{Record, Redact, escape};

/// Terminal colours (ECMA-48 SGR); all empty where none are wanted.
struct Colours {
    good: &'static [u8],
    note: &'static [u8],
    bad: &'static [u8],
    dim: &'static [u8],
    off: &'static [u8],
}

const PLAIN: Colours = Colours { good: b"", note: b"", bad: b"", dim: b"", off: b"" };
const COLOURED: Colours =
    Colours { good: b"\x1b[32m", note: b"\x1b[33m", bad: b"\x1b[31m", dim: b"\x1b[2m", off: b"\x1b[0m" };

/// Appends the line.
pub(super) fn write(record: &Record<'_>, redact: &Redact, colours: bool, out: &mut Vec<u8>) {
    let paint = if colours { &COLOURED } else { &PLAIN };
    painted(out, paint.dim, paint, |out| {
        // The time of day: who reads along knows the date.
        out.extend_from_slice(record.time.get(11..23).unwrap_or_default());
    });
    out.push(b' ');
    let colour = match record.status {
        100..300 => paint.good,
        300..400 => paint.dim,
        400..500 => paint.note,
        _ => paint.bad,
    };
    painted(out, colour, paint, |out| column(out, 3, true, |out| whole(out, u64::from(record.status))));
    out.push(b' ');
    column(out, 9, true, |out| millis(out, record.total));
    out.extend_from_slice(b" ms ");
    column(out, 4, false, |out| escape::text(out, record.method));
    out.push(b' ');
    escape::text(out, record.host);
    escape::text(out, record.path);
    if !record.query.is_empty() {
        out.push(b'?');
        redact.text(out, record.query);
    }
    endpoint(record, paint, out);
    if !record.reason.is_empty() {
        out.push(b' ');
        painted(out, paint.bad, paint, |out| escape::text(out, record.reason.as_bytes()));
    }
    if !record.cache.is_empty() {
        out.extend_from_slice(b" cache ");
        out.extend_from_slice(record.cache.as_bytes());
    }
    if let Some(tunnel) = record.tunnel {
        out.push(b' ');
        escape::text(out, tunnel.kind.as_bytes());
        for (arrow, bytes) in [(&b" in "[..], record.bytes_in), (b" out ", record.bytes_out)] {
            out.extend_from_slice(arrow);
            whole(out, bytes);
        }
    }
    if let Some((side, code)) = record.tunnel.and_then(|tunnel| tunnel.frames).and_then(|frames| frames.closed) {
        out.extend_from_slice(b" closed ");
        whole(out, u64::from(code));
        out.extend_from_slice(b" by ");
        out.extend_from_slice(side.code().as_bytes());
    }
    if let Some(side) = record.ended_by {
        out.extend_from_slice(b" ended by ");
        out.extend_from_slice(side.code().as_bytes());
    }
    out.push(b' ');
    painted(out, paint.dim, paint, |out| escape::text(out, record.request_id));
    if let Some(trace) = record.trace {
        out.extend_from_slice(b" trace ");
        painted(out, paint.dim, paint, |out| out.extend_from_slice(&trace.hex()));
    }
    out.push(b'\n');
}

fn endpoint(record: &Record<'_>, paint: &Colours, out: &mut Vec<u8>) {
    if record.endpoint.is_empty() {
        return;
    }
    out.extend_from_slice(b" -> ");
    painted(out, paint.dim, paint, |out| escape::text(out, record.endpoint.as_bytes()));
    if record.attempt > 1 {
        out.extend_from_slice(b" (attempt ");
        whole(out, u64::from(record.attempt));
        out.push(b')');
    }
}

/// Appends what `write` writes, filled with spaces to `width`, on its left side where `right` aligns it there.
fn column(out: &mut Vec<u8>, width: usize, right: bool, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    write(out);
    let missing = width.saturating_sub(out.len() - start);
    out.resize(out.len() + missing, b' ');
    if right && let Some(cell) = out.get_mut(start..) {
        cell.rotate_right(missing);
    }
}

fn painted(out: &mut Vec<u8>, colour: &[u8], paint: &Colours, write: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(colour);
    write(out);
    out.extend_from_slice(paint.off);
}
