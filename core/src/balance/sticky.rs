//! Sessions that stay at their endpoint: a cookie that names it, signed so that nobody chooses for himself.
//!
//! The cookie's value is 32 bytes in base64url: a tag of the endpoint, the second in which it ends, and the first half
//! of an HMAC-SHA256 over both and the scope. The tag is a hash that anybody could make of a guessed address, so it goes
//! under a veil that takes the key to lift: no address can be read from it. Time and key are arguments.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::draw::hash;
use crate::config::{self, Address};
use crate::message::{Fields, Name};

const TAG: usize = 8;
const END: usize = 8;
const SIGNATURE: usize = 16;
const WHOLE: usize = TAG + END + SIGNATURE;
/// What an HMAC is made for, so that none can pass for another.
const SIGNS: u8 = 0;
const VEILS: u8 = 1;
/// 32 bytes in base64 without padding.
const TEXT: usize = 43;

/// What signs: kept in the state directory, the same for all workers and after a restart.
pub struct Key([u8; 32]);

impl Key {
    /// Takes 32 bytes that nobody can guess.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

/// The sticky sessions of an upstream, compiled.
#[derive(Debug)]
pub struct Sticky {
    cookie: String,
    ttl: Duration,
    when_set: Option<String>,
    /// What the cookie is good for: the group, or the upstream's name.
    scope: String,
    /// By place.
    tags: Box<[[u8; TAG]]>,
}

/// Where a cookie of ours binds a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bond {
    /// The place of the endpoint.
    pub place: usize,
    /// More than half of its time is over: it is worth a fresh one.
    pub old: bool,
}

impl Sticky {
    /// Compiles the sessions of an upstream; `None` where it has none of ours.
    #[must_use]
    pub fn compile(name: &str, upstream: &config::Upstream) -> Option<Self> {
        let Some(config::Sticky::Ours { cookie, ttl, when_set, group }) = &upstream.sticky else { return None };
        let scope = group.clone().unwrap_or_else(|| name.to_owned());
        let tag = |endpoint| hash(tagged(upstream, endpoint, group.is_some()).as_bytes()).to_be_bytes();
        let tags = upstream.endpoints.iter().map(tag).collect();
        Some(Self { cookie: cookie.clone(), ttl: *ttl, when_set: when_set.clone(), scope, tags })
    }

    /// Where the request's cookies bind its client, if one of them is ours and good at `now`, in seconds since 1970.
    #[must_use]
    pub fn bond(&self, fields: &Fields, head: &[u8], key: &Key, now: u64) -> Option<Bond> {
        let pairs = fields.named(Name::Cookie).flat_map(|field| field.value.of(head).split(|byte| *byte == b';'));
        pairs.filter_map(|pair| self.value(pair)).find_map(|value| self.read(value, key, now))
    }

    /// Writes the request's cookies without ours as one line into `out`, nothing where none is left; tells whether
    /// ours was among them.
    pub fn strip(&self, fields: &Fields, head: &[u8], out: &mut Vec<u8>) -> bool {
        let mut ours = false;
        out.clear();
        for field in fields.named(Name::Cookie) {
            for pair in field.value.of(head).split(|byte| *byte == b';') {
                if self.value(pair).is_some() {
                    ours = true;
                } else if !pair.trim_ascii().is_empty() {
                    out.extend_from_slice(if out.is_empty() { b"cookie: " } else { b"; " });
                    out.extend_from_slice(pair.trim_ascii());
                }
            }
        }
        if !out.is_empty() {
            out.extend_from_slice(b"\r\n");
        }
        ours
    }

