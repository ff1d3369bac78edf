//! The repository's own rules, as tests: what STYLE.md and ARCHITECTURE.md say and a compiler can't check.
//!
//! Each rule collects everything that breaks it and fails once with the list. An exception stands in a table here, with
//! its reason. No file of the source tree is written.
#![cfg(test)]

use std::fs;
use std::path::{Path, PathBuf};

/// Files that may be longer than [`MOST_LINES`], and why.
const LONG_FILES: &[(&str, &str)] = &[];

/// Functions that may be longer than [`MOST_FUNCTION_LINES`], and why.
const LONG_FUNCTIONS: &[(&str, &str, &str)] = &[
    ("core/src/answer/words.rs", "words", "one table, one entry a reason"),
    ("core/src/forwarding/request.rs", "examine", "one pass over the fields, one arm a name"),
];

/// Files that may contain `unsafe`, and why. Nothing in `core` may: it forbids it.
const UNSAFE_FILES: &[(&str, &str)] =
    &[("proxy/src/listener/bind.rs", "a descriptor that was inherited is known by its number alone")];

/// Past this a file is split, or stands in [`LONG_FILES`].
const MOST_LINES: usize = 400;

/// Past this a function no longer fits a screen.
const MOST_FUNCTION_LINES: usize = 70;

/// What would let the pure half of the project touch the world (invariant 1).
const IMPURE: &[&str] = &[
    "std::fs",
    "std::env",
    "std::thread",
    "std::process",
    "std::net::Tcp",
    "std::net::Udp",
    "std::os::",
    "Instant",
    "SystemTime",
    "RandomState",
    "tokio",
];

/// Parts of names that say nothing about what a thing is.
const EMPTY_NAMES: &[&str] = &["Manager", "Handler", "Helper", "Util", "Globals"];

#[test]
fn every_file_opens_with_what_it_is() {
    check(|file, text, wrong| {
        let head = text.lines().take_while(|line| line.starts_with("//!")).count();
        // A file of a line or two only keeps a place.
        let place = text.lines().count() < 3;
        if !place && !(1..=12).contains(&head) {
            wrong.push(format!("{file}: opens with {head} lines of `//!`, 1 to 12 are wanted"));
        }
    });
}

#[test]
fn files_are_short_enough_to_read() {
    check(|file, text, wrong| {
        let lines = text.lines().count();
        let known = LONG_FILES.iter().any(|(path, _)| *path == file);
        if lines > MOST_LINES && !known {
            wrong.push(format!("{file}: {lines} lines; split it, or give a reason in LONG_FILES"));
        }
        if lines <= MOST_LINES && known {
            wrong.push(format!("{file}: stands in LONG_FILES and has only {lines} lines"));
        }
    });
}

#[test]
fn functions_fit_a_screen() {
    check(|file, text, wrong| {
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let Some(name) = function(line) else { continue };
            let indent = line.len() - line.trim_start().len();
            // Formatted code closes a function in the column in which it begins.
            let ends = |line: &&str| line.trim_end() == format!("{}}}", " ".repeat(indent));
            let length = lines.iter().skip(at).position(ends).map_or(0, |end| end + 1);
            let known = LONG_FUNCTIONS.iter().any(|(path, long, _)| *path == file && *long == name);
            if length > MOST_FUNCTION_LINES && !known {
                wrong.push(format!("{file}:{}: `{name}` has {length} lines", at + 1));
            }
            if length <= MOST_FUNCTION_LINES && known {
                wrong.push(format!("{file}: `{name}` stands in LONG_FUNCTIONS and has only {length} lines"));
            }
        }
    });
}

#[test]
fn workers_have_no_timer_of_tokios() {
    check(|file, text, wrong| {
        // Their runtime has none (see `deadline`): what asks for one panics. Threads of their own have some.
        let elsewhere = ["admin", "certs", "cli", "control", "demo", "dev"];
        let aside =
            ["proxy/src/store/link.rs", "proxy/src/tokens/fetch.rs", "proxy/src/telemetry/export.rs"].contains(&file);
        let of_workers = file
            .strip_prefix("proxy/src/")
            .is_some_and(|rest| !elsewhere.iter().any(|module| rest.split(['/', '.']).next() == Some(*module)));
        if of_workers && !aside && text.lines().map(code_of).any(|line| line.contains("tokio::time")) {
            wrong.push(format!("{file}: `tokio::time` in a worker; use its `Deadlines`"));
        }
    });
}

