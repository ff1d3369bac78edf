//! The way from a file to a [`Config`]: every error and warning of it and of the files it includes, at once.
//!
//! The command line and reload call it. What it needs of the world (files, the environment) comes through [`Source`].

use super::raw::{self, Walk, reference::beside};
use super::report::Report;
use super::text::{self, Entry, Mark, Node, Value};
use super::{CertificateFiles, Config, ConfigError, ErrorKind, Inspected, PairPart, Scope, Warning};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// How many files one configuration may have; more is an `include:` that goes in circles or a wrong pattern.
const MOST_FILES: usize = 1000;

/// What a configuration may ask of the world. Errors are words for the person, without the path.
pub trait Source {
    /// Reads a file, at most `limit` bytes of it.
    ///
    /// # Errors
    /// In words, where it can't be read: `No such file or directory`.
    fn read(&mut self, path: &Path, limit: usize) -> Result<Vec<u8>, String>;

    /// The files that a pattern such as `conf.d/*.yaml` stands for; none is no error.
    ///
    /// # Errors
    /// In words, where the pattern is none or its directory can't be read.
    fn glob(&mut self, pattern: &Path) -> Result<Vec<PathBuf>, String>;

    /// Looks at a certificate, its key and what is stapled to it: whether they can be read, fit together, and hold today.
    ///
    /// # Errors
    /// Which file is at fault, and in words why.
    fn certificate(&mut self, _: &CertificateFiles) -> Result<Inspected, (PairPart, String)> {
        Ok(Inspected::default())
    }

    /// Looks at a file of those who issue certificates: whether there is one in it at least.
    ///
    /// # Errors
    /// In words, why it can't be used.
    fn authorities(&mut self, _: &Path) -> Result<Inspected, String> {
        Ok(Inspected::default())
    }

    /// Whether there is a directory. What can't tell says that there is.
    fn is_directory(&mut self, _: &Path) -> bool {
        true
    }

    /// The value of a variable of the environment; `None` where it is not set (or not UTF-8).
    fn env(&mut self, name: &str) -> Option<String>;
}

/// What came of a file.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration, or everything that is wrong, in the order of the files and of the lines in them.
    pub config: Result<Config, Vec<ConfigError>>,
    /// What is allowed and probably not meant.
    pub warnings: Vec<Warning>,
    /// What routes stand in, for those that are registered later.
    pub scope: Scope,
    /// Every file that was asked for (the main one first), for the file watch; also where there are errors.
    pub files: Vec<PathBuf>,
    /// How many of those, from the first on, are written in this language: the main one and those that it includes.
    pub parts: usize,
}

/// A world without files and without an environment: for tests, fuzzing and texts that refer to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSource;

impl Source for NoSource {
    fn read(&mut self, _: &Path, _: usize) -> Result<Vec<u8>, String> {
        Err("there are no files here".to_owned())
    }

    fn glob(&mut self, _: &Path) -> Result<Vec<PathBuf>, String> {
        Err("there are no files here".to_owned())
    }

    fn env(&mut self, _: &str) -> Option<String> {
        None
    }
}

/// Reads the configuration at `path`. Never panics, whatever the bytes.
pub fn load(path: &Path, source: &mut dyn Source) -> Loaded {
    match source.read(path, text::MOST_BYTES + 1) {
        Ok(bytes) => load_bytes(path, &bytes, source),
        Err(words) => {
            let mut report = Report::default();
            let file = report.file(path, String::new());
            report.error(Mark { file, line: 1, column: 1, width: 1 }, ErrorKind::Unreadable(words));
            let (errors, warnings) = report.finish();
            Loaded { config: Err(errors), warnings, scope: Scope::default(), files: vec![path.to_owned()], parts: 1 }
        }
    }
}

/// Reads a configuration that is there already; `path` names it in reports, and its directory is where `include:` looks.
///
/// An empty text is the proxy without a file: the default listeners and no routes.
pub fn load_bytes(path: &Path, bytes: &[u8], source: &mut dyn Source) -> Loaded {
    let mut report = Report::default();
    let mut files = vec![path.to_owned()];
    let root = tree(&mut report, path, bytes);
    let mut walk = Walk::new(&mut report, source);
    let config = root.map(|mut root| {
        include(&mut walk, &mut root, &mut files);
        raw::config(&mut walk, &root)
    });
    let parts = files.len();
    files.append(&mut walk.files);
    let mut seen = BTreeSet::new();
    files.retain(|file| seen.insert(file.clone()));
    let (errors, warnings) = report.finish();
    let (config, scope) = match config {
        Some((config, context)) if errors.is_empty() => (Ok(Config { files: files.clone(), ..config }), Scope(context)),
        Some(_) | None => (Err(errors), Scope::default()),
    };
    Loaded { config, warnings, scope, files, parts }
}

impl Config {
    /// Reads a text that refers to no file and no variable. For tests and examples.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn from_text(text: &str) -> Result<Self, Vec<ConfigError>> {
        load_bytes(Path::new("switchboard.yaml"), text.as_bytes(), &mut NoSource).config
    }
}

