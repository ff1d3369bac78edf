//! The keys of `bandwidth`, `detect` and `mirror`: how fast answers flow, what is looked for in requests, who gets copies.

use super::{Key, Kind, Object, key};

const RATE_OR_OFF: Kind = Kind::Or(&[Kind::ByteRate, Kind::Off]);
const VERDICT: Kind = Kind::Or(&[Kind::Words(&["block", "log"]), Kind::Off]);
const DETECT_FORMS: Kind = Kind::Or(&[Kind::Words(&["block", "log"]), Kind::Object(&DETECT_KEYS), Kind::Off]);
const MIRROR_FORMS: Kind = Kind::Or(&[Kind::Text, Kind::Object(&MIRROR_KEYS)]);

pub(super) const BANDWIDTH: Key =
    key("bandwidth", RATE_OR_OFF, "Bytes a second of each answer's body: 1MB/s. The nearest level wins; default off.");

pub(super) const DETECT: Key = key(
    "detect",
    DETECT_FORMS,
    "What looks like SQL injection or a script for other people's browsers, in path, query and the first 64 KiB of a body: \
     block (403) or log, both or {sqli, xss}. The nearest level wins.",
);

pub(super) const MIRROR: Key = key(
    "mirror",
    MIRROR_FORMS,
    "An upstream that gets a copy of each request, or of a share: {to: shadow, share: 1%}. Its answers are read by nobody.",
);

pub(in crate::config) static DETECT_KEYS: Object = Object {
    what: "`detect`",
    name: "detect",
    keys: &[
        key("sqli", VERDICT, "SQL injection: block, log or off (default)."),
        key("xss", VERDICT, "Scripts for other people's browsers: block, log or off (default)."),
    ],
};

pub(in crate::config) static MIRROR_KEYS: Object = Object {
    what: "`mirror`",
    name: "mirror",
    keys: &[
        key("to", Kind::OneOrList(&Kind::Text), "An upstream's name, an address or a list of addresses."),
        key("share", Kind::Share, "Of how many requests; default 100%."),
    ],
};
