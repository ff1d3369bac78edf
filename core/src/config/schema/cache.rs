//! The keys of the cache: what of a rule's answers is kept, and how much in all.

use super::{Key, Kind, Object, TIME_OR_OFF, elsewhere, key};

const CACHE_FORMS: Kind = Kind::Or(&[Kind::Switch, Kind::Object(&CACHE)]);
const TTL: Kind = Kind::Or(&[Kind::Duration, Kind::Off]);

pub(super) const CACHE_KEY: Key = key(
    "cache",
    CACHE_FORMS,
    "Keeps answers whose origin allows it, and gives them again while they are fresh (RFC 9111); default off.",
);

pub(in crate::config) static CACHE: Object = Object {
    what: "`cache`",
    name: "cache",
    keys: &[
        key("max_object", Kind::Size, "The largest body that is kept; default 10MiB. A larger one passes as it comes."),
        key("key", Kind::Object(&CACHE_KEYS), "What tells one answer from another, besides scheme, host and path."),
        key(
            "override",
            TTL,
            "How long answers are fresh, whatever their origin says of that; default off. What is private, no-store or \
             sets a cookie is still not kept.",
        ),
        key(
            "stale_while_revalidate",
            TTL,
            "How long a stale answer is given at once while it is asked for anew, where its origin does not say; \
             default off.",
        ),
        key(
            "stale_if_error",
            TTL,
            "How long a stale answer is given where asking fails or is answered 500, 502, 503 or 504, where its origin \
             does not say; default off.",
        ),
        key(
            "heuristic",
            Kind::Switch,
            "true: an answer with a Last-Modified and no word on freshness is fresh for a tenth of its age, a day at \
             most; default false.",
        ),
        key(
            "set_cookie",
            Kind::Switch,
            "true: answers with Set-Cookie are kept too, and everybody gets the same cookie; default false.",
        ),
        key(
            "client_control",
            Kind::Switch,
            "false: no-cache, max-age and the like of a request don't count; default true.",
        ),
        key(
            "lock",
            TIME_OR_OFF,
            "How long requests wait for the answer to another one for the same, rather than ask as well; default 5s.",
        ),
        elsewhere("memory", "holds for all rules together; it stands under the `cache:` of the whole file"),
        elsewhere("disk", "holds for all rules together; it stands under the `cache:` of the whole file"),
    ],
};

pub(in crate::config) static CACHE_KEYS: Object = Object {
    what: "the `key` of `cache`",
    name: "cache_key",
    keys: &[
        key(
            "query",
            Kind::OneOrList(&Kind::Text),
            "Only these parameters of the query count, in any order; [] is none. `p*` is all that begin with p.",
        ),
        key(
            "without",
            Kind::OneOrList(&Kind::Text),
            "These parameters of the query don't count, such as utm_*; the others do.",
        ),
    ],
};

pub(in crate::config) static CACHE_STORE: Object = Object {
    what: "`cache`",
    name: "cache_store",
    keys: &[
        key("memory", Kind::Size, "How much of memory kept answers take in all; default 64MiB."),
        key(
            "disk",
            Kind::Or(&[Kind::Size, Kind::Off]),
            "How much of state_dir/cache they take besides, where they outlive a restart; default off.",
        ),
        elsewhere("max_object", "is a rule's; write it under the `cache:` of a rule or of `defaults`"),
    ],
};