    /// Whether an answer binds: always, or where it sets the application's own cookie.
    #[must_use]
    pub fn binds(&self, fields: &Fields, head: &[u8]) -> bool {
        let Some(name) = &self.when_set else { return true };
        let sets = |value: &[u8]| {
            value.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.trim_ascii_start().starts_with(b"="))
        };
        fields.matching(head, b"set-cookie").any(|field| sets(field.value.of(head).trim_ascii_start()))
    }

    /// Writes the line that binds a client to the endpoint at a place from `now` on.
    pub fn set(&self, place: usize, key: &Key, now: u64, secure: bool, out: &mut Vec<u8>) {
        let Some(tag) = self.tags.get(place) else { return };
        let seconds = self.ttl.as_secs();
        let end = (now + seconds).to_be_bytes();
        let mut whole = [0; WHOLE];
        whole[..TAG].copy_from_slice(tag);
        whole[TAG..TAG + END].copy_from_slice(&end);
        let signature = self.mac(SIGNS, &whole[..TAG + END], key).finalize().into_bytes();
        whole[TAG + END..].copy_from_slice(&signature[..SIGNATURE]);
        self.veil(&mut whole, key);
        let mut text = [0; TEXT];
        // 32 bytes fill 43 characters exactly.
        let _ = URL_SAFE_NO_PAD.encode_slice(whole, &mut text);
        out.extend_from_slice(b"set-cookie: ");
        out.extend_from_slice(self.cookie.as_bytes());
        out.push(b'=');
        out.extend_from_slice(&text);
        out.extend_from_slice(format!("; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax").as_bytes());
        out.extend_from_slice(if secure { b"; Secure\r\n" } else { b"\r\n" });
    }

    /// The value of a pair, where it is our cookie.
    fn value<'a>(&self, pair: &'a [u8]) -> Option<&'a [u8]> {
        pair.trim_ascii().strip_prefix(self.cookie.as_bytes())?.strip_prefix(b"=")
    }

    fn read(&self, value: &[u8], key: &Key, now: u64) -> Option<Bond> {
        let mut whole = [0; WHOLE];
        let length = (value.len() == TEXT).then(|| URL_SAFE_NO_PAD.decode_slice(value, &mut whole).ok())??;
        self.veil(&mut whole, key);
        let (said, signature) = whole.get(..length)?.split_at_checked(TAG + END)?;
        // Compared in constant time.
        self.mac(SIGNS, said, key).verify_truncated_left(signature).ok()?;
        let (tag, end) = said.split_at_checked(TAG)?;
        let left = u64::from_be_bytes(end.try_into().ok()?).checked_sub(now).filter(|left| *left > 0)?;
        let place = self.tags.iter().position(|known| known == tag)?;
        Some(Bond { place, old: left < self.ttl.as_secs() / 2 })
    }

    /// Lays the veil over the tag, or lifts it. It is another one for each signature.
    fn veil(&self, whole: &mut [u8; WHOLE], key: &Key) {
        let veil = self.mac(VEILS, &whole[TAG + END..], key).finalize().into_bytes();
        whole[..TAG].iter_mut().zip(veil).for_each(|(byte, by)| *byte ^= by);
    }

    /// An HMAC for one of two ends.
    fn mac(&self, end: u8, said: &[u8], key: &Key) -> Hmac<Sha256> {
        // A key shorter than a block of the hash is filled up with zeros (RFC 2104 §2).
        let mut block = [0; 64];
        block[..32].copy_from_slice(&key.0);
        let mut mac = Hmac::<Sha256>::new(&block.into());
        mac.update(self.scope.as_bytes());
        mac.update(&[end]);
        mac.update(said);
        mac
    }
}

/// By what an endpoint is known in a cookie: its address as written. In a group its host alone, where that tells the
/// endpoints apart: HTTP and WebSocket of one server have different ports.
fn tagged<'e>(upstream: &config::Upstream, endpoint: &'e config::Endpoint, group: bool) -> &'e str {
    let same = |other: &&config::Endpoint| host(other) == host(endpoint);
    if group && upstream.endpoints.iter().filter(same).count() == 1 { host(endpoint) } else { &endpoint.written }
}

