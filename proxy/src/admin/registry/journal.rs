//! The file in which registered routes are kept: records that are only ever appended, each with its length and a
//! checksum.
//!
//! A record is written before its change is acknowledged, so an end of the process at any point loses nothing; what a
//! crash of the machine may lose is bounded by the next `fdatasync`. A last record that was torn is dropped, any other
//! damage is reported and the file set aside. When it has grown, a new file takes its place by rename.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the file begins with: a name and a version.
const MAGIC: &[u8; 8] = b"SWBJRNL1";

/// Bytes before each record: its length and its checksum.
const HEAD: usize = 8;

/// The longest record: a body of 8 MiB as a text in JSON may double.
const MOST_RECORD: usize = 32 << 20;

/// Below this a file is left as it is.
const SMALL: u64 = 1 << 20;

/// The open file.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: Arc<File>,
    bytes: u64,
    /// What was written since a smaller file was begun.
    since: Option<Vec<u8>>,
}

/// What stood in a file.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The records, in order.
    pub(super) records: Vec<Vec<u8>>,
    /// What was wrong, in words.
    pub(super) complaint: Option<String>,
}

impl Journal {
    /// Opens the file, or makes it, and gives what stands in it.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Found)> {
        let options = || {
            let mut options = OpenOptions::new();
            options.read(true).append(true).create(true).mode(0o600);
            options
        };
        let mut file = options().open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let (mut found, sound) = read(&bytes);
        if sound.is_none() {
            let aside = path.with_extension("damaged");
            std::fs::rename(path, &aside)?;
            let words = format!("{} is damaged; it was set aside as {}", path.display(), aside.display());
            found.complaint = Some(words);
            file = options().open(path)?;
            let mut journal = Self { path: path.to_owned(), file: Arc::new(file), bytes: 0, since: None };
            let records: Vec<u8> = found.records.iter().flat_map(|record| framed(record)).collect();
            journal.start()?;
            journal.append(&records)?;
            return Ok((journal, found));
        }
        let sound = sound.unwrap_or(0);
        if sound < bytes.len() as u64 {
            file.set_len(sound)?;
            found.complaint = Some(format!("the last record of {} was torn and is dropped", path.display()));
        }
        let mut journal = Self { path: path.to_owned(), file: Arc::new(file), bytes: sound, since: None };
        if sound == 0 {
            journal.start()?;
        }
        Ok((journal, found))
    }

    fn start(&mut self) -> io::Result<()> {
        (&*self.file).write_all(MAGIC)?;
        self.bytes = MAGIC.len() as u64;
        Ok(())
    }

    /// Appends records that [`framed`] made. What was written in part is taken back.
    pub(super) fn append(&mut self, records: &[u8]) -> io::Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        if let Err(error) = (&*self.file).write_all(records) {
            let _ = self.file.set_len(self.bytes);
            return Err(error);
        }
        self.bytes += records.len() as u64;
        if let Some(since) = &mut self.since {
            since.extend_from_slice(records);
        }
        Ok(())
    }

    /// The file, for an `fdatasync` elsewhere.
    pub(super) fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Whether a file with `live` bytes of records would be much smaller.
    pub(super) const fn wants_compaction(&self, live: u64) -> bool {
        self.since.is_none() && self.bytes > SMALL && self.bytes / 4 > live
    }

    /// Begins a smaller file: what is written from now on goes into both. Returns where it is to be written.
    pub(super) fn begin_compaction(&mut self) -> PathBuf {
        self.since = Some(Vec::new());
        self.path.with_extension("new")
    }

    /// Lets the smaller file take the place of this one, or forgets it where it could not be written.
    pub(super) fn end_compaction(&mut self, written: io::Result<File>) -> io::Result<()> {
        let since = self.since.take().unwrap_or_default();
        let file = written?;
        (&file).write_all(&since)?;
        file.sync_data()?;
        std::fs::rename(self.path.with_extension("new"), &self.path)?;
        self.bytes = file.metadata()?.len();
        self.file = Arc::new(file);
        Ok(())
    }
}

