//! Tests of targets and hosts, by the numbers of SECURITY.md.

use super::TargetError as E;
use super::*;

fn parse<'a>(method: &str, target: &'a [u8], hosts: &[&'a str]) -> Result<Destination<'a>, E> {
    let hosts = hosts.iter().map(|host| host.as_bytes());
    Destination::parse(method.as_bytes(), target, hosts, Version::Http11)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Checks the host, the path that routes see and what is forwarded.
#[track_caller]
fn check(target: &str, host: &str, expect: Result<(&str, &str, &str), E>) {
    let found = parse("GET", target.as_bytes(), &[host]);
    let found = found.map(|found| (text(found.host()), text(found.path()), text(found.forward())));
    let expect = expect.map(|(host, path, forward)| (host.to_owned(), path.to_owned(), forward.to_owned()));
    assert_eq!(found, expect, "{target:?} at {host:?}");
}

/// Checks the path that routes see and what is forwarded; the host is of no account.
#[track_caller]
fn check_path(target: &str, expect: Result<(&str, &str), E>) {
    check(target, "h", expect.map(|(path, forward)| ("h", path, forward)));
}

#[track_caller]
fn refused(targets: &[&str], error: E) {
    for target in targets {
        check_path(target, Err(error));
    }
}

#[test]
fn case_041_no_host() {
    assert_eq!(parse("GET", b"/", &[]), Err(E::NoHost));
    assert_eq!(parse("GET", b"http://h/", &[]), Err(E::NoHost));
}

#[test]
fn case_042_two_hosts() {
    assert_eq!(parse("GET", b"/", &["h", "i"]), Err(E::ManyHosts));
    assert_eq!(parse("GET", b"/", &["h", "h"]), Err(E::ManyHosts));
}

#[test]
fn case_043_hosts_that_are_none() {
    let check = |host: &str, error: E| assert_eq!(parse("GET", b"/", &[host]), Err(error), "{host:?}");
    for host in ["", "a,b", "h/p", "h#f", "h\\x", "h x", " h", "h\t", "h\0", "h\u{7f}", "é", "h%41", "a..b", ".h", "."]
    {
        check(host, E::Host);
    }
    for host in [":80", "..", "h?x", "[::1", "[]", "[::1%25eth0]", "[v1.x]", "::1", "[1.2.3.4]", "<h>", "h*"] {
        check(host, E::Host);
    }
    check("u@h", E::UserInfo);
    check("u:p@h", E::UserInfo);
    for host in
        ["h:", "h:0", "h:65536", "h:99999", "h:080080", "h:8o", "h:+1", "h:-1", "h: 1", "h:1:2", "[::1]:", "[::1]x"]
    {
        check(host, E::Port);
    }
    check(&"a".repeat(256), E::Host);
}

#[test]
fn case_044_http_1_0_without_host() {
    let found = Destination::parse(b"GET", b"/x", [], Version::Http10).expect("HTTP/1.0 may come without");
    assert_eq!((found.host(), found.port(), found.path()), (&b""[..], None, &b"/x"[..]));
    let found = Destination::parse(b"GET", b"http://h/x", [], Version::Http10).expect("the target names a host");
    assert_eq!(found.host(), b"h");
}

#[test]
fn case_045_absolute_form_that_differs_from_host() {
    check("http://h/", "i", Err(E::HostDiffers));
    check("http://h:8080/", "h", Err(E::HostDiffers));
    check("http://h/", "h:8080", Err(E::HostDiffers));
    check("https://h/", "h:80", Err(E::HostDiffers));
    check("http://h/", "", Err(E::Host));
}

#[test]
fn case_046_absolute_form_that_equals_host() {
    check("http://h/p?q", "h", Ok(("h", "/p", "/p?q")));
    check("HTTP://EXAMPLE.com.:80/p", "example.COM", Ok(("example.com", "/p", "/p")));
    check("http://h/p", "h:80", Ok(("h", "/p", "/p")));
    check("https://h:443/p", "h", Ok(("h", "/p", "/p")));
    check("http://[0:0::1]:8080/p", "[::1]:8080", Ok(("[::1]", "/p", "/p")));
}

#[test]
fn case_047_where_an_authority_ends() {
    check("http://h?x=1", "h", Ok(("h", "/", "/?x=1")));
    check("http://h", "h", Ok(("h", "/", "/")));
    check("http://h?@evil/", "h", Ok(("h", "/", "/?@evil/")));
    check("http://h#f", "h", Err(E::Fragment));
    check("http:/\\h/", "h", Err(E::Form));
    check("http://h\\@evil/", "h", Err(E::Host));
    check("http:///p", "h", Err(E::Host));
    check("ftp://h/", "h", Err(E::Form));
    check("//h/p", "h", Ok(("h", "/h/p", "/h/p")));
}

#[test]
fn case_048_user_info() {
    check("http://u:p@h/", "h", Err(E::UserInfo));
    check("http://u@h/", "h", Err(E::UserInfo));
    check("http://h:80@evil/", "h", Err(E::UserInfo));
}

#[test]
fn case_049_the_asterisk() {
    assert_eq!(parse("GET", b"*", &["h"]), Err(E::Asterisk));
    assert_eq!(parse("OPTIONS", b"*/x", &["h"]), Err(E::Asterisk));
    assert_eq!(parse("GET", b"*/x", &["h"]), Err(E::Asterisk));
    for target in [&b"*"[..], b"http://h"] {
        let found = parse("OPTIONS", target, &["h"]).expect("OPTIONS may ask the server as a whole");
        assert_eq!((found.forward(), found.path(), found.query()), (&b"*"[..], &b"*"[..], None));
    }
    let found = parse("OPTIONS", b"http://h/", &["h"]).expect("a path");
    assert_eq!(found.forward(), b"/");
}

#[test]
fn case_050_authority_form_and_connect() {
    assert_eq!(parse("CONNECT", b"h:443", &["h:443"]), Err(E::Connect));
    assert_eq!(parse("connect", b"/", &["h"]), Err(E::Connect));
    assert_eq!(E::Connect.reason(), Reason::MethodNotAllowed);
    refused(&["h:443", "h", "", "a/b", "javascript:x", "http:h", "http:/h/"], E::Form);
}

#[test]
fn case_051_number_sign() {
    refused(&["/#", "/a#b", "/a?b#c", "http://h/#"], E::Fragment);
}

#[test]
fn case_052_bytes_that_must_be_encoded() {
    for byte in (0..=255u8).filter(|byte| !byte.is_ascii_alphanumeric()) {
        let expect = match byte {
            b'#' => Some(E::Fragment),
            0..=b' ' | 0x7f..=0xff | b'\\' | b'"' | b'<' | b'>' | b'{' | b'}' | b'^' | b'`' | b'|' => Some(E::Byte),
            // A bare percent sign is wrong in a path; a query is data.
            b'%' => Some(E::Encoding),
            _ => None,
        };
        let in_path = [b"/a", &[byte][..], b"b"].concat();
        assert_eq!(parse("GET", &in_path, &["h"]).err(), expect, "{byte:#x} in a path");
        let in_query = [b"/a?", &[byte][..], b"b"].concat();
        let expect = expect.filter(|error| *error != E::Encoding);
        assert_eq!(parse("GET", &in_query, &["h"]).err(), expect, "{byte:#x} in a query");
    }
}

#[test]
fn case_057_a_method_in_lower_case_is_another_method() {
    assert!(parse("get", b"/", &["h"]).is_ok());
    assert_eq!(parse("options", b"*", &["h"]), Err(E::Asterisk));
}

#[test]
fn case_058_trace_and_track() {
    for method in ["TRACE", "TRACK", "trace", "Track"] {
        let error = parse(method, b"/", &["h"]).expect_err(method);
        assert_eq!((error, error.reason().status()), (E::Trace, 405));
    }
    assert!(parse("TRACED", b"/", &["h"]).is_ok());
}

#[test]
fn case_060_spellings_of_a_host() {
    let check = |host: &str, name: &str, port: Option<u16>| {
        let found = parse("GET", b"/", &[host]).expect(host);
        assert_eq!((text(found.host()), found.port()), (name.to_owned(), port), "{host}");
        assert_eq!(canonical_host(host).as_deref(), port.is_none().then_some(name), "{host} as a key");
    };
    check("example.com", "example.com", None);
    check("EXAMPLE.com.:443", "example.com", Some(443));
    check("example.com.", "example.com", None);
    check("a_b-c.localhost:1", "a_b-c.localhost", Some(1));
    check("127.0.0.1:65535", "127.0.0.1", Some(65535));
    check("[::1]", "[::1]", None);
    check("[0:0:0:0:0:0:0:1]:00080", "[::1]", Some(80));
    check("[2001:DB8::A]", "[2001:db8::a]", None);
    assert_eq!(canonical_host("::1").as_deref(), Some("[::1]"));
}

#[test]
fn canonical_input_is_borrowed() {
    let found = parse("GET", b"/a/b.c/?x=1;y=/../", &["example.com:8080"]).expect("plain");
    assert!(matches!(
        (&found.host, &found.forward, &found.path),
        (Cow::Borrowed(_), Cow::Borrowed(_), Cow::Borrowed(_))
    ));
    for target in ["/.well-known/x", "/a/.b/..c", "/a%20b", "/a;v=1"] {
        let found = parse("GET", target.as_bytes(), &["h"]).expect(target);
        assert!(matches!(found.forward, Cow::Borrowed(_)), "{target} is forwarded as it came");
    }
}

#[test]
fn case_121_dot_segments() {
    check_path("/a/../admin", Ok(("/admin", "/admin")));
    check_path("/a/./admin", Ok(("/a/admin", "/a/admin")));
    check_path("/a/%2e%2e/admin", Ok(("/admin", "/admin")));
    check_path("/a/.%2E/admin?x", Ok(("/admin", "/admin?x")));
    check_path("/a/%2e/b", Ok(("/a/b", "/a/b")));
    check_path("/a/b/..", Ok(("/a/", "/a/")));
    check_path("/a/b/.", Ok(("/a/b/", "/a/b/")));
    check_path("/a/..", Ok(("/", "/")));
    check_path("/.", Ok(("/", "/")));
    check_path("/a/...", Ok(("/a/...", "/a/...")));
    check_path("/a%20b/../c%20d", Ok(("/c%20d", "/c%20d")));
    refused(&["/..", "/../a", "/%2e%2e/admin", "/.%2E/", "/a/../../b", "/a/b/../../../c", "/a/..//.."], E::AboveRoot);
}

#[test]
fn case_122_encoded_slashes_and_backslashes() {
    refused(
        &["/public/..%2fadmin", "/public/%2e%2e%2Fadmin", "/a%2f..", "/a/.%2fb", "/a%2f.", "/a;%2f../b"],
        E::HiddenDots,
    );
    refused(&["/a/..%2f..;x", "/a%2f..;x/b", "/a%2f..%3bx/b"], E::HiddenDots);
    refused(&["/a%5cb", "/a/..%5Cadmin", "/%5c"], E::Backslash);
    refused(&["/..\\admin", "/a\\b"], E::Byte);
    let check = |target: &str, path: &str, decoded: Option<&str>| {
        let found = parse("GET", target.as_bytes(), &["h"]).expect(target);
        assert_eq!(text(found.path()), path);
        assert_eq!(found.decoded_path().map(text).as_deref(), decoded, "{target}");
    };
    check("/a%2fb", "/a%2Fb", Some("/a/b"));
    check("/a%2Fb", "/a%2Fb", Some("/a/b"));
    check("/a%2f%2Fb", "/a%2F%2Fb", Some("/a/b"));
    check("/%2fadmin", "/%2Fadmin", Some("/admin"));
    check("/a%2f%61;x/b", "/a%2Fa/b", Some("/a/a/b"));
    check("/a%2f../../b", "/b", None);
    check("/a?b%2f..", "/a", None);
    check_path("/a%2fb?c", Ok(("/a%2Fb", "/a%2fb?c")));
}

#[test]
fn case_123_parameters() {
    check_path("/admin;x", Ok(("/admin", "/admin;x")));
    check_path("/a;v=1/b;w=2", Ok(("/a/b", "/a;v=1/b;w=2")));
    check_path("/;/admin", Ok(("/admin", "/;/admin")));
    check_path("/a/;x", Ok(("/a/", "/a/;x")));
    // An upstream that keeps parameters and one that drops them get one and the same resolved path.
    check_path("/a/;/../b", Ok(("/a/b", "/a/b")));
    check_path("/a%3bx", Ok(("/a%3Bx", "/a%3bx")));
    let dots = ["/a/..;x/admin", "/a/..;/admin", "/a/%2e.;/admin", "/a/..%3b/admin", "/a/.;/admin", "/..;"];
    refused(&dots, E::DotParameters);
}

#[test]
fn case_124_empty_segments() {
    check_path("//admin", Ok(("/admin", "/admin")));
    check_path("/a//b?x//y", Ok(("/a/b", "/a/b?x//y")));
    check_path("//", Ok(("/", "/")));
    check_path("/a//", Ok(("/a/", "/a/")));
    check_path("/a//../b", Ok(("/b", "/b")));
}

#[test]
fn case_124_empty_segments_that_are_kept() {
    let check = |target: &str, expect: Option<(&str, &str, Option<&str>)>| {
        let merged = parse("GET", target.as_bytes(), &["h"]).expect(target);
        let kept = merged.with_empty_segments().map(Destination::into_owned);
        let found = kept.as_ref().map(|kept| (text(kept.forward()), text(kept.raw_path()), kept.query().map(text)));
        let expect =
            expect.map(|(forward, path, query)| (forward.to_owned(), path.to_owned(), query.map(str::to_owned)));
        assert_eq!(found, expect, "{target}");
        // Verdicts are made on one path, however it came.
        assert!(kept.is_none_or(|kept| kept.path() == merged.path() && kept.decoded_path() == merged.decoded_path()));
    };
    check("//admin", Some(("//admin", "//admin", None)));
    check("/a//b/?x//y", Some(("/a//b/?x//y", "/a//b/", Some("x//y"))));
    check("/%61//b%2fc", Some(("/%61//b%2fc", "/%61//b%2fc", None)));
    check("http://h/a//b?q", Some(("/a//b?q", "/a//b", Some("q"))));
    check("/a/b?x//y", None);
    check("/%61;x/b", None);
    // One that keeps them would be at `/a/b`, and one that doesn't at `/b`.
    check("/a//../b", None);
    check("/a//./b", None);
}

#[test]
fn case_125_encodings_that_hide() {
    refused(&["/a%00", "/%0d%0a", "/%0a", "/%1f", "/%7f", "/%09"], E::Control);
    refused(&["/%c0%af", "/%C1%81", "/%e0%80%af", "/%f0%80%80%af"], E::Overlong);
    refused(&["/%zz", "/%u002f", "/%", "/%4", "/a%4/b", "/%%41", "/%g1"], E::Encoding);
    check_path("/caf%c3%a9/%E0%a4%85", Ok(("/caf%C3%A9/%E0%A4%85", "/caf%c3%a9/%E0%a4%85")));
    check_path("/latin-1/%e9", Ok(("/latin-1/%E9", "/latin-1/%e9")));
}

#[test]
fn case_126_one_path_for_every_spelling() {
    check_path("/%61dmin", Ok(("/admin", "/%61dmin")));
    check_path("/ADMIN", Ok(("/ADMIN", "/ADMIN")));
    check_path("/admin%20", Ok(("/admin%20", "/admin%20")));
    check_path("/%7Eme/%2d%5f", Ok(("/~me/-_", "/%7Eme/%2d%5f")));
    check_path("/a%21b%40c", Ok(("/a!b@c", "/a%21b%40c")));
}

#[test]
fn case_127_decoded_once() {
    check_path("/%252e%252e%252fadmin", Ok(("/%252e%252e%252fadmin", "/%252e%252e%252fadmin")));
    check_path("/a/%25%32%65", Ok(("/a/%252e", "/a/%25%32%65")));
}

#[test]
fn case_129_a_query_moves_nothing() {
    check_path("/a?/../b", Ok(("/a", "/a?/../b")));
    check_path("/a?x;y=%zz%00%2f..?", Ok(("/a", "/a?x;y=%zz%00%2f..?")));
    check_path("/a/../b?c/../../d", Ok(("/b", "/b?c/../../d")));
    let long = format!("/a?{}", "x=1&".repeat(10_000));
    let found = parse("GET", long.as_bytes(), &["h"]).expect("a long query");
    assert_eq!(found.query().map(<[u8]>::len), Some(40_000));
    assert_eq!(parse("GET", b"/a?", &["h"]).expect("an empty query").query(), Some(&b""[..]));
    assert_eq!(parse("GET", b"/a", &["h"]).expect("no query").query(), None);
}

#[test]
fn key_paths() {
    let check = |written: &str, expect: &str| assert_eq!(canonical_key_path(written), expect, "{written}");
    check("", "");
    check("/api", "/api");
    check("/%61pi", "/api");
    check("/café x", "/caf%C3%A9%20x");
    check("/a/../b//c/", "/b/c/");
}

/// Pieces whose every combination means something to some server.
const PIECES: [&[u8]; 30] = [
    b"/", b"/", b"/", b".", b"..", b"%2e", b"%2E%2e", b"%2f", b"%2F", b";", b"a", b"B", b"%61", b"%25", b"%5c",
    b"%c0%af", b"%", b"2f", b"?", b"#", b"\\", b"//", b"http://", b"h", b"@", b":80", b"*", b"\xff", b"%3b", b"..;",
];

/// A sequence that is random enough for tests and the same each time (Knuth's constants for a linear generator).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % bound
    }
}

