//! The keys of `access_log` and `log`.

use super::{Kind, Object, key};

const FORMATS: Kind = Kind::Words(&["auto", "json", "text"]);

pub(in crate::config) static ACCESS_LOG: Object = Object {
    what: "`access_log`",
    name: "access_log",
    keys: &[
        key("to", Kind::Or(&[Kind::Text, Kind::Off]), "stdout (default), stderr, a file's path, or off."),
        key("format", FORMATS, "auto (default) is text on a terminal, json elsewhere."),
        key(
            "redact",
            Kind::OneOrList(&Kind::Text),
            "Query parameters whose values are masked, besides those that are always.",
        ),
    ],
};

pub(in crate::config) static LOG: Object = Object {
    what: "`log`",
    name: "log",
    keys: &[
        key("level", Kind::Words(&["error", "warn", "info", "debug"]), "Which lines; default info."),
        key("format", FORMATS, "auto (default) is text on a terminal, json elsewhere."),
        key("to", Kind::Or(&[Kind::Text, Kind::Off]), "stderr (default), stdout, a file's path, or off."),
    ],
};
