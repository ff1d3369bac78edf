//! Who asks: what a request shows of itself, and what the ways of a rule to know it look at.
//!
//! Here is what can be decided on the spot. Passwords take their time and another service has to be asked, so the
//! exchange does both between the two halves of the chain. Nothing here keeps a password.

mod basic;

use sha2::{Digest as _, Sha256};

use super::Refusal;
use super::forward::Forward;
use super::jwt::Jwt;
use super::who::Who;
use crate::config::{self, Policies, WayKind};
use crate::message::{Field, Fields, Name};
use crate::reason::Reason;

pub use basic::{Attempt, Basic, Guesses, has_sha};

/// What a request has to prove. Of both lists those come first that cost least.
#[derive(Debug)]
pub struct Identity {
    /// Each of these must hold.
    pub all: Box<[Way]>,
    /// One of these must hold, where there are any.
    pub any: Box<[Way]>,
}

/// A way to prove it.
#[derive(Debug)]
pub enum Way {
    /// `client_cert`
    Certificate(Certificate),
    /// `api_keys`
    Keys(Keys),
    /// `jwt`
    Jwt(Jwt),
    /// `basic_auth`
    Basic(Basic),
    /// `forward_auth`
    Forward(Forward),
}

impl Identity {
    pub(super) fn compile(written: &Policies) -> Option<Self> {
        let certificate = written.client_cert.as_ref().map(|one| Way::Certificate(Certificate::compile(one)));
        let keys = written.api_keys.as_ref().map(|keys| Way::Keys(Keys::compile(keys)));
        let jwt = written.jwt.as_ref().map(|jwt| Way::Jwt(Jwt::compile(jwt)));
        let basic = written.basic_auth.as_ref().map(|basic| Way::Basic(Basic::compile(basic)));
        let forward = written.forward_auth.as_ref().map(|forward| Way::Forward(Forward::compile(forward)));
        let ways = [certificate, keys, jwt, basic, forward].into_iter().flatten();
        let (any, all): (Vec<Way>, Vec<Way>) = ways.partition(|way| written.auth_any.contains(&way.kind()));
        (!any.is_empty() || !all.is_empty()).then(|| Self { all: all.into(), any: any.into() })
    }

    /// All of its ways.
    pub fn ways(&self) -> impl Iterator<Item = &Way> {
        self.all.iter().chain(&self.any)
    }

    pub(super) fn ways_mut(&mut self) -> impl Iterator<Item = &mut Way> {
        self.all.iter_mut().chain(&mut self.any)
    }

    /// What its token must be, where one of the ways is that.
    #[must_use]
    pub fn jwt(&self) -> Option<&Jwt> {
        self.ways().find_map(|way| match way {
            Way::Jwt(jwt) => Some(jwt),
            Way::Certificate(_) | Way::Keys(_) | Way::Basic(_) | Way::Forward(_) => None,
        })
    }

    /// Those of its ways that ask for a password.
    pub fn passwords(&self) -> impl Iterator<Item = &Basic> {
        self.ways().filter_map(|way| match way {
            Way::Basic(basic) => Some(basic),
            Way::Certificate(_) | Way::Keys(_) | Way::Jwt(_) | Way::Forward(_) => None,
        })
    }

    /// The parameters of a query in which credentials may stand: no log has their values.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.jwt().into_iter().flat_map(Jwt::parameters)
    }

    /// Takes away what the client says of itself in the fields that ways write: before they look, all but what they may
    /// know it by; once they have looked, that too.
    pub fn forget_claims(&self, fields: &mut Fields, bytes: &[u8], looked: bool) {
        for field in fields.all_mut() {
            field.dropped |= self.tells(field, bytes) && (looked || !self.reads(field, bytes));
        }
    }

    fn tells(&self, field: &Field, bytes: &[u8]) -> bool {
        self.ways().any(|way| match way {
            Way::Forward(forward) => forward.tells(field, bytes),
            Way::Jwt(jwt) => jwt.tells(field, bytes),
            Way::Certificate(_) | Way::Keys(_) | Way::Basic(_) => false,
        })
    }

    /// Whether credentials stand in this field.
    fn reads(&self, field: &Field, bytes: &[u8]) -> bool {
        matches!(field.name_id, Name::Authorization | Name::Cookie | Name::SecWebSocketProtocol)
            || self.ways().any(|way| matches!(way, Way::Keys(keys) if keys.reads(field, bytes)))
    }

    /// The ways in words.
    pub(super) fn words(&self) -> String {
        let names = |ways: &[Way]| ways.iter().map(|way| way.kind().key()).collect::<Vec<_>>();
        let (all, any) = (names(&self.all).join(" and "), names(&self.any).join(" or "));
        match (all.is_empty(), any.is_empty()) {
            (false, true) => format!("{all}, else 401"),
            (true, _) => format!("{any}, else 401"),
            (false, false) if self.any.len() > 1 => format!("{all} and ({any}), else 401"),
            (false, false) => format!("{all} and {any}, else 401"),
        }
    }
}