#[test]
fn modules_are_files_of_their_name() {
    check(|file, _, wrong| {
        if file.ends_with("/mod.rs") {
            wrong.push(format!("{file}: call it by the module's name, one directory up"));
        }
    });
}

#[test]
fn lints_are_expected_with_a_reason_never_allowed() {
    check(|file, text, wrong| {
        let code: Vec<&str> = text.lines().map(code_of).collect();
        for (at, line) in code.iter().enumerate() {
            if ["#[allow", "#![allow"].iter().any(|start| line.trim_start().starts_with(start)) {
                wrong.push(format!("{file}:{}: `allow`; use `expect` with a reason", at + 1));
            }
            let attribute = code.get(at..(at + 6).min(code.len())).unwrap_or_default().concat();
            if line.trim_start().starts_with("#[expect(") && !attribute.contains("reason =") {
                wrong.push(format!("{file}:{}: `expect` without a reason", at + 1));
            }
        }
    });
}

#[test]
fn names_say_what_a_thing_is() {
    check(|file, text, wrong| {
        for (at, line) in text.lines().enumerate() {
            let code = code_of(line);
            for keyword in ["struct ", "enum ", "trait ", "type ", "mod "] {
                let Some(name) = declared(code, keyword) else { continue };
                if EMPTY_NAMES.iter().any(|part| name.to_ascii_lowercase().ends_with(&part.to_ascii_lowercase())) {
                    wrong.push(format!("{file}:{}: `{name}` names no thing", at + 1));
                }
            }
            if declared(code, "fn ").is_some_and(|name| name.starts_with("get_")) {
                wrong.push(format!("{file}:{}: a getter is called by what it gives", at + 1));
            }
        }
    });
}

#[test]
fn nothing_is_left_for_later_in_the_code() {
    check(|file, text, wrong| {
        for (at, line) in text.lines().enumerate() {
            // Written in two halves, so that this file doesn't find itself.
            let marks =
                [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("todo", "!("), concat!("unimplemented", "!(")];
            if marks.iter().any(|mark| line.contains(mark)) {
                wrong.push(format!("{file}:{}: finish it, or open an issue and say here what is not done", at + 1));
            }
        }
    });
}

#[test]
fn invariant_01_the_core_is_pure() {
    check(|file, text, wrong| {
        if !file.starts_with("core/src/") {
            return;
        }
        for (at, line) in production(text).enumerate() {
            if let Some(word) = IMPURE.iter().find(|word| code_of(line).contains(**word)) {
                wrong.push(format!("{file}:{}: `{word}` touches the world", at + 1));
            }
        }
    });
}

#[test]
fn invariant_09_unsafe_only_where_it_is_named() {
    check(|file, text, wrong| {
        let has = text.lines().map(code_of).any(|line| line.contains("unsafe {") || line.contains("unsafe fn "));
        let known = UNSAFE_FILES.iter().any(|(path, _)| *path == file);
        // The judges in `bench/` are not part of what runs in production.
        if has != known && !file.starts_with("bench/") && !file.ends_with("/tidy.rs") {
            wrong.push(format!("{file}: has unsafe code: {has}; stands in UNSAFE_FILES: {known}"));
        }
        if known && has && !text.contains("// SAFETY: ") {
            wrong.push(format!("{file}: unsafe code without a `SAFETY:` comment"));
        }
    });
}

