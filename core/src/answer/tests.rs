//! What an answer looks like on the wire and to each kind of client.

use super::*;

const ID: &str = "00112233445566778899aabbccddeeff";

fn explanation(reason: Reason, form: Form) -> Explanation<'static> {
    Explanation { reason, request_id: ID, form, detail: "", known_hosts: &[], retry_after: None }
}

fn wire() -> Wire<'static> {
    Wire { date: b"Sun, 06 Nov 1994 08:49:37 GMT", version: Version::Http11, close: false, head: false }
}

fn written(answer: &Answer, wire: &Wire<'_>) -> String {
    let mut out = Vec::new();
    answer.write(&mut out, wire);
    String::from_utf8(out).unwrap()
}

fn body(what: &Explanation<'_>) -> String {
    let mut answer = Answer::new();
    answer.explain(what);
    String::from_utf8(answer.body().to_vec()).unwrap()
}

#[test]
fn an_explained_reason_is_a_whole_message() {
    let mut answer = Answer::new();
    answer.explain(&explanation(Reason::NoRoute, Form::Text));
    let expect = "HTTP/1.1 404 Not Found\r\n\
        date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
        x-switchboard-reason: no_route\r\n\
        x-request-id: 00112233445566778899aabbccddeeff\r\n\
        content-type: text/plain; charset=utf-8\r\n\
        cache-control: no-store\r\n\
        x-content-type-options: nosniff\r\n\
        content-length: LENGTH\r\n\r\n";
    let text = written(&answer, &wire());
    let length = answer.body().len().to_string();
    assert!(text.starts_with(&expect.replace("LENGTH", &length)), "{text}");
    assert!(text.ends_with(&format!("\nRequest id: {ID}\n")), "{text}");
}

#[test]
fn every_reason_has_words_in_every_form() {
    for reason in Reason::ALL {
        for form in [Form::Html, Form::Json, Form::Text] {
            let body = body(&explanation(reason, form));
            assert!(body.contains(reason.code()) && body.contains(ID), "{body}");
            assert!(body.contains(words(reason).title), "{body}");
            assert!(body.len() < 3_000, "{} is {} bytes", reason.code(), body.len());
        }
    }
}

#[test]
fn head_has_the_fields_of_a_get_and_no_body() {
    let mut answer = Answer::new();
    answer.explain(&explanation(Reason::ConnectRefused, Form::Json));
    let whole = written(&answer, &wire());
    let head = written(&answer, &Wire { head: true, ..wire() });
    assert_eq!(whole.split_once("\r\n\r\n").map(|(head, _)| head), head.strip_suffix("\r\n\r\n"));
}

#[test]
fn the_connection_field_follows_version_and_close() {
    let check = |version, close, expect: &str| {
        let mut answer = Answer::new();
        answer.respond(200, "ok", ID);
        let text = written(&answer, &Wire { version, close, ..wire() });
        let found = text.lines().find_map(|line| line.strip_prefix("connection: ")).unwrap_or("");
        assert_eq!(found, expect);
    };
    check(Version::Http11, false, "");
    check(Version::Http11, true, "close");
    check(Version::Http10, false, "keep-alive");
    check(Version::Http10, true, "close");
}

#[test]
fn a_configured_text_comes_exactly() {
    let mut answer = Answer::new();
    answer.respond(404, "No workspace found for this hostname", ID);
    let text = written(&answer, &wire());
    assert!(text.starts_with("HTTP/1.1 404 Not Found\r\n"), "{text}");
    assert!(text.contains("\r\nx-switchboard-reason: respond\r\n"), "{text}");
    assert!(text.contains("\r\ncontent-type: text/plain; charset=utf-8\r\n"), "{text}");
    assert!(text.ends_with("\r\ncontent-length: 36\r\n\r\nNo workspace found for this hostname"), "{text}");
}

#[test]
fn a_status_without_content_has_neither_body_nor_length() {
    for status in [204, 304] {
        let mut answer = Answer::new();
        answer.respond(status, "text", ID);
        let text = written(&answer, &wire());
        assert!(text.ends_with("\r\n\r\n") && !text.contains("content-length"), "{text}");
        assert!(answer.body().is_empty());
    }
}

