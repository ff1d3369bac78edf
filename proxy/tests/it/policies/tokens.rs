//! Tokens that somebody else has signed: keys that rotate, and everything that must not count. Signed here by openssl's
//! peer in Node, which is not what checks them.

use super::versions::over_h2;
use crate::harness::{Message, Node, Origin, Proxy, assert_own_answer, on_workers, poll, websocket_judge, ws};
use std::path::Path;

/// Makes keys and tokens by Node's own cryptography, and prints `name value` lines: sets as JSON, tokens for the two keys.
const SIGNER: &str = r#"
const c = require("crypto");
const b = (x) => Buffer.from(typeof x === "string" ? x : JSON.stringify(x)).toString("base64url");
const make = (type, options, kid, alg) => {
  const pair = c.generateKeyPairSync(type, options);
  return { pair, kid, alg, jwk: { ...pair.publicKey.export({ format: "jwk" }), kid, use: "sig" } };
};
const sign = (key, head, claims) => {
  const text = b({ alg: key.alg, kid: key.kid, ...head }) + "." + b(claims);
  const alg = head.alg || key.alg;
  let signature;
  if (alg.startsWith("HS")) signature = c.createHmac("sha256", key.pair.publicKey.export({ format: "pem", type: "spki" })).update(text).digest();
  else if (alg === "none") return text + ".";
  else if (alg === "EdDSA") signature = c.sign(null, Buffer.from(text), key.pair.privateKey);
  else if (alg === "ES256") signature = c.sign("sha256", Buffer.from(text), { key: key.pair.privateKey, dsaEncoding: "ieee-p1363" });
  else if (alg === "PS256") signature = c.sign("sha256", Buffer.from(text), { key: key.pair.privateKey, padding: c.constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 });
  else signature = c.sign("sha256", Buffer.from(text), key.pair.privateKey);
  return text + "." + signature.toString("base64url");
};
const a = make("rsa", { modulusLength: 2048 }, "a", "RS256");
const e = make("ec", { namedCurve: "P-256" }, "e", "ES256");
const d = make("ed25519", {}, "d", "EdDSA");
const n = make("rsa", { modulusLength: 2048 }, "new", "RS256");
const now = Math.floor(Date.now() / 1000);
const good = { sub: "ann", iss: "me", aud: ["us", "them"], exp: now + 3600, roles: ["x", "y"] };
const out = (name, value) => console.log(name + " " + value);
const secret = { kty: "oct", k: b("secret"), kid: "s", alg: "HS256" };
out("old", JSON.stringify({ keys: [a.jwk, e.jwk, d.jwk, secret] }));
out("rotated", JSON.stringify({ keys: [n.jwk] }));
out("rs", sign(a, {}, good));
out("bob", sign(a, {}, { ...good, sub: "bob" }));
out("ps", sign(a, { alg: "PS256" }, good));
out("es", sign(e, {}, good));
out("ed", sign(d, {}, good));
out("nokid", sign(a, { kid: undefined }, good));
out("new", sign(n, {}, good));
out("expired", sign(a, {}, { ...good, exp: now - 60 }));
out("endless", sign(a, {}, { ...good, exp: undefined }));
out("early", sign(a, {}, { ...good, nbf: now + 600 }));
out("audience", sign(a, {}, { ...good, aud: "others" }));
out("issuer", sign(a, {}, { ...good, iss: "you" }));
out("none", sign(a, { alg: "none" }, good));
out("hmac", sign(a, { alg: "HS256" }, good));
out("cross", sign(a, { kid: "e", alg: "RS256" }, good));
out("stranger", sign(n, { kid: "a" }, good));
out("tampered", sign(a, {}, good).replace(/\.[^.]*\./, "." + b({ ...good, sub: "root" }) + "."));
out("breaking", sign(a, {}, { ...good, sub: "ann\r\nx-role: root" }));
"#;

pub(crate) struct Signed(Vec<(String, String)>);

impl Signed {
    pub(crate) fn new(judge: &Path) -> Self {
        let node = Node::run(judge, SIGNER, &[]);
        let line = |at| node.wait_line(at).split_once(' ').map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self((0..20).map(|at| line(at).unwrap()).collect())
    }

    pub(crate) fn of(&self, name: &str) -> &str {
        &self.0.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no {name}")).1
    }

    fn bearer(&self, name: &str) -> String {
        format!("Authorization: Bearer {}\r\n", self.of(name))
    }
}

fn ask(proxy: &Proxy, host: &str, lines: &str) -> Message {
    proxy.ask(format!("GET /p HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{lines}\r\n"))
}

