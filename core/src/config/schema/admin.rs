//! The keys of the admin plane.

use super::{Kind, Object, key};

pub(in crate::config) static ADMIN: Object = Object {
    what: "`admin`",
    name: "admin",
    keys: &[
        key("bind", Kind::Or(&[Kind::Text, Kind::Off]), "An address of this machine; default 127.0.0.1:9900."),
        key("socket", Kind::Text, "The unix socket, 0600; default control.sock in state_dir."),
        key(
            "token_file",
            Kind::Text,
            "Where the token lies that changes over TCP need, 0600, made at the first start; default admin-token in \
             state_dir.",
        ),
    ],
};

pub(in crate::config) static REGISTRY: Object = Object {
    what: "`registry`",
    name: "registry",
    keys: &[
        key("file", Kind::Text, "Where registered routes are kept; default registry.journal in state_dir."),
        key(
            "clash",
            Kind::Words(&["refuse", "overlay"]),
            "Where the file has the route too: refuse (default) leaves it to the file, overlay lets the registered one \
             answer while it lives.",
        ),
    ],
};
