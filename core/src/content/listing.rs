//! The page that lists a directory, where `listing:` asks for one. Names are shown as text and linked as URLs: whoever
//! may put a file there may not put a script into the page.

use std::fmt::Write as _;

/// Entries that one page shows; a directory with more says so.
pub const MOST_ENTRIES: usize = 10_000;

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Directories come first.
    pub is_file: bool,
    /// Its name as the file system has it.
    pub name: Vec<u8>,
    /// Its size in bytes, of a file.
    pub size: u64,
}

/// Writes the page of the directory at `path`, as the client's URL has it. `entries` are put in order.
#[must_use]
pub fn page(path: &str, entries: &mut [Entry], cut: bool) -> String {
    entries.sort();
    let mut out = String::with_capacity(512 + entries.len() * 96);
    let title = escaped(path);
    // Writing to a text can't fail.
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title>\n<style>body{{font:16px/1.5 system-ui,sans-serif;margin:2rem \
         auto;max-width:50rem;padding:0 1rem}}table{{width:100%}}td:last-child{{text-align:right;color:#666}}a{{text-decoration:none}}\
         </style>\n<h1>{title}</h1>\n<table>\n"
    );
    if path != "/" {
        out.push_str("<tr><td><a href=\"../\">../</a><td>\n");
    }
    for entry in entries.iter() {
        let slash = if entry.is_file { "" } else { "/" };
        let shown = escaped(&String::from_utf8_lossy(&entry.name));
        // `./` first: a name with a colon in it would be taken for a scheme.
        let _ = write!(out, "<tr><td><a href=\"./{}{slash}\">{shown}{slash}</a><td>", encoded(&entry.name));
        if entry.is_file {
            let _ = write!(out, "{}", entry.size);
        }
        out.push('\n');
    }
    out.push_str("</table>\n");
    if cut {
        let _ = writeln!(out, "<p>Only the first {MOST_ENTRIES} entries are shown.</p>");
    }
    out.push_str("</html>\n");
    out
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

fn encoded(name: &[u8]) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(*byte)),
            other => {
                let _ = write!(out, "%{other:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_text_and_never_markup() {
        let file = |name: &str, size| Entry { is_file: true, name: name.as_bytes().to_vec(), size };
        let mut entries = [
            file("javascript:alert(1)", 3),
            file("<script>\"&'", 7),
            Entry { is_file: false, name: b"docs".to_vec(), size: 0 },
        ];
        let page = page("/a/<b>/", &mut entries, false);
        assert!(page.contains("<a href=\"./docs/\">docs/</a>"), "{page}");
        assert!(page.contains("<a href=\"./%3Cscript%3E%22%26%27\">&lt;script&gt;&quot;&amp;&#39;</a><td>7"), "{page}");
        assert!(page.contains("href=\"./javascript%3Aalert%281%29\""), "{page}");
        assert!(page.contains("<h1>/a/&lt;b&gt;/</h1>"), "{page}");
        assert!(!page.contains("<script>"));
        assert!(page.find("docs/").unwrap_or(0) < page.find("script").unwrap_or(0), "directories come first");
    }
}
