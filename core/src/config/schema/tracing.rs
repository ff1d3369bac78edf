//! The keys of traces.

use super::{Kind, Object, key};

pub(in crate::config) static TRACING: Object = Object {
    what: "`tracing`",
    name: "tracing",
    keys: &[
        key(
            "otlp",
            Kind::Or(&[Kind::Off, Kind::Text]),
            "Where spans are posted to, by OTLP over HTTP: http://127.0.0.1:4318, with /v1/traces where no path stands. \
             Default off: then a request's trace context passes as it came.",
        ),
        key(
            "sample",
            Kind::Or(&[Kind::Share, Kind::Off]),
            "The share of requests that is recorded; default 1%. What a peer of trusted_proxies has decided holds \
             before it.",
        ),
    ],
};