/// Writes a smaller file with these records, elsewhere than on the loop.
pub(super) fn write_new(path: &Path, records: &[u8]) -> io::Result<File> {
    let _ = std::fs::remove_file(path);
    let mut file = OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(MAGIC)?;
    file.write_all(records)?;
    file.sync_data()?;
    Ok(file)
}

/// A record as the file has it.
pub(super) fn framed(payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let mut record = Vec::with_capacity(HEAD + payload.len());
    record.extend_from_slice(&length.to_le_bytes());
    record.extend_from_slice(&checksum(payload).to_le_bytes());
    record.extend_from_slice(payload);
    record
}

/// The records, and how many bytes are sound; `None` where something else than the end is damaged.
fn read(bytes: &[u8]) -> (Found, Option<u64>) {
    let mut found = Found::default();
    if bytes.len() < MAGIC.len() {
        return (found, if MAGIC.starts_with(bytes) { Some(0) } else { None });
    }
    let Some(mut rest) = bytes.strip_prefix(MAGIC) else { return (found, None) };
    while !rest.is_empty() {
        let sound = (bytes.len() - rest.len()) as u64;
        let Some((length, sum, payload)) = split(rest) else { return (found, Some(sound)) };
        let Some(record) = payload.get(..length).filter(|_| length <= MOST_RECORD) else {
            // A length that leads beyond the end was the last to be written, or is no length.
            return (found, (length <= MOST_RECORD).then_some(sound));
        };
        let after = payload.get(length..).unwrap_or_default();
        if checksum(record) != sum {
            return (found, after.is_empty().then_some(sound));
        }
        found.records.push(record.to_vec());
        rest = after;
    }
    (found, Some(bytes.len() as u64))
}

fn split(rest: &[u8]) -> Option<(usize, u32, &[u8])> {
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (sum, payload) = rest.split_first_chunk::<4>()?;
    Some((usize::try_from(u32::from_le_bytes(*length)).ok()?, u32::from_le_bytes(*sum), payload))
}

/// CRC-32 (ISO-HDLC), a bit at a time: records are short and rare.
fn checksum(bytes: &[u8]) -> u32 {
    let step = |sum: u32, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 };
    !bytes.iter().fold(!0, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), step))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(records: &[&[u8]]) -> Vec<u8> {
        MAGIC.iter().copied().chain(records.iter().flat_map(|record| framed(record))).collect()
    }

    #[test]
    fn the_checksum_is_the_known_one() {
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn a_torn_end_is_dropped_wherever_it_was_torn() {
        let whole = file(&[b"one", b"two", b"three"]);
        let ends: Vec<usize> = [&[][..], &[&b"one"[..]], &[b"one", b"two"], &[b"one", b"two", b"three"]]
            .iter()
            .map(|records| file(records).len())
            .collect();
        for cut in 0..=whole.len() {
            let (found, sound) = read(&whole[..cut]);
            let expect = ends.iter().filter(|end| **end <= cut).count().saturating_sub(1);
            assert_eq!(found.records.len(), expect, "cut at {cut}");
            let sound_end = ends.iter().copied().filter(|end| *end <= cut).max().unwrap_or(0);
            assert_eq!(sound, Some(sound_end as u64), "cut at {cut}");
        }
    }

    #[test]
    fn damage_elsewhere_is_told() {
        let mut bytes = file(&[b"one", b"two", b"three"]);
        let at = file(&[b"one"]).len() + HEAD;
        bytes[at] ^= 1;
        let (found, sound) = read(&bytes);
        assert_eq!((found.records, sound), (vec![b"one".to_vec()], None));
        assert_eq!(read(b"something else").1, None);
        let mut bytes = file(&[b"one", b"two"]);
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        assert_eq!(read(&bytes).1, Some(file(&[b"one"]).len() as u64));
    }
}
