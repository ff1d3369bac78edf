//! Where errors and warnings are gathered while files are read, and turned into places that a person can open.
//!
//! `load` owns it and `raw` writes to it. Inside, places are marks (a file by its number); they become [`Place`]s here.

use super::text::Mark;
use super::{ConfigError, ErrorKind, Excerpt, Place, Warning, WarningKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many errors are listed, and as many warnings; a file with more has one cause.
const MOST: usize = 10_000;
/// Lines with more bytes than this are not shown: somebody's program wrote them, and looking costs time per error.
const MOST_SHOWN: usize = 16 << 10;
/// How much of a long line is shown, in characters.
const WINDOW: usize = 120;

/// A file that was read.
#[derive(Debug)]
struct File {
    path: Arc<Path>,
    text: String,
    /// Where each line begins, in bytes.
    lines: Vec<usize>,
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    files: Vec<File>,
    errors: Vec<(Mark, ErrorKind)>,
    warnings: Vec<(Mark, WarningKind)>,
}

impl Report {
    /// Takes in a file; its number is what marks carry.
    pub(super) fn file(&mut self, path: &Path, text: String) -> usize {
        let mut lines = vec![0];
        let bytes = text.as_bytes();
        for (at, byte) in bytes.iter().enumerate() {
            // A carriage return alone ends a line too (YAML 1.2 §5.4).
            if *byte == b'\n' || (*byte == b'\r' && bytes.get(at + 1) != Some(&b'\n')) {
                lines.push(at + 1);
            }
        }
        self.files.push(File { path: path.into(), text, lines });
        self.files.len() - 1
    }

    /// The text of a file.
    pub(super) fn text(&self, file: usize) -> &str {
        self.files.get(file).map_or("", |file| &file.text)
    }

    /// The mark of a byte of a file.
    pub(super) fn mark(&self, file: usize, byte: usize) -> Mark {
        let nowhere = Mark { file, line: 1, column: 1, width: 1 };
        let Some(File { text, lines, .. }) = self.files.get(file) else { return nowhere };
        let line = lines.partition_point(|start| *start <= byte);
        let start = lines.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let column = text.get(start..byte).map_or(0, |before| before.chars().count());
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Mark { file, line: number(line), column: number(column + 1), width: 1 }
    }

    pub(super) fn error(&mut self, at: Mark, kind: ErrorKind) {
        if self.errors.len() < MOST {
            self.errors.push((at, kind));
        } else if self.errors.len() == MOST {
            self.errors.push((Mark { line: u32::MAX, ..at }, ErrorKind::More));
        }
    }

    /// Tells whether nothing was wrong so far.
    pub(super) const fn is_sound(&self) -> bool {
        self.errors.is_empty()
    }

    pub(super) fn warn(&mut self, at: Mark, kind: WarningKind) {
        if self.warnings.len() < MOST {
            self.warnings.push((at, kind));
        }
    }

    pub(super) fn place(&self, mark: Mark) -> Place {
        let file = self.files.get(mark.file).map_or_else(|| PathBuf::new().into(), |file| Arc::clone(&file.path));
        Place { file, line: mark.line, column: mark.column }
    }

    /// Everything that was found, in the order of files and lines; the same thing is said once.
    pub(super) fn finish(mut self) -> (Vec<ConfigError>, Vec<Warning>) {
        let mut errors = std::mem::take(&mut self.errors);
        let mut warnings = std::mem::take(&mut self.warnings);
        errors.sort_by_key(|(mark, _)| *mark);
        errors.dedup();
        warnings.sort_by_key(|(mark, _)| *mark);
        warnings.dedup();
        let error = |(mark, kind)| ConfigError { at: self.place(mark), kind, excerpt: self.excerpt(mark) };
        let warning = |(mark, kind)| Warning { at: self.place(mark), kind, excerpt: self.excerpt(mark) };
        (errors.into_iter().map(error).collect(), warnings.into_iter().map(warning).collect())
    }

    fn excerpt(&self, mark: Mark) -> Option<Excerpt> {
        let File { text, lines, .. } = self.files.get(mark.file)?;
        let line = usize::try_from(mark.line).ok()?;
        let start = *lines.get(line.checked_sub(1)?)?;
        let end = lines.get(line).copied().unwrap_or(text.len());
        let line = text.get(start..end).filter(|line| line.len() <= MOST_SHOWN)?.trim_end_matches(['\n', '\r']);
        let column = usize::try_from(mark.column.saturating_sub(1)).ok()?;
        // Most lines fit whole; of a long one a window is shown that has the place in its first half.
        let long = line.chars().nth(WINDOW).is_some();
        let skip = if long { column.saturating_sub(WINDOW / 2) } else { 0 };
        let shown: String = line.chars().skip(skip).take(WINDOW).collect();
        let indent = column - skip;
        let room = shown.chars().count().saturating_sub(indent).max(1);
        let width = usize::try_from(mark.width).unwrap_or(1).clamp(1, room);
        (!line.trim().is_empty()).then_some(Excerpt { text: shown, indent, width })
    }
}
