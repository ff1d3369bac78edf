//! The form in which all HTTP versions meet: a head that is one buffer and a flat list of ranges into it.
//!
//! The HTTP/1 codec fills it, routing and policies read it, the writer copies runs of untouched lines out of it.
//! Nothing here parses; nothing here allocates per field.

use std::ops::Range;

/// A range of bytes in the buffer of a head. 32 bits: a head is at most `limits.head`, far below 4 GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// The byte behind the last.
    pub end: u32,
}

impl Span {
    /// The bytes that it stands for.
    #[must_use]
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.range()).unwrap_or_default()
    }

    /// As a range of indices.
    #[must_use]
    pub const fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// One field line of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Which of the names that the proxy cares about it is.
    pub name_id: Name,
    /// The name as written.
    pub name: Span,
    /// The value, without white space around it (RFC 9110 §5.5).
    pub value: Span,
    /// The whole line with its CRLF, so that untouched lines are copied in runs.
    pub line: Span,
    /// Whether the line is not to be forwarded.
    pub dropped: bool,
}

impl Field {
    /// Whether it has this name, which is also its id's where that is a known one. `bytes` is the head's buffer.
    #[must_use]
    pub fn is_called(&self, bytes: &[u8], id: Name, name: &str) -> bool {
        self.name_id == id && (id != Name::Other || self.name.of(bytes).eq_ignore_ascii_case(name.as_bytes()))
    }
}

/// The field lines of one head, in order. Reused from message to message: clearing keeps the capacity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    list: Vec<Field>,
}

impl Fields {
    /// Makes an empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self { list: Vec::new() }
    }

    /// Forgets all lines and keeps the memory.
    pub fn clear(&mut self) {
        self.list.clear();
    }

    /// Adds a line at the end.
    pub fn push(&mut self, field: Field) {
        self.list.push(field);
    }

    /// All lines, dropped ones too.
    #[must_use]
    pub fn all(&self) -> &[Field] {
        &self.list
    }

    /// All lines, to mark some as dropped.
    pub fn all_mut(&mut self) -> &mut [Field] {
        &mut self.list
    }

    /// The lines with a known name that are not dropped.
    pub fn named(&self, name: Name) -> impl Iterator<Item = &Field> {
        self.list.iter().filter(move |f| f.name_id == name && !f.dropped)
    }

    /// The lines whose name equals `name` without regard to case and that are not dropped. `bytes` is the head's buffer.
    pub fn matching<'a>(&'a self, bytes: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = &'a Field> {
        self.list.iter().filter(move |f| !f.dropped && f.name.of(bytes).eq_ignore_ascii_case(name))
    }
}

macro_rules! names {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// The field names that the proxy itself reads, sets or strips; all others are `Other`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Name {
            $(#[doc = concat!("`", $text, "`")] $variant,)*
            /// Any other name.
            Other,
        }

        impl Name {
            /// Every known name, in the order of the list below.
            const KNOWN: &[(Self, &[u8])] = &[$((Self::$variant, $text.as_bytes()),)*];
        }
    };
}

impl Name {
    /// Finds a name without regard to case.
    #[must_use]
    #[inline(always)]
    pub fn find(name: &[u8]) -> Self {
        match Self::KNOWN.get(usize::from(SLOTS[slot(name, MULTIPLIER)])) {
            Some((known, text)) if same(name, text) => *known,
            _ => Self::Other,
        }
    }
}

/// Which of [`Name::KNOWN`] a name can be at most, by its slot; 255 is none. Made by the compiler, so that finding a name
/// is one look and one comparison, and a new name is one line in the list.
static SLOTS: [u8; SLOT_COUNT] = match slots(MULTIPLIER) {
    Some(slots) => slots,
    None => panic!("the multiplier was chosen because it has slots"),
};
const SLOT_COUNT: usize = 512;
const MULTIPLIER: u32 = {
    let mut multiplier = 0x9E37_79B1_u32;
    while slots(multiplier).is_none() {
        multiplier = multiplier.wrapping_add(2);
    }
    multiplier
};

/// Gives each known name a slot of its own; `None` where two would share one.
const fn slots(multiplier: u32) -> Option<[u8; SLOT_COUNT]> {
    let mut slots = [255; SLOT_COUNT];
    let mut index = 0_u8;
    while (index as usize) < Name::KNOWN.len() {
        let slot = slot(Name::KNOWN[index as usize].1, multiplier);
        if slots[slot] != 255 {
            return None;
        }
        slots[slot] = index;
        index += 1;
    }
    Some(slots)
}

