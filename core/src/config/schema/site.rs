//! The keys of what a rule serves by itself, and of compression.

use super::{Key, Kind, Object, key};

const FILES_FORMS: Kind = Kind::Or(&[Kind::Text, Kind::Object(&FILES_OBJECT)]);
const COMPRESS_FORMS: Kind = Kind::Or(&[Kind::Switch, Kind::Object(&COMPRESS_OBJECT)]);
const CACHE_CONTROL_FORMS: Kind = Kind::Or(&[Kind::Off, Kind::Map(&Kind::Text)]);

pub(super) const FILES: Key = key(
    "files",
    FILES_FORMS,
    "Answer with the files of this directory, which is what lies below the route's key. Hidden files, and links that \
     lead out of it, are refused.",
);

pub(super) const FALLBACK: Key = key(
    "fallback",
    Kind::Text,
    "The file that answers where `files` has none, such as /index.html for an application that routes in the browser. \
     Not for scripts, styles, images and the like: what is missing of those is a 404.",
);

pub(super) const TRY: Key = key(
    "try",
    Kind::List(&Kind::Words(&["files", "to"])),
    "[files, to]: answer with a file where there is one, and ask the upstream otherwise.",
);

pub(super) const COMPRESS: Key = key(
    "compress",
    COMPRESS_FORMS,
    "Compress answers for clients that take it: text, JSON and the like, never what is compressed already. Default true \
     for `files`, false for upstreams.",
);

pub(in crate::config) static FILES_OBJECT: Object = Object {
    what: "`files`",
    name: "files",
    keys: &[
        key("dir", Kind::Text, "The directory; a relative one is beside the file that names it."),
        key(
            "index",
            Kind::OneOrList(&Kind::Text),
            "The file that stands for its directory, or several of which the first that is there does; default \
             [index.html].",
        ),
        FALLBACK,
        key("listing", Kind::Switch, "List directories that have no index; default false."),
        key(
            "precompressed",
            Kind::Switch,
            "Answer with name.br, name.zst or name.gz in place of name where they are there and taken; default true.",
        ),
        key(
            "cache_control",
            CACHE_CONTROL_FORMS,
            "Cache-Control by pattern, such as \"*.woff2\": \"max-age=86400\"; the first that holds. By default names with \
             a fingerprint are immutable and all others no-cache. off says nothing.",
        ),
    ],
};

pub(in crate::config) static COMPRESS_OBJECT: Object = Object {
    what: "`compress`",
    name: "compress",
    keys: &[
        key(
            "algorithms",
            Kind::OneOrList(&Kind::Words(&["zstd", "br", "gzip"])),
            "The codings that are offered; of those that a client takes equally well, the first. Default [zstd, br, gzip].",
        ),
        key("min", Kind::Size, "Smaller answers stay as they are; default 1KiB."),
        key(
            "credentials",
            Kind::Switch,
            "Compress answers that set cookies, and those to requests with Authorization, too. Where a page shows a \
             secret beside what an attacker sends, its length can give the secret away (BREACH). Default false.",
        ),
    ],
};
