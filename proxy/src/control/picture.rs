//! How the files of a configuration look from outside: enough to tell that one has changed, without reading it.
//!
//! `reading` makes one while it reads, from the very files it has open; `watch` compares it with how they look now.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use switchboard_core::config::Source as _;

use super::source::World;

/// How long a file has to be left alone before it counts as written: editors and deployments write in several steps.
pub const SETTLE: Duration = Duration::from_millis(100);

/// The same for a file that looks as if somebody were about to write on: one without a byte, one that is cut off.
pub const SETTLE_EMPTY: Duration = Duration::from_secs(1);

/// Time stamps of files are as coarse as the kernel's tick: a second change within one leaves the same stamp.
const TICK: Duration = Duration::from_millis(20);

/// The files that were read and the patterns that were followed, with what was there.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    files: BTreeMap<PathBuf, Mark>,
    patterns: BTreeMap<PathBuf, Vec<PathBuf>>,
    /// Files whose last line was not ended, or said that something follows, when they were read.
    unended: BTreeSet<PathBuf>,
}

/// By what can be seen from outside.
impl PartialEq for Picture {
    fn eq(&self, other: &Self) -> bool {
        self.files == other.files && self.patterns == other.patterns
    }
}

/// What makes a file the same file with the same contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// There is none.
    Missing,
    /// A pipe, a device: nothing that could be compared.
    Stream,
    /// It was being written when it was read.
    Torn,
    /// A regular file.
    File {
        /// Device and inode: the file itself.
        id: (u64, u64),
        /// Its size in bytes.
        size: u64,
        /// When it was written, in seconds and nanoseconds of the system's clock.
        written: (i64, i64),
        /// When its inode was changed, which no program can set.
        changed: (i64, i64),
    },
}

impl Mark {
    /// The mark of what was found.
    pub fn of(found: &Metadata) -> Self {
        if !found.is_file() {
            return Self::Stream;
        }
        Self::File {
            id: (found.dev(), found.ino()),
            size: found.size(),
            written: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }

    /// The mark of a file by its name.
    pub fn at(path: &Path) -> Self {
        std::fs::metadata(path).map_or(Self::Missing, |found| Self::of(&found))
    }

    /// How long ago the file was written; `None` where nobody can say, or where it lies in the future.
    fn age(&self) -> Option<Duration> {
        let &Self::File { changed: (seconds, nanos), .. } = self else { return None };
        let since = Duration::new(seconds.try_into().ok()?, nanos.try_into().ok()?);
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?.checked_sub(since)
    }

    /// Whether there is at least a byte.
    const fn has_contents(&self) -> bool {
        match self {
            Self::File { size, .. } => *size > 0,
            Self::Stream | Self::Torn => true,
            Self::Missing => false,
        }
    }
}

impl Picture {
    /// Notes a file with its mark from before it was read and the one from after.
    pub fn note_file(&mut self, path: &Path, before: Mark, after: Mark) {
        let torn = before != after || before.age().is_some_and(|age| age < TICK);
        self.files.insert(path.to_owned(), if torn { Mark::Torn } else { before });
    }

    /// Notes how the contents of a file end.
    pub fn note_end(&mut self, path: &Path, contents: &[u8]) {
        let goes_on = contents.trim_ascii_end().ends_with(b":");
        if !contents.is_empty() && (goes_on || !contents.ends_with(b"\n")) {
            self.unended.insert(path.to_owned());
        }
    }

    /// Notes a pattern with the files that it stood for.
    pub fn note_pattern(&mut self, pattern: &Path, files: &[PathBuf]) {
        self.patterns.insert(pattern.to_owned(), files.to_vec());
    }

    /// The same files and patterns, as they are now.
    pub fn now(&self) -> Self {
        let list = |pattern: &PathBuf| World.glob(pattern).unwrap_or_default();
        Self {
            files: self.files.keys().map(|path| (path.clone(), Mark::at(path))).collect(),
            patterns: self.patterns.keys().map(|pattern| (pattern.clone(), list(pattern))).collect(),
            unended: BTreeSet::new(),
        }
    }

    /// Whether a file that was read has not a byte in it, and had some before.
    pub fn was_emptied(&self, path: &Path, before: &Self) -> bool {
        matches!(self.files.get(path), Some(Mark::File { size: 0, .. }))
            && before.files.get(path).is_some_and(Mark::has_contents)
    }