#[test]
fn invariant_10_only_configuration_and_admin_types_know_serde() {
    check(|file, text, wrong| {
        let asks_admin = [
            "proxy/src/cli/drain.rs",
            "proxy/src/cli/endpoint.rs",
            "proxy/src/cli/purge.rs",
            "proxy/src/cli/which.rs",
            "proxy/src/dev",
            "proxy/src/top",
        ];
        let tokens = ["core/src/policy/claims.rs", "core/src/policy/jwt", "proxy/src/tokens"];
        let may = ["core/src/config", "proxy/src/admin", "bench/", "fuzz/"]
            .iter()
            .chain(&asks_admin)
            // What a token says is JSON.
            .chain(&tokens)
            .any(|part| file.starts_with(part));
        if !may && !file.contains("/tests/") && production(text).map(code_of).any(|line| line.contains("serde")) {
            wrong.push(format!("{file}: knows serde"));
        }
    });
}

#[test]
fn links_of_the_documents_lead_somewhere() {
    let mut wrong = Vec::new();
    for path in files(&root(), "md") {
        let text = fs::read_to_string(&path).unwrap();
        for (target, line) in links(&text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let to = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            let found = if anchor.is_empty() {
                to.exists()
            } else {
                fs::read_to_string(&to).is_ok_and(|text| anchors(&text).any(|a| a == anchor))
            };
            if !found {
                wrong.push(format!("{}:{line}: {target} leads nowhere", name(&path)));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_change_log_speaks_of_this_version() {
    let text = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let heading = |line: &str| line.starts_with("## ") && (line.contains(version) || line.contains("Unreleased"));
    assert!(text.lines().any(heading), "CHANGELOG.md has no heading for {version}");
}

/// Runs a rule over each Rust file of the repository, with its path from the root and its text.
fn check(rule: impl Fn(&str, &str, &mut Vec<String>)) {
    let mut wrong = Vec::new();
    let files = files(&root(), "rs");
    assert!(files.len() > 10, "the sources were not found");
    for path in files {
        rule(&name(&path), &fs::read_to_string(&path).unwrap(), &mut wrong);
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The files with an extension, without what is built, installed or hidden.
fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let skipped =
            name.starts_with('.') || matches!(&*name, "target" | "node_modules" | "out" | "corpus" | "artifacts");
        if path.is_dir() && !skipped {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn name(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().into_owned()
}

/// A line without its comment. A `//` in a text counts as one too: that only makes a rule milder.
fn code_of(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

/// The lines before the tests of a file; all tests files have none.
fn production(text: &str) -> impl Iterator<Item = &str> {
    let tests = text.starts_with("//! ") && text.contains("#[test]") && !text.contains("#[cfg(test)]");
    text.lines().take_while(move |line| !tests && !line.starts_with("#[cfg(test)]"))
}

/// The name that a line declares with a keyword.
fn declared<'a>(code: &'a str, keyword: &str) -> Option<&'a str> {
    let code = code.trim_start();
    let code = code.strip_prefix("pub ").or_else(|| code.strip_prefix("pub(crate) ")).unwrap_or(code);
    let name = code.strip_prefix(keyword)?;
    name.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

/// The name of the function with a body that a line begins to declare.
fn function(line: &str) -> Option<&str> {
    let mut words = code_of(line).split_whitespace();
    let qualifier =
        |word: &&str| ["pub", "const", "async", "unsafe", "extern", "pub(super)", "pub(crate)"].contains(word);
    let word = words.find(|word| !qualifier(word))?;
    let name = words.next().filter(|_| word == "fn" && !line.trim_end().ends_with(';'))?;
    name.split(['(', '<']).next()
}

/// The targets of the links `[…](target)` of a document outside of its code, with their lines.
fn links(text: &str) -> Vec<(&str, usize)> {
    let (mut found, mut fenced) = (Vec::new(), false);
    for (at, line) in text.lines().enumerate() {
        fenced ^= line.trim_start().starts_with("```");
        if fenced {
            continue;
        }
        let ends = line.match_indices("](").map(|(start, mark)| start + mark.len());
        found.extend(ends.filter_map(|start| Some((line.get(start..)?.split_once(')')?.0, at + 1))));
    }
    found
}

/// The anchors of a document's headings.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter(|line| line.starts_with('#')).map(|line| {
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        line.trim_start_matches('#').trim().to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")
    })
}
