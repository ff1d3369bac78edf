//! What the name of a file tells of how long it may be kept: patterns of the configuration, and fingerprints.

/// What is said of a file whose name carries a fingerprint of its content: it never changes.
pub const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// What is said of any other: kept, but asked about each time, so that a new version is seen at once.
pub const ASK: &str = "no-cache";

/// Whether a pattern of `cache_control` holds for a path: `*` stands for any run of characters. A pattern without a
/// slash is about the file's name, others about the whole path from the directory on.
#[must_use]
pub fn matches(pattern: &str, path: &[u8]) -> bool {
    if pattern.contains('/') {
        return glob(pattern.trim_start_matches('/').as_bytes(), path);
    }
    glob(pattern.as_bytes(), last_segment(path))
}

/// Compares without going back further than the last star: linear in practice, quadratic at worst.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut in_pattern) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(in_pattern) {
            Some(b'*') => {
                star = Some((in_pattern, at));
                in_pattern += 1;
            }
            Some(byte) if text.get(at) == Some(byte) => {
                at += 1;
                in_pattern += 1;
            }
            Some(_) | None => {
                let Some((place, taken)) = &mut star else { return false };
                *taken += 1;
                (at, in_pattern) = (*taken, *place + 1);
            }
        }
    }
    pattern.get(in_pattern..).is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

/// What is said of a file where the configuration says nothing.
#[must_use]
pub fn cache_control(path: &[u8]) -> &'static str {
    if is_fingerprinted(last_segment(path)) { IMMUTABLE } else { ASK }
}

fn last_segment(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

/// Kinds of files that build tools name by their content. A page keeps its name, and a date in a report's is none.
const BUILT: &[&str] = &[
    "js", "mjs", "css", "map", "wasm", "woff", "woff2", "ttf", "otf", "eot", "svg", "png", "jpg", "jpeg", "gif",
    "webp", "avif", "ico", "mp3", "mp4", "webm", "ogg",
];

/// Whether a build tool has put a fingerprint into this name: `app.8e0d62a1.js`, `index-DiwrgTd4.css`. A name that is
/// taken for one wrongly would be kept for a year, so only what can hardly be anything else is.
#[must_use]
pub fn is_fingerprinted(name: &[u8]) -> bool {
    let Some(dot) = name.iter().rposition(|byte| *byte == b'.') else { return false };
    let (mut stem, extension) = (name.get(..dot).unwrap_or_default(), name.get(dot + 1..).unwrap_or_default());
    if !BUILT.iter().any(|built| extension.eq_ignore_ascii_case(built.as_bytes())) {
        return false;
    }
    // The map of a script is named after it: app.8e0d62a1.js.map
    for inner in [b".js".as_slice(), b".css", b".mjs"] {
        stem = stem.strip_suffix(inner).unwrap_or(stem);
    }
    stem.rsplit(|byte| matches!(byte, b'.' | b'-')).next().is_some_and(|last| last.len() < stem.len() && is_hash(last))
}

/// 8 to 64 hexadecimal digits with letters and numbers among them, or 8 characters of a larger alphabet that change
/// their kind too often for a word.
fn is_hash(text: &[u8]) -> bool {
    let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
    let hexadecimal = text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if hexadecimal {
        return (8..=64).contains(&text.len()) && digits > 0 && digits < text.len();
    }
    if text.len() != 8 || digits == 0 || !text.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
        return false;
    }
    let kind = |byte: u8| (byte.is_ascii_digit(), byte.is_ascii_uppercase());
    text.windows(2).filter(|pair| matches!(pair, [a, b] if kind(*a) != kind(*b))).count() >= 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_of_build_tools_are_known_and_words_are_not() {
        let check = |name: &str, expect| assert_eq!(is_fingerprinted(name.as_bytes()), expect, "{name}");
        check("main.8e0d62a1.js", true);
        check("main.8e0d62a1.chunk.css", false);
        check("index-Diw2gTda.js", true);
        check("app-5QYGO5ZK.css", true);
        check("logo.d41d8cd98f00b204e9800998ecf8427e.svg", true);
        check("main.8e0d62a1.js.map", true);
        check("index.html", false);
        check("index-Diw2gTda.html", false);
        check("report-20240101.png", false);
        check("jquery-timepicker.js", false);
        check("app-Version2.js", false);
        check("Button-MyWidget.js", false);
        check("8e0d62a1.js", false);
        check("facade.js", false);
        check("a-deadbeef.js", false);
        check("", false);
    }

    #[test]
    fn patterns_are_about_names_or_paths() {
        let check = |pattern: &str, path: &str, expect| {
            assert_eq!(matches(pattern, path.as_bytes()), expect, "{pattern} {path}");
        };
        check("*.woff2", "fonts/a.woff2", true);
        check("*.woff2", "fonts/a.woff", false);
        check("a*b*c", "aXbXbXc", true);
        check("a*b*c", "aXbX", false);
        check("/assets/*", "assets/x/y.js", true);
        check("/assets/*", "other/assets/y.js", false);
        check("*", "anything", true);
        check("index.html", "docs/index.html", true);
        check("/index.html", "docs/index.html", false);
    }
}
