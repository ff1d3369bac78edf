//! What is allowed in a configuration and probably not meant, in words.
//!
//! `raw` reports these; whoever runs the proxy reads them before anything goes wrong, so each names its mend.

use super::error::Quoted;
use std::fmt;

/// What is allowed and probably not meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WarningKind {
    /// An origin has a path, which is no part of it; what is left is used.
    OriginPath(String),
    /// The last rule of a route has a `when`.
    NothingAnswers(String),
    /// Rules behind one that always answers, counted from 1.
    NeverAsked {
        /// The rule that always answers.
        before: usize,
        /// The first that is never asked.
        first: usize,
        /// The last of them.
        last: usize,
        /// Whether one of them has a `when`.
        conditions: bool,
    },
    /// The file has no routes.
    NoRoutes,
    /// A listener at the port of HTTPS without TLS; as it is written.
    PlainHttps(String),
    /// Another proxy's variable in a template.
    Variable {
        /// As it is written there.
        written: String,
        /// What is written here.
        meant: String,
    },
    /// No rule can answer on this listener.
    Unreached(String),
    /// An endpoint at a public address is spoken to in plain HTTP.
    PlainHttp(String),
    /// An endpoint is a listener of this proxy.
    OwnAddress {
        /// The address as written.
        address: String,
        /// The listener's name.
        listener: String,
    },
    /// A `max_body` above what the level around it allows.
    NoEffect,
    /// Something about a certificate, in words.
    Certificate(String),
    /// A rule leaves the bounds of the levels around it.
    NotInherited,
    /// Texts under this key have a claim in them, and the rule verifies no token.
    NoClaims(&'static str),
    /// A rule wants client certificates, and no listener asks for one.
    NoCertificates,
    /// A directory of `files:` that is not there.
    NoDirectory(String),
}

impl fmt::Display for WarningKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OriginPath(origin) => write!(f, "a path is no part of an origin; {} is used", Quoted(origin)),
            Self::NothingAnswers(route) => write!(
                f,
                "the last rule of {} has a `when`: what it refuses goes to a shorter path of the host or gets 404 \
                 `no_route`; add a rule without `when` at the end",
                Quoted(route)
            ),
            Self::NeverAsked { before, first, last, conditions } => {
                match first == last {
                    true => write!(f, "rule {first} is never asked")?,
                    false => write!(f, "rules {first} to {last} are never asked")?,
                }
                write!(f, ": rule {before} before has no `when`; ")?;
                match conditions {
                    true => write!(f, "put rule {before} last"),
                    false => f.write_str("to share requests out write both addresses in one rule, `to: [ … ]`"),
                }
            }
            Self::NoRoutes => write!(
                f,
                "there are no routes: every request gets 404 until one is written under `routes:` or registered by \
                 `switchboard route add`; `routes: {{}}` says that this is meant"
            ),
            Self::PlainHttps(bind) => {
                write!(f, "port 443 without `tls`: this speaks plain HTTP; write {{ bind: {bind}, tls: auto }}")
            }
            Self::Variable { written, meant } => {
                write!(f, "`{written}` is sent as it stands; the fact is {meant}")
            }
            Self::Unreached(name) => {
                write!(f, "no rule can answer on the listener {}: each asks for another one", Quoted(name))
            }
            Self::PlainHttp(address) => {
                write!(f, "{} is a public address: plain HTTP can be read and changed on the way", Quoted(address))
            }
            Self::OwnAddress { address, listener } => write!(
                f,
                "{} is this proxy's own listener {}: where the same rule answers there, requests go round and get 508 `loop`; \
                 write the address of the server that is meant",
                Quoted(address),
                Quoted(listener)
            ),
            Self::Certificate(words) => f.write_str(words),
            Self::NoEffect => write!(
                f,
                "this has no effect: the `max_body` of `defaults` is smaller, and every level must let a request pass; \
                 lower this one, raise that one, or say `inherit: false`"
            ),
            Self::NotInherited => {
                write!(f, "what `defaults` and the listener forbid does not bind this rule (`inherit: false`)")
            }
            Self::NoClaims(key) => write!(
                f,
                "`{key}` names a claim, and this rule verifies no token: what it says is always empty; add `jwt`, or take \
                 the claim out"
            ),
            Self::NoCertificates => write!(
                f,
                "no listener asks clients for certificates, so nobody has one: add `client_auth: request` and `client_ca` \
                 to the `tls` of a listener"
            ),
            Self::NoDirectory(path) => {
                write!(f, "there is no directory {}; until there is, no file is found", Quoted(path))
            }
        }
    }
}