#[test]
fn tokens_that_count_and_tokens_that_do_not() {
    let Some(judge) = websocket_judge("tokens_that_count_and_tokens_that_do_not") else { return };
    let signed = Signed::new(&judge);
    on_workers(|workers| {
        let (origin, place) = (Origin::ok(), crate::harness::TempDir::new());
        let jwks = place.write("keys.json", signed.of("old"));
        let yaml = format!(
            "listen: {{ bind: 127.0.0.1:0, h2c: true }}\nroutes:\n  t.test:\n    to: \"{}\"\n    jwt: {{ jwks: {}, issuer: me, audience: us, claims_to_headers: {{ sub: x-user, roles: x-roles }} }}\n    \
             request_headers: {{ set: {{ x-who: \"{{claim.sub}} of {{claim.iss}}\" }} }}\n    response_headers: {{ set: {{ x-you: \"{{claim.sub}}\" }} }}\n",
            origin.address(),
            jwks.display()
        );
        let proxy = Proxy::start(workers, &yaml);
        let nothing = ask(&proxy, "t.test", "");
        assert_own_answer(&nothing, 401, "unauthorized");
        assert_eq!(nothing.field("www-authenticate"), Some("Bearer"));
        let begin = std::time::Instant::now();
        for (name, words) in [
            ("expired", "the token has expired"),
            ("endless", "the token has no exp"),
            ("early", "the token does not hold yet"),
            ("audience", "the token is meant for another audience"),
            ("issuer", "the token is of another issuer"),
            ("none", "the token is signed by an algorithm that does not count here"),
            ("hmac", "the token is signed by an algorithm that does not count here"),
            ("cross", "the token is signed by a key that is not known"),
            ("stranger", "the token's signature is wrong"),
            ("tampered", "the token's signature is wrong"),
            ("new", "the token is signed by a key that is not known"),
        ] {
            let answer = ask(&proxy, "t.test", &signed.bearer(name));
            assert_own_answer(&answer, 401, "unauthorized");
            let expect = format!("Bearer error=\"invalid_token\", error_description=\"{words}\"");
            assert_eq!(answer.field("www-authenticate"), Some(expect.as_str()), "{name}");
            let bearer = format!("Bearer {}", signed.of(name));
            assert_eq!(over_h2(&proxy, ("GET", "t.test", "/p"), &[("authorization", &bearer)], b""), 401, "{name}");
        }
        // A set from a file has nobody to ask for a key that it does not know.
        assert!(begin.elapsed() < std::time::Duration::from_secs(3), "{:?}", begin.elapsed());
        // Case 76: what a claim says never ends a line.
        assert_own_answer(&ask(&proxy, "t.test", &signed.bearer("breaking")), 500, "internal");
        origin.assert_untouched();
        for (at, name) in ["rs", "ps", "es", "ed", "nokid"].into_iter().enumerate() {
            let claims = format!("X-User: root\r\nx-ROLES: all\r\n{}", signed.bearer(name));
            let answer = ask(&proxy, "t.test", &claims);
            assert_eq!((answer.status(), answer.field("x-you")), (200, Some("ann")), "{name}");
            let request = origin.wait_request(at);
            assert_eq!((request.all("x-user"), request.all("x-roles")), (vec!["ann"], vec!["x,y"]), "{name}");
            assert_eq!(request.field("x-who"), Some("ann of me"));
        }
        let bearer = format!("Bearer {}", signed.of("rs"));
        let claims = [("authorization", bearer.as_str()), ("x-user", "root")];
        assert_eq!(over_h2(&proxy, ("GET", "t.test", "/p"), &claims, b""), 200);
        assert_eq!(origin.wait_request(5).all("x-user"), ["ann"]);
    });
}

#[test]
fn a_way_that_fails_tells_the_upstream_nothing() {
    let Some(judge) = websocket_judge("a_way_that_fails_tells_the_upstream_nothing") else { return };
    let signed = Signed::new(&judge);
    on_workers(|workers| {
        let (origin, place) = (Origin::ok(), crate::harness::TempDir::new());
        let jwks = place.write("keys.json", signed.of("old")).display().to_string();
        let users = place.write("users", "ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n").display().to_string();
        let yaml = format!(
            "routes:\n  t.test:\n    to: \"{}\"\n    auth: {{ any: [jwt, basic_auth] }}\n    basic_auth: {{ file: {users} }}\n    \
             jwt: {{ jwks: {jwks}, from: [{{ cookie: t }}], claims_to_headers: {{ iss: x-issuer, sub: x-user }} }}\n",
            origin.address(),
        );
        let proxy = Proxy::start(workers, &yaml);
        // Its issuer is told before it is found that its subject can't be.
        let lines = format!("Cookie: t={}\r\nAuthorization: Basic YW5uOnBhc3N3b3Jk\r\n", signed.of("breaking"));
        assert_eq!(ask(&proxy, "t.test", &lines).status(), 200);
        assert!(!origin.wait_request(0).has("x-issuer"));
    });
}

