//! The keys of `jwt`: tokens that somebody else has signed.

use super::{Key, Kind, Object, key};

const TEXTS: Kind = Kind::OneOrList(&Kind::Text);
const JWT_OR_OFF: Kind = Kind::Or(&[Kind::Object(&JWT_KEYS), Kind::Off]);

pub(super) const JWT: Key = key(
    "jwt",
    JWT_OR_OFF,
    "A token that somebody else has signed; others get 401 with the reason. The nearest level wins; off takes it away.",
);

pub(in crate::config) static JWT_KEYS: Object = Object {
    what: "`jwt`",
    name: "jwt",
    keys: &[
        key(
            "jwks",
            Kind::Text,
            "The keys that sign: an http:// or https:// URL, fetched and kept fresh, or a file, followed.",
        ),
        key("issuer", TEXTS, "Who may have issued it; default anybody whose key it is."),
        key("audience", TEXTS, "Whom it must be meant for, any of these; default asks nothing."),
        key(
            "algorithms",
            ALGORITHMS,
            "Algorithms that count; default all of them. Never `none`, never a shared secret.",
        ),
        key("claims", Kind::Map(&TEXTS), "Claims that must have one of these values: {role: [admin, ops]}."),
        key(
            "claims_to_headers",
            Kind::Map(&Kind::Text),
            "Claims that the upstream gets, as fields: {sub: x-user}. What the client says in them never counts.",
        ),
        key(
            "from",
            TOKEN_PLACES,
            "Where a token stands, in order: header (default), {cookie: t}, {query: t}, subprotocol. The last two for WebSocket; query for event streams too.",
        ),
        key("leeway", Kind::Duration, "How far clocks may differ; default 30s."),
    ],
};

const ALGORITHMS: Kind =
    Kind::OneOrList(&Kind::Words(&["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]));
const TOKEN_PLACES: Kind =
    Kind::OneOrList(&Kind::Or(&[Kind::Words(&["header", "subprotocol"]), Kind::Object(&TOKEN_PLACE)]));

pub(in crate::config) static TOKEN_PLACE: Object = Object {
    what: "where a token stands",
    name: "token_place",
    keys: &[
        key("cookie", Kind::Text, "In the cookie of this name."),
        key("query", Kind::Text, "In this parameter of the query, of WebSocket handshakes and event streams."),
    ],
};