impl Way {
    /// By which key it is written.
    const fn kind(&self) -> WayKind {
        match self {
            Self::Certificate(_) => WayKind::ClientCert,
            Self::Keys(_) => WayKind::ApiKeys,
            Self::Jwt(_) => WayKind::Jwt,
            Self::Basic(_) => WayKind::BasicAuth,
            Self::Forward(_) => WayKind::ForwardAuth,
        }
    }
}

/// What a client's certificate says, once the handshake has verified it.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// Its subject, as RFC 4514 writes it.
    pub subject: &'a str,
    /// The names in its `subjectAltName`: DNS names in lower case, and URIs. A name in the subject is none (case 168).
    pub names: &'a [Box<str>],
    /// Its SHA-256.
    pub fingerprint: [u8; 32],
}

/// Whose certificates count.
#[derive(Debug)]
pub struct Certificate(config::ClientCert);

impl Certificate {
    fn compile(written: &config::ClientCert) -> Self {
        Self(written.clone())
    }

    /// Asks for the certificate of a connection.
    ///
    /// # Errors
    ///
    /// `denied` where none was shown, or another: there is no challenge that would help (RFC 9110 §15.5.4).
    pub fn check(&self, shown: Option<Shown<'_>>) -> Result<(), Refusal> {
        let Some(shown) = shown else {
            return Err(Refusal::denied("This route asks for a client certificate, and none was shown."));
        };
        let config::ClientCert { names, subjects, fingerprints } = &self.0;
        let anybody = names.is_empty() && subjects.is_empty() && fingerprints.is_empty();
        let named = shown.names.iter().any(|name| names.iter().any(|known| **known == **name));
        let known =
            named || subjects.iter().any(|one| one == shown.subject) || fingerprints.contains(&shown.fingerprint);
        match anybody || known {
            true => Ok(()),
            false => Err(Refusal::denied("This route is not for the client certificate that was shown.")),
        }
    }
}

/// Keys by the hash of each: who reads the file has no key.
#[derive(Debug)]
pub struct Keys {
    header: Box<str>,
    id: Name,
    hashes: Box<[[u8; 32]]>,
}

impl Keys {
    fn compile(written: &config::ApiKeys) -> Self {
        let mut hashes: Vec<[u8; 32]> = written.keys.iter().map(|(_, hash)| *hash).collect();
        hashes.sort_unstable();
        Self {
            id: Name::find(written.header.as_bytes()),
            header: written.header.as_str().into(),
            hashes: hashes.into(),
        }
    }

    /// Asks for the key of a request, and takes its line away: the upstream has no use for it.
    ///
    /// # Errors
    ///
    /// `unauthorized` where there is none, or not exactly one, or one that nobody has.
    pub fn check(&self, fields: &mut Fields, bytes: &[u8], who: &mut Who) -> Result<(), Refusal> {
        let named = |field: &&mut Field| !field.dropped && self.reads(field, bytes);
        let mut lines = fields.all_mut().iter_mut().filter(named);
        let (Some(field), None) = (lines.next(), lines.next()) else { return Err(self.refusal("no_key")) };
        let value = field.value.of(bytes);
        let key = match self.id {
            Name::Authorization => scheme(value, b"bearer").unwrap_or_default(),
            _ => value,
        };
        // Hashes are compared, not keys: how far one agrees says nothing about the key.
        let hash: [u8; 32] = Sha256::digest(key).into();
        if key.is_empty() || self.hashes.binary_search(&hash).is_err() {
            return Err(self.refusal("wrong_key"));
        }
        who.prove(&[&hash]);
        field.dropped = true;
        Ok(())
    }

    fn reads(&self, field: &Field, bytes: &[u8]) -> bool {
        field.is_called(bytes, self.id, &self.header)
    }

    fn refusal(&self, error: &str) -> Refusal {
        let challenge = match self.id {
            Name::Authorization => format!("Bearer realm=\"api\", error=\"{error}\""),
            _ => format!("ApiKey header=\"{}\", error=\"{error}\"", self.header),
        };
        unauthorized("This route asks for an API key that is known here.", challenge)
    }
}

fn unauthorized(detail: &'static str, challenge: String) -> Refusal {
    Refusal { reason: Reason::Unauthorized, detail, fields: vec![("www-authenticate", challenge)] }
}

