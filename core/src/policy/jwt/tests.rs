//! Tests of tokens: what is read, what counts, what is judged. Signatures are the proxy's to check.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Fault, Jwt, hide_subprotocol, prove};
use crate::config::Config;
use crate::policy::{Chain, claims::Claims, who::Who};
use crate::reason::Reason;
use crate::snapshot::Snapshot;
use crate::snapshot::fixture::Request;

fn snapshot(more: &str) -> Snapshot {
    let text = format!("routes:\n  \"*\": {{ to: \":1\", jwt: {{ jwks: http://keys.test/, {more} }} }}\n");
    let config = Config::from_text(&text).unwrap_or_else(|errors| panic!("{more}: {}", errors[0]));
    Snapshot::compile(&config).expect("it compiles")
}

fn jwt(chain: &Chain) -> &Jwt {
    chain.identity().and_then(|identity| identity.jwt()).expect("it asks for a token")
}

fn with<T>(more: &str, test: impl FnOnce(&Jwt) -> T) -> T {
    let snapshot = snapshot(more);
    test(jwt(snapshot.rules()[0].policy.as_deref().expect("policies")))
}

fn token(head: &str, payload: &str) -> String {
    format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode(head), URL_SAFE_NO_PAD.encode(payload))
}

#[test]
fn heads_that_count_and_heads_that_do_not() {
    let read = |more: &str, token: &str| with(more, |jwt| jwt.read(token.as_bytes()).map(|token| token.key));
    let head = |head: &str| token(head, "{}");
    assert_eq!(read("", &head(r#"{"alg":"RS256","kid":"a"}"#)), Ok(Some("a".to_owned())));
    assert_eq!(read("", &head(r#"{"alg":"EdDSA"}"#)), Ok(None));
    for alg in ["none", "None", "NONE", "nOnE", "HS256", "HS384", "HS512", "rs256", "", "RS256 "] {
        assert_eq!(read("", &head(&format!(r#"{{"alg":"{alg}"}}"#))), Err(Fault::Algorithm), "{alg}");
    }
    assert_eq!(read("algorithms: ES256", &head(r#"{"alg":"RS256"}"#)), Err(Fault::Algorithm));
    assert_eq!(read("", &head(r#"{"alg":"RS256","crit":["b64"]}"#)), Err(Fault::Critical));
    for text in ["", ".", "..", "a.b", "a.b.c", "e30.e30.c2ln", "e30.e30.e30.e30.e30", "[].e30.c2ln", "e30=.e30.c2ln"] {
        assert_eq!(read("", text), Err(Fault::Malformed), "{text}");
    }
    let unsigned = head(r#"{"alg":"RS256"}"#);
    assert_eq!(read("", unsigned.trim_end_matches("c2ln")), Err(Fault::Signature));
    let deep = token(&format!("{{\"alg\":\"RS256\",\"x\":{}{}}}", "[".repeat(5000), "]".repeat(5000)), "{}");
    assert_eq!(read("", &deep), Err(Fault::Malformed));
}

#[test]
fn shared_secrets_and_none_are_refused_in_the_configuration() {
    for algorithm in ["HS256", "none", "RS255"] {
        let text = format!("routes: {{ a: {{ to: \":1\", jwt: {{ jwks: http://k/, algorithms: {algorithm} }} }} }}");
        assert!(Config::from_text(&text).is_err(), "{algorithm}");
    }
}

#[track_caller]
fn judged(more: &str, claims: &str, expect: Result<(), Reason>) {
    let claims = Claims::new(serde_json::from_str(claims).expect("JSON"));
    assert_eq!(with(more, |jwt| jwt.judge(&claims, 1000.0)).map_err(|refusal| refusal.reason), expect, "{claims:?}");
}

#[test]
fn what_a_token_says() {
    let refused = Err(Reason::Unauthorized);
    judged("", r#"{"exp":1001}"#, Ok(()));
    judged("", r#"{"exp":971}"#, Ok(()));
    judged("", r#"{"exp":970}"#, refused);
    judged("leeway: 0s", r#"{"exp":1000}"#, refused);
    judged("", "{}", refused);
    judged("", r#"{"exp":"2000"}"#, refused);
    judged("", r#"{"exp":2000,"nbf":1030}"#, Ok(()));
    judged("", r#"{"exp":2000,"nbf":1031}"#, refused);
    judged("", r#"{"exp":2000,"nbf":"0"}"#, refused);
    judged("issuer: me", r#"{"exp":2000,"iss":"me"}"#, Ok(()));
    judged("issuer: me", r#"{"exp":2000,"iss":"you"}"#, refused);
    judged("issuer: me", r#"{"exp":2000}"#, refused);
    judged("audience: [a, b]", r#"{"exp":2000,"aud":["x","b"]}"#, Ok(()));
    judged("audience: [a, b]", r#"{"exp":2000,"aud":"a"}"#, Ok(()));
    judged("audience: [a, b]", r#"{"exp":2000,"aud":"ab"}"#, refused);
    judged("audience: a", r#"{"exp":2000}"#, refused);
    judged("claims: {realm.roles: admin}", r#"{"exp":2000,"realm":{"roles":["user","admin"]}}"#, Ok(()));
    judged("claims: {role: [admin]}", r#"{"exp":2000,"role":"user"}"#, Err(Reason::Denied));
    judged("claims: {role: [admin]}", r#"{"exp":2000}"#, Err(Reason::Denied));
}

#[test]
fn claims_become_fields_and_clients_say_nothing_in_them() {
    with("claims_to_headers: {sub: X-User, roles: x-roles, n: x-n, o: x-o}", |jwt| {
        let claims = Claims::new(serde_json::json!({"sub": "ann", "roles": ["a", "b"], "n": 7, "o": {}}));
        let mut who = Who::default();
        jwt.tell(&claims, &mut who).unwrap();
        assert_eq!(String::from_utf8(who.lines).unwrap(), "x-n: 7\r\nx-roles: a,b\r\nx-user: ann\r\n");
        let tell = |text: &str| jwt.tell(&Claims::new(serde_json::json!({"sub": text})), &mut Who::default());
        for broken in ["a\r\nx-admin: 1", "a\0", "a\u{1}b", "a\u{7f}"] {
            assert_eq!(tell(broken).unwrap_err().reason, Reason::Internal, "{broken:?}");
        }
        assert!(tell("a\tb \u{e9}").is_ok());
        let request = Request::get("h").with("X-USER", "root").with("x-other", "1");
        let told = request.fields.all().iter().filter(|field| jwt.tells(field, &request.head)).count();
        assert_eq!(told, 1);
    });
}

#[test]
fn where_tokens_stand() {
    let found = |more: &str, request: &Request| {
        let found = with(more, |jwt| request.facts(|facts| jwt.find(facts)));
        found.map(|found| String::from_utf8(found.text).unwrap()).map_err(|refusal| refusal.reason)
    };
    let bearer = Request::get("h").with("Authorization", "bEaReR t1");
    assert_eq!(found("", &bearer), Ok("t1".to_owned()));
    let twice = Request::get("h").with("Authorization", "Bearer t1").with("Authorization", "Bearer t2");
    assert_eq!(found("", &twice), Err(Reason::Unauthorized));
    assert_eq!(found("", &Request::get("h").with("Authorization", "Basic t1")), Err(Reason::Unauthorized));
    let cookie = Request::get("h").with("Cookie", "a=b; t=t1");
    assert_eq!(found("from: {cookie: t}", &cookie), Ok("t1".to_owned()));
    assert_eq!(found("", &cookie), Err(Reason::Unauthorized));
    // In a URL only where a browser can say it nowhere else.
    let query = Request::get("h/?x=1&t=t%31");
    assert_eq!(found("from: {query: t}", &query), Err(Reason::Unauthorized));
    let stream = Request::get("h/?x=1&t=t%31").with("Accept", "text/event-stream");
    assert_eq!(found("from: [header, {query: t}]", &stream), Ok("t1".to_owned()));
    let offered = Request::get("h").with("Sec-WebSocket-Protocol", "chat, bearer, t1");
    assert_eq!(found("from: subprotocol", &offered), Ok("t1".to_owned()));
    let last = Request::get("h").with("Sec-WebSocket-Protocol", "t1, bearer");
    assert_eq!(found("from: subprotocol", &last), Err(Reason::Unauthorized));
}

#[test]
fn a_token_is_no_subprotocol_upstream() {
    for (offered, left, agreed) in
        [("bearer, t1", "", true), ("chat, bearer, t1, v2", "sec-websocket-protocol: chat, v2\r\n", false)]
    {
        let request = Request::get("h").with("Sec-WebSocket-Protocol", offered);
        let (mut fields, mut out) = (request.fields.clone(), Vec::new());
        assert_eq!(hide_subprotocol(&mut fields, &request.head, &mut out), agreed, "{offered}");
        assert_eq!(String::from_utf8(out).unwrap(), left);
        assert!(fields.matching(&request.head, b"sec-websocket-protocol").next().is_none());
    }
}

#[test]
fn whose_a_token_is() {
    let evidence = |claims: serde_json::Value, token: &[u8]| {
        let mut who = Who::default();
        prove(&Claims::new(claims), token, &mut who);
        who.evidence().to_vec()
    };
    let ann = evidence(serde_json::json!({"iss": "me", "sub": "ann"}), b"1");
    assert_eq!(
        evidence(serde_json::json!({"iss": "me", "sub": "ann", "exp": 9}), b"2"),
        ann,
        "a token that was renewed"
    );
    for claims in [
        serde_json::json!({"iss": "me", "sub": "bob"}),
        serde_json::json!({"iss": "you", "sub": "ann"}),
        serde_json::json!({"sub": "ann"}),
        serde_json::json!({"iss": "mea", "sub": "nn"}),
    ] {
        assert_ne!(evidence(claims.clone(), b"1"), ann, "{claims}");
    }
    for nobody in [serde_json::json!({"iss": "me"}), serde_json::json!({"sub": ""}), serde_json::json!({"sub": {}})] {
        assert_ne!(evidence(nobody.clone(), b"1"), evidence(nobody.clone(), b"2"), "{nobody}");
    }
}
