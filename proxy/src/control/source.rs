//! What a configuration may ask of the world: files, patterns, variables.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use switchboard_core::config::{CertificateFiles, Inspected, PairPart, Source};

use super::picture::Mark;
use crate::tls::files;

/// The real world.
#[derive(Clone, Copy, Debug)]
pub struct World;

impl Source for World {
    fn read(&mut self, path: &Path, limit: usize) -> Result<Vec<u8>, String> {
        read(path, limit).0
    }

    /// Stars and question marks in the last part of the path; directories are taken as they are.
    fn glob(&mut self, pattern: &Path) -> Result<Vec<PathBuf>, String> {
        let Some(name) = pattern.file_name().and_then(|name| name.to_str()) else {
            return Err("a pattern ends in the name of a file".to_owned());
        };
        if !name.contains(['*', '?']) {
            return Ok(vec![pattern.to_owned()]);
        }
        let directory = pattern.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut found = Vec::new();
        for entry in std::fs::read_dir(directory).map_err(words)? {
            let entry = entry.map_err(words)?;
            if entry.file_name().to_str().is_some_and(|file| !file.starts_with('.') && matches(name, file)) {
                found.push(entry.path());
            }
        }
        found.sort();
        Ok(found)
    }

    fn is_directory(&mut self, path: &Path) -> bool {
        path.is_dir()
    }

    fn env(&mut self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn certificate(&mut self, files: &CertificateFiles) -> Result<Inspected, (PairPart, String)> {
        files::inspect_pair(files)
    }

    fn authorities(&mut self, path: &Path) -> Result<Inspected, String> {
        files::authorities(path).map(|(_, digest)| Inspected { digest, warnings: Vec::new() })
    }
}

/// Reads a file, at most `limit` bytes of it, and says how it looked before.
pub fn read(path: &Path, limit: usize) -> (Result<Vec<u8>, String>, Mark) {
    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    match std::fs::File::open(path) {
        Ok(file) => {
            let mark = file.metadata().map_or(Mark::Missing, |found| Mark::of(&found));
            (file.take(limit).read_to_end(&mut bytes).map(|_| bytes).map_err(words), mark)
        }
        Err(error) => (Err(words(error)), Mark::at(path)),
    }
}

/// The system's words without its number.
fn words(error: std::io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text.get(..end).unwrap_or_default().to_owned(),
        None => text,
    }
}

/// Whether a name fits a pattern of `*` and `?`. Linear: a star remembers where to go back to.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || Some(c) == name.get(n) => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    p = at + 1;
                    n = from + 1;
                    star = Some((at, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns() {
        for (pattern, name, fits) in [
            ("*.yaml", "a.yaml", true),
            ("*.yaml", "a.yml", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*", "", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }
}