/// What follows an authentication scheme, in any case (RFC 9110 §11.1).
pub(super) fn scheme<'v>(value: &'v [u8], name: &[u8]) -> Option<&'v [u8]> {
    let (head, rest) = value.split_at_checked(name.len())?;
    let rest = rest.strip_prefix(b" ").filter(|_| head.eq_ignore_ascii_case(name))?;
    Some(rest.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::snapshot::Snapshot;
    use crate::snapshot::fixture::Request;

    fn with<T>(policies: &str, test: impl FnOnce(Option<&Identity>) -> T) -> T {
        let text = format!("routes: {{ h: {{ to: \":1\", {policies} }} }}");
        let config = Config::from_text(&text).unwrap_or_else(|errors| panic!("{policies}: {}", errors[0]));
        let snapshot = Snapshot::compile(&config).expect("it compiles");
        test(snapshot.rules()[0].policy.as_deref().and_then(|chain| chain.identity()))
    }

    #[test]
    fn which_ways_are_enough() {
        let jwt = "jwt: { jwks: http://keys.test/ }";
        let forward = "forward_auth: { url: http://auth.test/ }";
        let check = |policies: &str, expect: &str| {
            assert_eq!(
                with(policies, |identity| identity.map_or(String::new(), Identity::words)),
                expect,
                "{policies}"
            );
        };
        check("methods: GET", "");
        check(&format!("{forward}, {jwt}"), "jwt and forward_auth, else 401");
        check(&format!("{forward}, {jwt}, auth: {{ all: [jwt, forward_auth] }}"), "jwt and forward_auth, else 401");
        check(&format!("{forward}, {jwt}, auth: {{ any: [forward_auth, jwt] }}"), "jwt or forward_auth, else 401");
        let three = format!("{forward}, {jwt}, client_cert: true");
        // What `any` does not name has to hold besides.
        check(
            &format!("{three}, auth: {{ any: [jwt, forward_auth] }}"),
            "client_cert and (jwt or forward_auth), else 401",
        );
        check(
            &format!("{three}, auth: {{ any: [client_cert, jwt], all: [forward_auth] }}"),
            "forward_auth and (client_cert or jwt), else 401",
        );
        check("client_cert: off", "");
    }

    #[test]
    fn what_a_client_says_of_itself_is_forgotten_but_what_it_is_known_by_is_read_first() {
        let jwt = "jwt: { jwks: http://keys.test/, claims_to_headers: { sub: x-user, a: authorization } }";
        let forward = "forward_auth: { url: http://auth.test/, copy_headers: [x-user, cookie] }";
        let check = |policies: &str, read: &[&str], sent: &[&str]| {
            let request = ["x-user", "x-Other", "Authorization", "Cookie", "host"];
            let request = request.iter().fold(Request::get("h"), |request, name| request.with(name, "1"));
            let mut fields = request.fields.clone();
            for (looked, expect) in [(false, read), (true, sent)] {
                with(policies, |identity| identity.unwrap().forget_claims(&mut fields, &request.head, looked));
                let left = fields.all().iter().filter(|field| !field.dropped && field.name_id != Name::Host);
                let left: Vec<&[u8]> = left.map(|field| field.name.of(&request.head)).collect();
                assert_eq!(left, expect.iter().map(|name| name.as_bytes()).collect::<Vec<_>>(), "{policies} {looked}");
            }
        };
        check(jwt, &["x-Other", "Authorization", "Cookie"], &["x-Other", "Cookie"]);
        check(forward, &["x-Other", "Authorization", "Cookie"], &["x-Other", "Authorization"]);
        check(&format!("{jwt}, {forward}"), &["x-Other", "Authorization", "Cookie"], &["x-Other"]);
        check(
            "client_cert: true",
            &["x-user", "x-Other", "Authorization", "Cookie"],
            &["x-user", "x-Other", "Authorization", "Cookie"],
        );
    }

    #[test]
    fn case_168_whose_certificate_it_is() {
        let names: [Box<str>; 2] = ["worker.test".into(), "spiffe://test/worker".into()];
        let shown = Shown { subject: "CN=boss.test", names: &names, fingerprint: [7; 32] };
        let check = |policy: &str, passes: bool| {
            let refused = with(&format!("client_cert: {policy}"), |identity| {
                let Some(Way::Certificate(certificate)) = identity.and_then(|identity| identity.ways().next()) else {
                    panic!("{policy} asks for none");
                };
                assert_eq!(certificate.check(None).map_err(|refusal| refusal.reason), Err(Reason::Denied));
                certificate.check(Some(shown)).is_err()
            });
            assert_eq!(refused, !passes, "{policy}");
        };
        check("true", true);
        check("{ names: [other.test, Worker.TEST] }", true);
        check("{ names: [\"spiffe://test/worker\"] }", true);
        check("{ names: [\"spiffe://test/Worker\"] }", false);
        // The subject's name is no name, nor is a part of one.
        check("{ names: [boss.test, test, orker.test, \"*.test\"] }", false);
        check("{ subjects: CN=boss.test }", true);
        check("{ subjects: CN=boss }", false);
        check(&format!("{{ fingerprints: [\"{}\"] }}", ["07"; 32].join(":")), true);
        check(&format!("{{ fingerprints: [{}] }}", "08".repeat(32)), false);
        check(&format!("{{ names: [other.test], fingerprints: [\"{}\"] }}", "07".repeat(32)), true);
    }
}
