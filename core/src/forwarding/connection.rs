//! `Connection`: what a peer asks of this hop, and the fields that it nominates for removal (RFC 9110 §7.6.1).
//!
//! Read by `request` and `response`. It never removes a field that framing, routing or identity rests on: a message
//! that nominates one of those is refused, for the two readings of it would differ in what they mean.

use crate::message::{Fields, Name};

/// The most options that one message may carry, over all its `Connection` lines.
const MAX_OPTIONS: u32 = 32;

/// The options of one message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    pub(super) upgrade: bool,
    pub(super) te: bool,
    /// Whether some option is none of the above, so that fields must be looked up.
    pub(super) nominates: bool,
    /// Whether some option is not a token.
    pub(super) malformed: bool,
    count: u32,
}

/// `Connection` nominates a field that must not be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Protected;

impl Options {
    /// Takes in the value of one `Connection` line. Empty list elements are ignored (RFC 9110 §5.6.1.2).
    pub(super) fn add(&mut self, value: &[u8]) {
        // What nearly every client that says anything says, without the walk below.
        if value == b"keep-alive" {
            self.count += 1;
            self.keep_alive = true;
        } else {
            options(value).for_each(|option| self.option(option));
        }
    }

    fn option(&mut self, option: &[u8]) {
        self.count += 1;
        if option.eq_ignore_ascii_case(b"close") {
            self.close = true;
        } else if option.eq_ignore_ascii_case(b"keep-alive") {
            self.keep_alive = true;
        } else if option.eq_ignore_ascii_case(b"upgrade") {
            self.upgrade = true;
        } else if option.eq_ignore_ascii_case(b"te") {
            self.te = true;
        } else if option.iter().all(|&byte| is_token_byte(byte)) {
            self.nominates = true;
        } else {
            self.malformed = true;
        }
    }

    /// Whether there are more options than one message may carry.
    pub(super) const fn too_many(&self) -> bool {
        self.count > MAX_OPTIONS
    }
}

/// The options of a `Connection` value, without white space around them; empty ones are left out.
pub(super) fn options(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|option| !option.is_empty())
}

/// Marks the fields that the `Connection` lines nominate as dropped. An option that names no field of the message does
/// nothing, and so does one that is no token.
pub(super) fn drop_nominated(fields: &mut Fields, bytes: &[u8]) -> Result<(), Protected> {
    // By index, for the list is read and changed at once. Both bounds are small: 32 options, `limits.fields` lines.
    for at in 0..fields.all().len() {
        let Some(line) = fields.all().get(at).copied().filter(|line| line.name_id == Name::Connection) else {
            continue;
        };
        for option in options(line.value.of(bytes)) {
            let name = Name::find(option);
            if is_protected(name, option) {
                return Err(Protected);
            }
            // These the writers leave out in any case, and a condition may ask for `Upgrade`.
            if matches!(name, Name::Connection | Name::KeepAlive | Name::Te | Name::Upgrade) {
                continue;
            }
            for field in fields.all_mut() {
                if field.name_id == name && field.name.of(bytes).eq_ignore_ascii_case(option) {
                    field.dropped = true;
                }
            }
        }
    }
    Ok(())
}

/// Tells whether removing the field would change what the message means, whom it is for or who sent it.
fn is_protected(name: Name, option: &[u8]) -> bool {
    match name {
        Name::Host
        | Name::ContentLength
        | Name::TransferEncoding
        | Name::ContentType
        | Name::Expect
        | Name::Authorization
        | Name::Cookie
        | Name::SetCookie
        | Name::CacheControl
        | Name::Origin
        | Name::SecWebSocketKey
        | Name::SecWebSocketVersion
        | Name::SecWebSocketAccept
        | Name::SecWebSocketProtocol
        | Name::SecWebSocketExtensions => true,
        Name::Other => option.get(..8).is_some_and(|head| head.eq_ignore_ascii_case(b"content-")),
        Name::Connection
        | Name::KeepAlive
        | Name::ProxyConnection
        | Name::Te
        | Name::Trailer
        | Name::Upgrade
        | Name::Accept
        | Name::ProxyAuthorization
        | Name::ProxyAuthenticate
        | Name::ProxyAuthenticationInfo
        | Name::Proxy
        | Name::UserAgent
        | Name::Via
        | Name::MaxForwards
        | Name::Forwarded
        | Name::XForwardedFor
        | Name::XForwardedProto
        | Name::XForwardedHost
        | Name::XForwardedPort
        | Name::XForwardedPrefix
        | Name::XForwardedServer
        | Name::XRealIp
        | Name::XRequestId
        | Name::XOriginalUrl
        | Name::XRewriteUrl
        | Name::Http2Settings => false,
    }
}

/// Tells whether a byte may stand in a token (RFC 9110 §5.6.2).
pub(super) const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}
