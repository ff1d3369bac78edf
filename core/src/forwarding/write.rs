//! The pieces that both head writers share: runs of kept lines, framing lines, decimals.
//!
//! Called by `request` and `response`. Nothing here decides what is kept; the callers say so with a set of names.

use std::net::IpAddr;

use super::{Framing, Names, PSEUDONYM};
use crate::message::{Fields, Span, Version};

/// Copies the lines that are neither dropped nor in `rewritten`. Adjacent ones go as one run: a head where nothing is
/// touched is one copy.
pub(super) fn kept_lines(out: &mut Vec<u8>, fields: &Fields, bytes: &[u8], rewritten: Names) {
    let mut run = Span::default();
    for field in fields.all() {
        if field.dropped || rewritten.has(field.name_id) {
            continue;
        }
        if field.line.start != run.end {
            out.extend_from_slice(run.of(bytes));
            run.start = field.line.start;
        }
        run.end = field.line.end;
    }
    out.extend_from_slice(run.of(bytes));
}

/// Writes one line. `name` ends in `": "`.
pub(super) fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Writes the line that delimits the body, if there is one.
pub(super) fn framing_line(out: &mut Vec<u8>, framing: Framing) {
    match framing {
        Framing::None | Framing::Declared => {}
        Framing::Length(length) => number_line(out, b"content-length: ", length),
        Framing::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
    }
}

/// Writes one line with a number. `name` ends in `": "`.
pub(super) fn number_line(out: &mut Vec<u8>, name: &[u8], number: u64) {
    out.extend_from_slice(name);
    decimal(out, number);
    out.extend_from_slice(b"\r\n");
}

/// Writes our entry of `Via` as a line of its own, which appends to the list (RFC 9110 §7.6.3). `received` is the
/// version in which the message came.
pub(super) fn via_line(out: &mut Vec<u8>, received: Version) {
    let version: &[u8] = match received {
        Version::Http10 => b"via: 1.0 ",
        Version::Http11 => b"via: 1.1 ",
        Version::Http2 => b"via: 2.0 ",
    };
    line(out, version, PSEUDONYM);
}

/// Writes a number in decimal.
pub(super) fn decimal(out: &mut Vec<u8>, mut number: u64) {
    // 20 digits are the longest u64.
    let mut digits = [b'0'; 20];
    let mut used = 0;
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + (number % 10) as u8;
        number /= 10;
        used += 1;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[digits.len() - used..]);
}

/// Writes an address as X-Forwarded-For has it: no brackets, no port.
pub(super) fn address(out: &mut Vec<u8>, ip: IpAddr) {
    use std::io::Write as _;
    // Writing to a vector can't fail.
    let _ = write!(out, "{ip}");
}
