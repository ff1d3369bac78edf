//! Writes the body that explains a reason: a small page, a JSON object or a few lines of text.
//!
//! The page stands by itself: no script, no image, no address of anybody. What is not a constant is escaped.

use super::{Explanation, Form, words};
use crate::access::escape;

/// Appends the body.
pub(super) fn write(out: &mut Vec<u8>, what: &Explanation<'_>) {
    match what.form {
        Form::Html => html(out, what),
        Form::Json => json(out, what),
        Form::Text => text(out, what),
        Form::Grpc => {}
    }
}

const HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
<meta name=\"color-scheme\" content=\"light dark\">\n";

const STYLE: &str = "<style>\n\
:root{color-scheme:light dark;--ink:#1c2430;--soft:#56606e;--paper:#fbfbf9;--line:#d9dbe0;--mark:#a3330f}\n\
@media(prefers-color-scheme:dark){:root{--ink:#e8eaee;--soft:#a5adb9;--paper:#14181e;--line:#333b46;--mark:#ff9d76}}\n\
body{margin:0;padding:12vh 1.5rem 3rem;background:var(--paper);color:var(--ink);font:1.05rem/1.6 system-ui,sans-serif}\n\
main{max-width:38rem;margin:0 auto}h1{font-size:1.6rem;line-height:1.25;margin:0 0 1rem}h2{font-size:1.1rem}\n\
.status{color:var(--mark);font-weight:600;margin:0}\n\
dl{border-top:1px solid var(--line);padding-top:1rem;color:var(--soft);font-size:.9rem}dt{font-weight:600}\n\
dd{margin:0 0 .5rem}code{font-family:ui-monospace,monospace;overflow-wrap:anywhere}a{color:inherit}\n\
</style>\n";

fn html(out: &mut Vec<u8>, what: &Explanation<'_>) {
    let (words, reason) = (words(what.reason), what.reason);
    let status = reason.status().to_string();
    put(out, &[HEAD, "<title>", &status, " ", words.title, "</title>\n", STYLE, "</head>\n<body>\n<main>\n"]);
    put(out, &["<p class=\"status\">", &status, "</p>\n<h1>", words.title, "</h1>\n<p>", words.what, "</p>\n"]);
    if !what.detail.is_empty() {
        put(out, &["<p><strong>In detail:</strong> "]);
        html_text(out, what.detail);
        put(out, &[full_stop(what.detail), "</p>\n"]);
    }
    put(out, &["<p>"]);
    html_words(out, words.look);
    put(out, &["</p>\n"]);
    if !what.known_hosts.is_empty() {
        put(out, &["<h2>Known hosts</h2>\n<ul>\n"]);
        for host in what.known_hosts {
            html_host(out, host);
        }
        put(out, &["</ul>\n"]);
    }
    put(out, &["<dl>\n<dt>Reason</dt><dd><code>", reason.code(), "</code></dd>\n<dt>Request id</dt><dd><code>"]);
    html_text(out, what.request_id);
    put(out, &["</code></dd>\n</dl>\n</main>\n</body>\n</html>\n"]);
}

/// Details that the codec gives are clauses, others are sentences.
fn full_stop(detail: &str) -> &'static str {
    if detail.ends_with('.') { "" } else { "." }
}

fn html_host(out: &mut Vec<u8>, host: &str) {
    // A pattern is no place that one could go to.
    let link = !host.contains('*');
    put(out, &["<li>"]);
    if link {
        put(out, &["<a href=\"//"]);
        html_text(out, host);
        put(out, &["\">"]);
    }
    html_text(out, host);
    put(out, &[if link { "</a></li>\n" } else { "</li>\n" }]);
}

/// Commands stand in backticks, of which a page makes a thing that looks like one.
fn html_words(out: &mut Vec<u8>, words: &str) {
    for (at, piece) in words.split('`').enumerate() {
        let (before, after) = if at % 2 == 0 { ("", "") } else { ("<code>", "</code>") };
        put(out, &[before]);
        html_text(out, piece);
        put(out, &[after]);
    }
}

fn html_text(out: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'&' => put(out, &["&amp;"]),
            b'<' => put(out, &["&lt;"]),
            b'>' => put(out, &["&gt;"]),
            b'"' => put(out, &["&quot;"]),
            b'\'' => put(out, &["&#39;"]),
            other => out.push(other),
        }
    }
}

fn json(out: &mut Vec<u8>, what: &Explanation<'_>) {
    let (words, reason) = (words(what.reason), what.reason);
    put(out, &["{\"status\":", &reason.status().to_string(), ",\"reason\":"]);
    json_text(out, reason.code());
    for (key, value) in [("title", words.title), ("what", words.what), ("look", words.look), ("detail", what.detail)] {
        if !value.is_empty() {
            put(out, &[",\"", key, "\":"]);
            json_text(out, value);
        }
    }
    if !what.known_hosts.is_empty() {
        put(out, &[",\"known_hosts\":["]);
        for (at, host) in what.known_hosts.iter().enumerate() {
            put(out, &[if at == 0 { "" } else { "," }]);
            json_text(out, host);
        }
        put(out, &["]"]);
    }
    put(out, &[",\"request_id\":"]);
    json_text(out, what.request_id);
    put(out, &["}\n"]);
}

fn json_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    escape::json(out, text.as_bytes());
    out.push(b'"');
}

fn text(out: &mut Vec<u8>, what: &Explanation<'_>) {
    let (words, reason) = (words(what.reason), what.reason);
    put(out, &[&reason.status().to_string(), " ", words.title, " (", reason.code(), ")\n\n", words.what, "\n"]);
    if !what.detail.is_empty() {
        put(out, &["In detail: "]);
        escape::text(out, what.detail.as_bytes());
        put(out, &[full_stop(what.detail), "\n"]);
    }
    put(out, &[words.look, "\n"]);
    if !what.known_hosts.is_empty() {
        put(out, &["\nKnown hosts:\n"]);
        for host in what.known_hosts {
            put(out, &["  "]);
            escape::text(out, host.as_bytes());
            put(out, &["\n"]);
        }
    }
    put(out, &["\nRequest id: "]);
    escape::text(out, what.request_id.as_bytes());
    put(out, &["\n"]);
}

fn put(out: &mut Vec<u8>, pieces: &[&str]) {
    for piece in pieces {
        out.extend_from_slice(piece.as_bytes());
    }
}