fn host(endpoint: &config::Endpoint) -> &str {
    match &endpoint.address {
        Address::Ip(..) | Address::Name(..) => {
            let address = endpoint.written.rsplit_once("//").map_or(endpoint.written.as_str(), |(_, rest)| rest);
            address.rsplit_once(':').map_or(address, |(host, _)| host)
        }
        Address::Loopback(_) | Address::Unix(_) | Address::Srv(_) => endpoint.written.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Endpoint, Upstream};
    use crate::http1::{HeadLimits, Progress, RequestHead};

    const NOW: u64 = 1_800_000_000;
    const KEY: Key = Key::new([7; 32]);

    fn sticky(name: &str, group: Option<&str>, addresses: &[&str]) -> Sticky {
        let endpoint = |written: &&str| Endpoint::at((*written).to_owned(), Address::Name("x".to_owned(), 80));
        let ours = config::Sticky::Ours {
            cookie: "sb".to_owned(),
            ttl: Duration::from_secs(7200),
            when_set: None,
            group: group.map(str::to_owned),
        };
        let upstream = Upstream { sticky: Some(ours), ..Upstream::of(addresses.iter().map(endpoint).collect()) };
        Sticky::compile(name, &upstream).unwrap()
    }

    fn head(cookies: &[&str]) -> (RequestHead, Vec<u8>) {
        let lines: String = cookies.iter().map(|cookie| format!("Cookie: {cookie}\r\n")).collect();
        let bytes = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n").into_bytes();
        let mut head = RequestHead::default();
        let limits = HeadLimits::from(&config::Limits::default());
        assert_eq!(head.parse(&bytes, &limits), Ok(Progress::Complete));
        (head, bytes)
    }

    #[test]
    fn no_address_can_be_guessed_from_it() {
        let one = sticky("api", None, &["10.0.0.1:80", "10.0.0.2:80"]);
        let bytes = |place| URL_SAFE_NO_PAD.decode(value(&one, place)).unwrap();
        for (place, written) in ["10.0.0.1:80", "10.0.0.2:80"].into_iter().enumerate() {
            assert_ne!(&bytes(place)[..TAG], hash(written.as_bytes()).to_be_bytes());
        }
        // Nor from two of one second: each has a veil of its own.
        let apart = |one: &[u8], other: &[u8]| one.iter().zip(other).map(|(a, b)| a ^ b).collect::<Vec<u8>>();
        let tags = ["10.0.0.1:80", "10.0.0.2:80"].map(|written| hash(written.as_bytes()).to_be_bytes());
        assert_ne!(apart(&bytes(0)[..TAG], &bytes(1)[..TAG]), apart(&tags[0], &tags[1]));
    }

    fn value(sticky: &Sticky, place: usize) -> String {
        let mut line = Vec::new();
        sticky.set(place, &KEY, NOW, false, &mut line);
        let line = String::from_utf8(line).unwrap();
        assert!(line.ends_with("; Path=/; Max-Age=7200; HttpOnly; SameSite=Lax\r\n"), "{line}");
        line["set-cookie: sb=".len()..].split(';').next().unwrap().to_owned()
    }

    fn bond(sticky: &Sticky, cookie: &str, now: u64) -> Option<Bond> {
        let (head, bytes) = head(&["a=b", &format!("c=d; sb={cookie}; e=f")]);
        sticky.bond(&head.fields, &bytes, &KEY, now)
    }

    #[test]
    fn a_cookie_binds_until_it_ends_and_in_its_scope_alone() {
        let one = sticky("one", None, &["a:1", "b:1", "c:1"]);
        let cookie = value(&one, 1);
        assert_eq!(bond(&one, &cookie, NOW), Some(Bond { place: 1, old: false }));
        assert_eq!(bond(&one, &cookie, NOW + 4000), Some(Bond { place: 1, old: true }));
        assert_eq!(bond(&one, &cookie, NOW + 7200), None);
        let check = |other: Sticky, expect: Option<usize>| {
            assert_eq!(bond(&other, &cookie, NOW).map(|bond| bond.place), expect, "{other:?}");
        };
        check(sticky("one", None, &["x:1", "c:1", "b:1"]), Some(2));
        check(sticky("one", None, &["a:1", "b:2", "c:1"]), None);
        check(sticky("two", None, &["a:1", "b:1", "c:1"]), None);
        let other = sticky("one", None, &["a:1", "b:1"]);
        let (head, bytes) = head(&[&format!("sb={cookie}")]);
        assert_eq!(other.bond(&head.fields, &bytes, &Key::new([8; 32]), NOW), None, "another key");
    }

    #[test]
    fn a_group_is_shared_by_host() {
        let web = sticky("web", Some("app"), &["http://a:3000", "b:3000"]);
        let socket = sticky("socket", Some("app"), &["b:3001", "ws://a:3001"]);
        assert_eq!(bond(&socket, &value(&web, 0), NOW).map(|bond| bond.place), Some(1));
        assert_eq!(bond(&web, &value(&socket, 0), NOW).map(|bond| bond.place), Some(1));
        let one_host = sticky("web", Some("app"), &["a:3000", "a:3001"]);
        assert_eq!(bond(&one_host, &value(&one_host, 1), NOW).map(|bond| bond.place), Some(1));
    }

    #[test]
    fn no_changed_cookie_is_believed() {
        let one = sticky("one", None, &["a:1", "b:1"]);
        let cookie = value(&one, 1);
        for at in 0..cookie.len() {
            let mut other = cookie.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(bond(&one, std::str::from_utf8(&other).unwrap(), NOW), None, "{at}");
        }
        for cookie in ["", "x", "é", &cookie[1..], &format!("{cookie}A"), &"=".repeat(43)] {
            assert_eq!(bond(&one, cookie, NOW), None, "{cookie}");
        }
    }

    #[test]
    fn ours_is_taken_out_and_the_others_stay() {
        let one = sticky("one", None, &["a:1"]);
        let check = |cookies: &[&str], ours: bool, expect: &str| {
            let (head, bytes) = head(cookies);
            let mut out = b"left over".to_vec();
            assert_eq!(one.strip(&head.fields, &bytes, &mut out), ours, "{cookies:?}");
            assert_eq!(String::from_utf8(out).unwrap(), expect, "{cookies:?}");
        };
        check(&["sb=x"], true, "");
        check(&["a=b; sb=x;c=d", "e=f"], true, "cookie: a=b; c=d; e=f\r\n");
        check(&["sbx=1; xsb=2"], false, "cookie: sbx=1; xsb=2\r\n");
        check(&[], false, "");
    }
}