#[test]
fn a_redirect_says_where() {
    let mut answer = Answer::new();
    answer.redirect(308, b"https://example.com/a?b=1", ID).unwrap();
    let text = written(&answer, &wire());
    assert!(text.starts_with("HTTP/1.1 308 Permanent Redirect\r\n"), "{text}");
    assert!(text.contains("\r\nlocation: https://example.com/a?b=1\r\n"), "{text}");
    assert!(text.contains("\r\nx-switchboard-reason: redirect\r\n"), "{text}");
}

#[test]
fn case_076_a_location_with_control_bytes_is_refused() {
    for location in [&b"/a\r\nset-cookie: x=1"[..], b"/a\n", b"/a\0", b"/a\x7f"] {
        assert_eq!(Answer::new().redirect(308, location, ID), Err(Reason::Internal));
    }
}

#[test]
fn waiting_and_methods_are_named_where_they_help() {
    let field = |what: &Explanation<'_>, name: &str| {
        let mut answer = Answer::new();
        answer.explain(what);
        answer.fields().find(|(n, _)| *n == name).map(|(_, value)| String::from_utf8(value.to_vec()).unwrap())
    };
    let overloaded = explanation(Reason::Overloaded, Form::Text);
    assert_eq!(field(&overloaded, "retry-after").as_deref(), Some("1"));
    let longer = Explanation { retry_after: Some(30), ..overloaded };
    assert_eq!(field(&longer, "retry-after").as_deref(), Some("30"));
    assert_eq!(field(&explanation(Reason::NoRoute, Form::Text), "retry-after"), None);
    let method = field(&explanation(Reason::MethodNotAllowed, Form::Text), "allow").unwrap();
    assert!(method.contains("GET") && !method.contains("TRACE"), "{method}");
}

#[test]
fn an_answer_is_used_again_without_traces_of_the_last() {
    let mut used = Answer::new();
    used.explain(&explanation(Reason::RateLimited, Form::Html));
    used.respond(200, "ok", ID);
    let mut fresh = Answer::new();
    fresh.respond(200, "ok", ID);
    assert_eq!(written(&used, &wire()), written(&fresh, &wire()));
}

#[test]
fn case_189_no_version_and_no_address_in_any_answer() {
    for reason in Reason::ALL {
        for form in [Form::Html, Form::Json, Form::Text] {
            let mut answer = Answer::new();
            answer.explain(&explanation(reason, form));
            let text = written(&answer, &wire()).to_ascii_lowercase();
            for secret in ["127.0.0.1", "localhost", env!("CARGO_PKG_VERSION"), "server:", ".rs:", "panicked", "tokio"]
            {
                assert!(!text.contains(secret), "{secret} in {text}");
            }
        }
    }
}

#[test]
fn details_and_hosts_are_escaped() {
    let hosts = ["a.localhost:8080".to_owned(), "<script>\"x\"".to_owned(), "*.b.localhost".to_owned()];
    let what =
        Explanation { detail: "a <b> & 'c'\r\n\x1b", known_hosts: &hosts, ..explanation(Reason::NoRoute, Form::Html) };
    let html = body(&what);
    assert!(html.contains("a &lt;b&gt; &amp; &#39;c&#39;"), "{html}");
    assert!(html.contains("<li><a href=\"//a.localhost:8080\">a.localhost:8080</a></li>"), "{html}");
    assert!(html.contains("<li>*.b.localhost</li>"), "{html}");
    assert!(!html.contains("<script"), "{html}");

    let json = body(&Explanation { form: Form::Json, ..what });
    assert!(json.contains(r#""detail":"a <b> & 'c'\r\n\u001b""#), "{json}");
    assert!(json.contains(r#""known_hosts":["a.localhost:8080","<script>\"x\"","*.b.localhost"]"#), "{json}");

    let text = body(&Explanation { form: Form::Text, ..what });
    assert!(text.contains(r"In detail: a <b> & 'c'\r\n\x1b"), "{text}");
    assert!(text.contains("\nKnown hosts:\n  a.localhost:8080\n"), "{text}");
}
