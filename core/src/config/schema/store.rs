//! The keys of `redis` and of a limit's `store`: where several machines count together.

use super::{Key, Kind, Object, key};

const ON_ERROR: Kind = Kind::Words(&["allow", "deny"]);
const LIMIT_STORE: Kind = Kind::Or(&[Kind::Words(&["local", "redis"]), Kind::Object(&STORE_KEYS)]);
const FILE_STORE: Kind = Kind::Or(&[Kind::Text, Kind::Object(&REDIS_KEYS), Kind::Off]);

pub(super) const STORE: Key = key(
    "store",
    LIMIT_STORE,
    "Where it is counted: local (default), redis as the file's `redis` says, or {redis: URL, timeout, on_error}.",
);

pub(super) const REDIS: Key = key(
    "redis",
    FILE_STORE,
    "Where limits with `store: redis` count, on several machines together: a URL, or {url, timeout, on_error}; default off.",
);

/// `store:` of a limit in its long form.
pub(in crate::config) static STORE_KEYS: Object = Object {
    what: "`store`",
    name: "store",
    keys: &[
        key("redis", Kind::Text, "redis://host:6379, redis+unix:///path."),
        key("timeout", Kind::Duration, "How long a request waits for it; default 50ms."),
        key("on_error", ON_ERROR, "What becomes of a request while it does not answer; default allow."),
    ],
};

/// `redis:` of the file.
pub(in crate::config) static REDIS_KEYS: Object = Object {
    what: "`redis`",
    name: "redis",
    keys: &[
        key("url", Kind::Text, "redis://host:6379, redis+unix:///path."),
        key("timeout", Kind::Duration, "How long a request waits for it; default 50ms."),
        key("on_error", ON_ERROR, "What becomes of a request while it does not answer; default allow."),
    ],
};
