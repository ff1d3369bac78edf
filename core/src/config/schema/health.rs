//! The keys about the health of endpoints, and about the resolver of their names.

use super::{Kind, Object, key};

pub(in crate::config) static DNS: Object = Object {
    what: "`dns`",
    name: "dns",
    keys: &[
        key(
            "servers",
            Kind::OneOrList(&Kind::Text),
            "The servers to ask, as 10.0.0.2, 127.0.0.1:5353 or [::1]:53; default those of the system.",
        ),
        key("min_ttl", Kind::Duration, "An answer holds at least so long; default 1s."),
        key(
            "max_ttl",
            Kind::Duration,
            "An answer holds at most so long, whatever its TTL; default 30s. A connect that fails asks again at once.",
        ),
    ],
};