#[test]
fn whatever_comes_is_refused_or_canonical() {
    let mut random = Random(7);
    let mut accepted = 0;
    for round in 0..60_000 {
        let mut target = if round % 3 == 0 { Vec::new() } else { b"/".to_vec() };
        for _ in 0..random.below(9) {
            target.extend_from_slice(PIECES[random.below(PIECES.len())]);
        }
        if round % 5 == 0 {
            target.push(u8::try_from(random.below(256)).expect("below 256"));
        }
        let Ok(first) = parse("GET", &target, &["h"]) else { continue };
        accepted += 1;
        let shown = text(&target);
        // What is forwarded is read by whoever comes next as we read it.
        let again = parse("GET", first.forward(), &["h"]).expect(&shown);
        assert_eq!((again.forward(), again.path()), (first.forward(), first.path()), "{shown}");
        assert_eq!(again.decoded_path(), first.decoded_path(), "{shown}");
        // What routes see is a fixed point.
        let path = parse("GET", first.path(), &["h"]).expect(&shown);
        assert_eq!((path.path(), path.forward()), (first.path(), first.path()), "{shown}");
        for path in [Some(first.path()), first.decoded_path()].into_iter().flatten() {
            let clean = !path.windows(2).any(|two| two == b"//") && !path.contains(&b';') && !path.contains(&b'\\');
            let dots = path::segments(path).any(|segment| segment == b"." || segment == b"..");
            assert!(path.starts_with(b"/") && clean && !dots, "{shown} became {}", text(path));
        }
    }
    assert!(accepted > 10_000, "only {accepted} of the targets were accepted: the pieces test little");
}

#[test]
fn any_bytes_are_read_without_a_panic() {
    let mut random = Random(11);
    for _ in 0..40_000 {
        let mut bytes = |most: usize| -> Vec<u8> {
            (0..random.below(most)).map(|_| u8::try_from(random.below(256)).expect("below 256")).collect()
        };
        let (method, target, host) = (bytes(8), bytes(24), bytes(12));
        let _ = Destination::parse(&method, &target, [host.as_slice()], Version::Http11);
        let target = [b"/", target.as_slice()].concat();
        let _ = Destination::parse(b"GET", &target, [], Version::Http10);
    }
}