/// The slot of a name, by its length, its first byte and its last two, which no two known names share.
const fn slot(name: &[u8], multiplier: u32) -> usize {
    match name {
        [first, .., before, last] => {
            let key = u32::from_le_bytes([*first, *before, *last, 0]) | 0x0020_2020;
            #[expect(
                clippy::cast_possible_truncation,
                reason = "eight bits of the length are enough to tell names apart"
            )]
            let key = key | (name.len() as u32) << 24;
            (key.wrapping_mul(multiplier) >> 23) as usize
        }
        _ => 0,
    }
}

/// Whether `name` is the known name `text`, which has lower-case letters, digits and `-` only, without regard to case.
///
/// Nearly all that browsers send has 4 to 16 bytes: two words that overlap.
#[inline(always)]
fn same(name: &[u8], text: &[u8]) -> bool {
    let long = |bytes: &[u8]| Some((bytes.first_chunk().copied()?, bytes.last_chunk().copied()?));
    let short = |bytes: &[u8]| Some((bytes.first_chunk().copied()?, bytes.last_chunk().copied()?));
    if name.len() != text.len() {
        return false;
    }
    if name.len() > 16 {
        return name.eq_ignore_ascii_case(text);
    }
    if let (Some((first, last)), Some((text_first, text_last))) = (long(name), long(text)) {
        let word = u64::from_le_bytes;
        return same_word(word(first), word(text_first)) && same_word(word(last), word(text_last));
    }
    if let (Some((first, last)), Some((text_first, text_last))) = (short(name), short(text)) {
        let word = |bytes| u64::from(u32::from_le_bytes(bytes));
        return same_word(word(first), word(text_first)) && same_word(word(last), word(text_last));
    }
    name.eq_ignore_ascii_case(text)
}

/// Compares bytes of a name with bytes of a known one. Of those only letters have the bit 0x40: it tells where 0x20 is free.
#[inline(always)]
const fn same_word(name: u64, text: u64) -> bool {
    name | ((text >> 1) & 0x2020_2020_2020_2020) == text
}

names! {
    Host = "host",
    Connection = "connection",
    KeepAlive = "keep-alive",
    ProxyConnection = "proxy-connection",
    ContentLength = "content-length",
    TransferEncoding = "transfer-encoding",
    Te = "te",
    Trailer = "trailer",
    Upgrade = "upgrade",
    Expect = "expect",
    ContentType = "content-type",
    Accept = "accept",
    Authorization = "authorization",
    ProxyAuthorization = "proxy-authorization",
    ProxyAuthenticate = "proxy-authenticate",
    ProxyAuthenticationInfo = "proxy-authentication-info",
    Proxy = "proxy",
    Cookie = "cookie",
    SetCookie = "set-cookie",
    CacheControl = "cache-control",
    UserAgent = "user-agent",
    Via = "via",
    MaxForwards = "max-forwards",
    Forwarded = "forwarded",
    XForwardedFor = "x-forwarded-for",
    XForwardedProto = "x-forwarded-proto",
    XForwardedHost = "x-forwarded-host",
    XForwardedPort = "x-forwarded-port",
    XForwardedPrefix = "x-forwarded-prefix",
    XForwardedServer = "x-forwarded-server",
    XRealIp = "x-real-ip",
    XRequestId = "x-request-id",
    XOriginalUrl = "x-original-url",
    XRewriteUrl = "x-rewrite-url",
    SecWebSocketKey = "sec-websocket-key",
    SecWebSocketVersion = "sec-websocket-version",
    SecWebSocketAccept = "sec-websocket-accept",
    SecWebSocketProtocol = "sec-websocket-protocol",
    SecWebSocketExtensions = "sec-websocket-extensions",
    Http2Settings = "http2-settings",
    Origin = "origin",
}

/// The HTTP version of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1, and any 1.x above it (RFC 9110 §2.5).
    #[default]
    Http11,
    /// HTTP/2
    Http2,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case_and_nothing_else_is() {
        for (known, text) in Name::KNOWN {
            assert_eq!(Name::find(text), *known);
            assert_eq!(Name::find(&text.to_ascii_uppercase()), *known);
            for at in 0..text.len() {
                // A change of any bit of any byte, but for the one that is the case of a letter.
                for bit in (0..8).filter(|bit| *bit != 5 || !text[at].is_ascii_alphabetic()) {
                    let mut other = text.to_vec();
                    other[at] ^= 1 << bit;
                    assert_eq!(Name::find(&other), Name::Other, "{}", other.escape_ascii());
                }
            }
            for other in [&text[1..], &text[..text.len() - 1], &[text, b"x".as_slice()].concat()] {
                assert_ne!(Name::find(other), *known);
            }
        }
        assert_eq!(Name::find(b""), Name::Other);
    }
}
