//! h2spec's sections of RFC 7541: blocks that can't be decoded.

use super::{COMPRESSION, Case, Close, Sight, case, odd};
use crate::harness::h2::request;

const BROKEN: Sight = Close(&[COMPRESSION]);

pub(super) fn cases() -> Vec<Case> {
    let with = |block: &[u8]| odd([&request("GET", &[])[..], block].concat());
    let larger = odd([b"\x3f\xe2\x1f", &request("GET", &[])[..]].concat());
    vec![
        case("hpack/2.3.3/1", "an index that is not there", &[with(b"\xc6")], BROKEN),
        case("hpack/2.3.3/2", "a name by an index that is not there", &[with(b"\x7f\x07\x01x")], BROKEN),
        case("hpack/4.2/1", "a size at the end of a block", &[with(b"\x20")], BROKEN),
        case("hpack/5.2/1", "padding of more than seven bits", &[with(b"\0\x01x\x82\xff\xff")], BROKEN),
        case("hpack/5.2/2", "padding of zeros", &[with(b"\0\x01x\x81\x18")], BROKEN),
        case("hpack/5.2/3", "a text with EOS in it", &[with(b"\0\x01x\x84\xff\xff\xff\xff")], BROKEN),
        case("hpack/6.1/1", "index 0", &[with(b"\x80")], BROKEN),
        case("hpack/6.3/1", "a table that is larger than ours", &[larger], BROKEN),
    ]
}
