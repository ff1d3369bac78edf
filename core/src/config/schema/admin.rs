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