/// Reads one file as a tree; what is wrong goes to the report.
fn tree(report: &mut Report, path: &Path, bytes: &[u8]) -> Option<Node> {
    let bytes = bytes.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(bytes);
    if bytes.len() > text::MOST_BYTES {
        let file = report.file(path, String::new());
        let at = report.mark(file, 0);
        report.error(at, ErrorKind::TooLarge(text::MOST_BYTES));
        return None;
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let file = report.file(path, String::from_utf8_lossy(bytes).into_owned());
            let at = report.mark(file, error.valid_up_to());
            report.error(at, ErrorKind::NotUtf8);
            return None;
        }
    };
    let file = report.file(path, text.to_owned());
    let text::Parsed { root, errors, twice } = text::parse(report.text(file), file);
    for (at, kind) in errors {
        report.error(at, kind);
    }
    for text::Twice { key, at, first } in twice {
        let first = report.place(first);
        report.error(at, ErrorKind::DuplicateKey { key, first });
    }
    root
}

/// Takes the files that `include:` names into the tree, and those that they include.
fn include(walk: &mut Walk<'_>, root: &mut Node, files: &mut Vec<PathBuf>) {
    let mut seen: BTreeSet<PathBuf> = files.iter().cloned().collect();
    let mut wanted = wanted(walk, root);
    wanted.reverse();
    while let Some((at, path)) = wanted.pop() {
        if files.len() >= MOST_FILES {
            return walk.report.error(at, ErrorKind::Excess { what: "files", most: MOST_FILES });
        }
        if !seen.insert(path.clone()) {
            let words = format!("{} is included already; keep one of the two", path.display());
            walk.report.error(at, ErrorKind::Include(words));
            continue;
        }
        files.push(path.clone());
        let bytes = match walk.source.read(&path, text::MOST_BYTES + 1) {
            Ok(bytes) => bytes,
            Err(words) => {
                let words = format!("{} can't be read: {words}", path.display());
                walk.report.error(at, ErrorKind::Include(words));
                continue;
            }
        };
        let Some(mut part) = tree(walk.report, &path, &bytes) else { continue };
        let more = self::wanted(walk, &part);
        wanted.extend(more.into_iter().rev());
        if let Value::Map(map) = &mut part.value {
            map.entries.retain(|entry| entry.key != "include");
        }
        join(walk.report, root, part);
    }
    unique_below(walk.report, root);
}

/// The files that the `include:` of a tree names, in order.
fn wanted(walk: &mut Walk<'_>, root: &Node) -> Vec<(Mark, PathBuf)> {
    let Value::Map(map) = &root.value else { return Vec::new() };
    let Some(entry) = map.entries.iter().find(|entry| entry.key == "include" && !entry.value.is_empty()) else {
        return Vec::new();
    };
    let mut wanted = Vec::new();
    for item in walk.one_or_list(&entry.value) {
        let Some(text) = walk.text(item, "a path or a pattern such as conf.d/*.yaml") else { continue };
        let path = beside(&walk.report.place(item.at).file, Path::new(&text));
        if !text.contains(['*', '?', '[']) {
            wanted.push((item.at, path));
            continue;
        }
        match walk.source.glob(&path) {
            Ok(mut paths) => {
                paths.sort();
                wanted.extend(paths.into_iter().map(|path| (item.at, path)));
            }
            Err(words) => {
                let words = format!("{} can't be followed: {words}", path.display());
                walk.report.error(item.at, ErrorKind::Include(words));
            }
        }
    }
    wanted
}

/// Joins a part to the whole: mappings by their entries, lists one after the other; anything else may stand once.
fn join(report: &mut Report, root: &mut Node, part: Node) {
    if part.is_empty() {
        return;
    }
    if root.is_empty() {
        *root = part;
        return;
    }
    let (Value::Map(whole), Value::Map(part)) = (&mut root.value, part.value) else {
        let words = "an included file is a mapping with keys such as `routes`, as the file that includes it";
        return report.error(part.at, ErrorKind::Include(words.to_owned()));
    };
    for entry in part.entries {
        let Some(there) = whole.entries.iter_mut().find(|there| there.key == entry.key) else {
            whole.entries.push(entry);
            continue;
        };
        let Entry { key, key_at, value } = entry;
        if there.value.is_empty() {
            there.value = value;
            continue;
        }
        match (&mut there.value.value, value.value) {
            (Value::Map(there), Value::Map(more)) => there.entries.extend(more.entries),
            (Value::List(there), Value::List(more)) => there.extend(more),
            _ => {
                let first = report.place(there.key_at);
                report.error(key_at, ErrorKind::DuplicateKey { key, first });
            }
        }
    }
}

/// Reports what stands in two files, once all are joined.
fn unique_below(report: &mut Report, root: &mut Node) {
    let Value::Map(map) = &mut root.value else { return };
    let mut twice = Vec::new();
    for entry in &mut map.entries {
        if let Value::Map(map) = &mut entry.value.value {
            text::unique(map, &mut twice);
        }
    }
    for text::Twice { key, at, first } in twice {
        let first = report.place(first);
        report.error(at, ErrorKind::DuplicateKey { key, first });
    }
}

#[cfg(test)]
mod tests;
