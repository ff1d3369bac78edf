//! Whose event stream it is: what a ring of events is kept under, and found again by.

use sha2::{Digest, Sha256};

use crate::config::sse::SessionKey;
use crate::message::{Fields, Name};
use crate::policy::who::Who;

/// A session's name: a digest, so that no secret of a client's is kept.
pub type SessionId = [u8; 32];

/// What of a request tells sessions apart.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// The request's field lines.
    pub fields: &'a Fields,
    /// The head's buffer.
    pub head: &'a [u8],
    /// The target as it came.
    pub target: &'a [u8],
    /// Whom the rule's identities have found; `None` where it has none.
    pub who: Option<&'a Who>,
    /// The fingerprint of the client's certificate; empty without one.
    pub certificate: &'a [u8],
}

/// Names a request's session: its host and target, whoever asks (`Authorization`, what identities accepted and what they say
/// of it, certificate), and the value of `key`. `None` where it has no such value, or several: nothing is shared by those who have none.
///
/// A field is more easily made up than a cookie is guessed: where sessions are told apart by one, all cookies count too.
#[must_use]
pub fn session(asker: &Asker<'_>, key: &SessionKey) -> Option<SessionId> {
    let Asker { fields, head, target, who, certificate } = *asker;
    // What a policy keeps from the endpoint tells apart all the same.
    let all = |name: Name| {
        let lines = fields.all().iter().filter(move |field| field.name_id == name);
        lines.map(|field| field.value.of(head)).collect::<Vec<_>>().join(&0)
    };
    let value = match key {
        SessionKey::Cookie(name) => {
            let lines = fields.all().iter().filter(|field| field.name_id == Name::Cookie);
            let pairs = lines.flat_map(|field| field.value.of(head).split(|byte| *byte == b';'));
            only(pairs.filter_map(|pair| pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"=")))?
        }
        SessionKey::Header(name) => only(fields.matching(head, name.as_bytes()).map(|field| field.value.of(head)))?,
    };
    let cookies = match key {
        SessionKey::Cookie(_) => Vec::new(),
        SessionKey::Header(_) => all(Name::Cookie),
    };
    let mut digest = Sha256::new();
    let (lines, evidence) = who.map_or((&[][..], &[][..]), |who| (&who.lines, who.evidence()));
    for part in [value, &cookies, target, &all(Name::Host), &all(Name::Authorization), lines, evidence, certificate] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    Some(digest.finalize().into())
}

/// The one value, which is not empty.
fn only<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    let value = values.next().filter(|value| !value.is_empty())?;
    values.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::{HeadLimits, RequestHead};

    const LIMITS: HeadLimits = HeadLimits { head: 4096, field: 1024, fields: 20, target: 1024 };

    fn of(lines: &str, target: &str, who: Option<&Who>, certificate: &str, key: &SessionKey) -> Option<SessionId> {
        let bytes = format!("GET {target} HTTP/1.1\r\nHost: t.test\r\n{lines}\r\n").into_bytes();
        let mut head = RequestHead::default();
        head.parse(&bytes, &LIMITS).unwrap();
        let target = head.target.of(&bytes);
        let certificate = certificate.as_bytes();
        session(&Asker { fields: &head.fields, head: &bytes, target, who, certificate }, key)
    }

    #[test]
    fn never_two_principals_in_one_session() {
        let cookie = SessionKey::Cookie("sid".to_owned());
        let one = of("Cookie: a=1; sid=x; b=2\r\n", "/e", None, "", &cookie);
        assert!(one.is_some());
        assert_eq!(of("Cookie: b=3\r\nCookie: sid=x\r\n", "/e", None, "", &cookie), one, "other cookies come and go");
        let told = Who::of(b"x-user: eve\r\n", &[]);
        let [by_key, by_another] = [b"1", b"2"].map(|key| Who::of(b"", &[key]));
        for (lines, target, who, certificate) in [
            ("Cookie: sid=y\r\n", "/e", None, ""),
            ("Cookie: sid=x\r\n", "/e?topic=2", None, ""),
            ("Cookie: sid=x\r\nAuthorization: Bearer t\r\n", "/e", None, ""),
            ("Cookie: sid=x\r\n", "/e", Some(&told), ""),
            ("Cookie: sid=x\r\n", "/e", Some(&by_key), ""),
            ("Cookie: sid=x\r\n", "/e", None, "fingerprint"),
        ] {
            let other = of(lines, target, who, certificate, &cookie);
            assert!(other.is_some() && other != one, "{lines} {target} {who:?} {certificate}");
        }
        let by = |who| of("Cookie: sid=x\r\n", "/e", Some(who), "", &cookie);
        assert_ne!(by(&by_key), by(&by_another));
        for lines in ["", "Cookie: sid=\r\n", "Cookie: sid=x; sid=y\r\n", "Cookie: xsid=x\r\n", "Cookie: sid2=x\r\n"] {
            assert_eq!(of(lines, "/e", None, "", &cookie), None, "{lines}");
        }
        let header = SessionKey::Header("x-session".to_owned());
        let one = of("X-Session: x\r\nCookie: auth=1\r\n", "/e", None, "", &header);
        assert!(one.is_some());
        assert_ne!(of("X-Session: x\r\nCookie: auth=2\r\n", "/e", None, "", &header), one);
        assert_eq!(of("Cookie: auth=1\r\n", "/e", None, "", &header), None);
    }
}