    /// How long until every file has been left alone for long enough; zero where that is so already. `before` is what was
    /// read the last time: who never ends the last line is not waited for.
    pub fn settles_in(&self, before: &Self) -> Duration {
        let is_cut = |path: &PathBuf| {
            let had_contents = before.files.get(path).is_some_and(Mark::has_contents);
            had_contents && self.unended.contains(path) && !before.unended.contains(path)
        };
        let rest = |(path, mark): (&PathBuf, &Mark)| {
            let needed = if mark.has_contents() && !is_cut(path) { SETTLE } else { SETTLE_EMPTY };
            mark.age().map_or(Duration::ZERO, |age| needed.saturating_sub(age))
        };
        self.files.iter().map(rest).max().unwrap_or_default()
    }

    /// Whether a file that had something in it has nothing now, or is gone.
    pub fn has_less_than(&self, before: &Self) -> bool {
        let emptied = |(path, mark): (&PathBuf, &Mark)| {
            mark.has_contents() && self.files.get(path).is_some_and(|now| !now.has_contents())
        };
        before.files.iter().any(emptied)
    }

    /// The directories to watch: where the files stand, where links lead, and where a pattern looks.
    pub fn directories(&self) -> HashSet<PathBuf> {
        let real = self.files.keys().filter_map(|file| file.canonicalize().ok());
        let named = self.files.keys().chain(self.patterns.keys()).map(|file| directory(file));
        real.map(|file| directory(&file)).chain(named).collect()
    }
}

fn directory(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use super::{Mark, Picture, SETTLE, SETTLE_EMPTY};
    use std::path::Path;

    fn file(size: u64, changed: i64) -> Mark {
        Mark::File { id: (1, 1), size, written: (changed, 0), changed: (changed, 0) }
    }

    fn picture(mark: Mark) -> Picture {
        let mut picture = Picture::default();
        picture.note_file(Path::new("/a"), mark, mark);
        picture
    }

    #[test]
    fn contents_that_went_away() {
        let check = |before, now, expect| {
            assert_eq!(picture(now).has_less_than(&picture(before)), expect, "{before:?} {now:?}");
        };
        check(file(9, 1), file(0, 2), true);
        check(file(9, 1), Mark::Missing, true);
        check(file(9, 1), file(3, 2), false);
        check(file(0, 1), file(0, 2), false);
        check(Mark::Missing, file(0, 2), false);
    }

    #[test]
    fn what_was_empty_before_was_not_emptied() {
        let check = |before, now, expect| {
            let path = Path::new("/a");
            assert_eq!(picture(now).was_emptied(path, &picture(before)), expect, "{before:?} {now:?}");
            assert!(!picture(now).was_emptied(path, &Picture::default()), "a file that was not there: {now:?}");
        };
        check(file(9, 1), file(0, 2), true);
        check(file(9, 1), file(3, 2), false);
        check(file(9, 1), Mark::Missing, false);
        check(file(0, 1), file(0, 2), false);
        check(Mark::Missing, file(0, 2), false);
    }

    #[test]
    fn what_was_written_just_now_is_not_settled() {
        let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
        let fresh = |size| {
            let mut picture = Picture::default();
            picture.files.insert("/a".into(), file(size, now));
            picture.settles_in(&Picture::default())
        };
        assert!(fresh(0) <= SETTLE_EMPTY);
        assert!(fresh(9) <= SETTLE);
        let settled = |mark| picture(mark).settles_in(&Picture::default()).is_zero();
        assert!(settled(file(0, now - 2)));
        assert!(settled(file(9, now + 100)), "a clock that is ahead holds nothing up");
    }

    #[test]
    fn what_looks_cut_off_is_waited_for_longer() {
        let read = |contents: &str| {
            let now = std::time::UNIX_EPOCH.elapsed().unwrap();
            let at = (i64::try_from(now.as_secs()).unwrap(), i64::from(now.subsec_nanos()));
            let mut picture = Picture::default();
            picture.files.insert("/a".into(), Mark::File { id: (1, 1), size: 9, written: at, changed: at });
            picture.note_end(Path::new("/a"), contents.as_bytes());
            picture
        };
        let check = |before: Picture, contents, cut| {
            let rest = read(contents).settles_in(&before);
            assert_eq!(rest > SETTLE, cut, "{contents:?}: {rest:?}");
        };
        check(read("a: b\n"), "a: b\nc: ", true);
        check(read("a: b\n"), "a: b\nc: d", true);
        check(read("a: b\n"), "routes:\n", true);
        check(read("a: b\n"), "routes:\n  \n", true);
        check(read("a: b"), "a: b\nc: d", false);
        check(read("a: b\n"), "a: b\nc: d\n", false);
        check(Picture::default(), "a: b", false);
    }

    #[test]
    fn a_file_that_changed_while_it_was_read_looks_like_no_other() {
        let mut torn = Picture::default();
        torn.note_file(Path::new("/a"), file(9, 1), file(9, 2));
        assert_ne!(torn, picture(file(9, 1)));
        assert_ne!(torn, picture(file(9, 2)));
    }
}
