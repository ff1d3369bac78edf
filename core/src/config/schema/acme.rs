//! The keys of `acme:`.

use super::{Kind, Object, elsewhere, key};

pub(in crate::config) static ACME: Object = Object {
    what: "`acme`",
    name: "acme",
    keys: &[
        key(
            "directory",
            Kind::Text,
            "The authority: letsencrypt (default), letsencrypt-staging, or the https URL of an ACME directory.",
        ),
        key("email", Kind::Text, "Where the authority may write to."),
        key(
            "ca",
            Kind::Text,
            "A file of roots in PEM that the authority's own certificate is checked against; default the system's.",
        ),
        key(
            "challenges",
            Kind::OneOrList(&Kind::Words(&["tls-alpn-01", "http-01"])),
            "How control over a name is proved, in this order: tls-alpn-01 on port 443, http-01 on port 80; default both.",
        ),
        key(
            "ask",
            Kind::Text,
            "A URL that decides about names under wildcards: GET URL?domain=NAME, 200 is yes; default none.",
        ),
        key("eab", Kind::Object(&EAB), "An account that the authority gave out beforehand."),
        elsewhere("domains", "are the hosts of `routes`"),
    ],
};

pub(in crate::config) static EAB: Object = Object {
    what: "`eab`",
    name: "eab",
    keys: &[
        key("kid", Kind::Text, "The id of the key."),
        key("key", Kind::Text, "The HMAC key in base64url; best as ${file:/run/secrets/…}."),
    ],
};