#[test]
fn a_key_set_that_rotates() {
    let Some(judge) = websocket_judge("a_key_set_that_rotates") else { return };
    let signed = Signed::new(&judge);
    let answer =
        |set: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", signed.of(set).len(), signed.of(set));
    let (old, rotated) = (answer("old"), answer("rotated"));
    let turn = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let now = std::sync::Arc::clone(&turn);
    let issuer = Origin::start(move |wire, _| {
        while wire.request().is_some() {
            match now.load(std::sync::atomic::Ordering::SeqCst) {
                0 => wire.offer(&old),
                1 => wire.offer(&rotated),
                _ => wire.offer("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"),
            }
        }
    });
    let origin = Origin::ok();
    let yaml = format!(
        "routes: {{ t.test: {{ to: \"{}\", jwt: {{ jwks: \"http://{}/keys\" }} }} }}\n",
        origin.address(),
        issuer.address()
    );
    let proxy = Proxy::start(2, &yaml);
    assert_eq!(ask(&proxy, "t.test", &signed.bearer("rs")).status(), 200);
    assert_eq!(ask(&proxy, "t.test", &signed.bearer("new")).status(), 401);
    turn.store(1, std::sync::atomic::Ordering::SeqCst);
    // Unknown keys make the proxy ask, and not more often than each five seconds.
    let before = issuer.requests().len();
    poll("the new key", || (ask(&proxy, "t.test", &signed.bearer("new")).status() == 200).then_some(()));
    assert!(issuer.requests().len() <= before + 3, "{} fetches", issuer.requests().len());
    assert_eq!(ask(&proxy, "t.test", &signed.bearer("rs")).status(), 401);
    // An issuer that fails takes nothing away.
    turn.store(2, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(ask(&proxy, "t.test", &signed.bearer("new")).status(), 200);
}

#[test]
fn an_issuer_that_is_not_there_lets_nobody_pass() {
    let Some(judge) = websocket_judge("an_issuer_that_is_not_there_lets_nobody_pass") else { return };
    let signed = Signed::new(&judge);
    let origin = Origin::ok();
    let nobody = { std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap() };
    let yaml =
        format!("routes: {{ t.test: {{ to: \"{}\", jwt: {{ jwks: \"http://{nobody}/\" }} }} }}\n", origin.address());
    let proxy = Proxy::start(1, &yaml);
    assert_own_answer(&ask(&proxy, "t.test", &signed.bearer("rs")), 502, "upstream_bad_response");
    assert_own_answer(&ask(&proxy, "t.test", ""), 401, "unauthorized");
    origin.assert_untouched();
}

#[test]
fn handshakes_carry_tokens_where_browsers_can_put_them() {
    let Some(judge) = websocket_judge("handshakes_carry_tokens_where_browsers_can_put_them") else { return };
    let signed = Signed::new(&judge);
    on_workers(|workers| {
        let place = crate::harness::TempDir::new();
        let jwks = place.write("keys.json", signed.of("old"));
        let origin = Origin::start(|wire, _| {
            if ws::agree(wire).is_some() {
                let _ = wire.rest();
            }
        });
        let yaml = format!(
            "routes: {{ t.test: {{ to: \"{}\", jwt: {{ jwks: {}, from: [{{ cookie: t }}, {{ query: t }}, subprotocol], claims_to_headers: {{ sub: x-user }} }}, \
             rate_limit: {{ key: {{ claim: sub }}, rate: 1/h, burst: 4 }} }} }}\n",
            origin.address(),
            jwks.display()
        );
        let proxy = Proxy::start(workers, &yaml);
        assert_eq!(proxy.ask(ws::upgrade("t.test", "/", "")).status(), 401);
        assert_eq!(proxy.ask(ws::upgrade("t.test", "/", &signed.bearer("rs"))).status(), 401);
        let plain = format!("GET /?t={} HTTP/1.1\r\nHost: t.test\r\nConnection: close\r\n\r\n", signed.of("rs"));
        assert_eq!(proxy.ask(plain).status(), 401);
        origin.assert_untouched();
        let token = signed.of("rs");
        let mut open = Vec::new();
        for (at, (path, line, agreed)) in [
            ("/".to_owned(), format!("Cookie: a=b; t={token}\r\n"), None),
            (format!("/?t={token}"), String::new(), None),
            ("/".to_owned(), format!("Sec-WebSocket-Protocol: bearer, {token}\r\n"), Some("bearer")),
            ("/".to_owned(), format!("Sec-WebSocket-Protocol: bearer, {token}, chat\r\n"), None),
        ]
        .into_iter()
        .enumerate()
        {
            let mut wire = proxy.send(ws::upgrade("t.test", &path, &line));
            let head = wire.head();
            assert_eq!((head.status(), head.field("sec-websocket-protocol")), (101, agreed), "{line}");
            let seen = origin.wait_head(at);
            assert_eq!(seen.field("x-user"), Some("ann"));
            let offered = if line.contains("chat") { Some("chat") } else { None };
            assert_eq!(seen.field("sec-websocket-protocol"), offered);
            open.push(wire);
        }
        // Five of ann's are one too many, whoever sends them.
        let logged = proxy.access();
        assert!(!logged.iter().any(|line| line.to_string().contains(token)), "{logged:#?}");
        let fifth = proxy.ask(ws::upgrade("t.test", "/", &format!("Cookie: t={token}\r\n")));
        assert_own_answer(&fifth, 429, "rate_limited");
    });
}
