//! Throwing away: by URL, by the beginning of URLs, by tag. For the control thread: all but the first look at every key.

use std::collections::BTreeSet;

use switchboard_core::cache::{key, tags};

use super::Store;

/// What is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purge {
    /// What is kept under this URL.
    Url(String),
    /// What is kept under URLs that begin so.
    Prefix(String),
    /// What its origin gave this tag.
    Tag(String),
    /// Everything.
    All,
}

impl Store {
    /// Throws away what is meant, and keeps what is being fetched now from being stored. Returns how many URLs that were.
    pub fn purge(&self, what: &Purge) -> u64 {
        // First, so that whoever asked its origin before this does not store its answer after it.
        self.eras.note_all();
        let mut keys = self.in_memory(what);
        keys.extend(self.on_the_disk(what));
        if let Some(memory) = self.memory.get() {
            keys.iter().for_each(|key| memory.invalidate(key.as_slice()));
        }
        keys.len() as u64
    }

    fn in_memory(&self, what: &Purge) -> BTreeSet<Vec<u8>> {
        let Some(memory) = self.memory.get() else { return BTreeSet::new() };
        match what {
            Purge::Url(url) => spellings(url).filter(|key| memory.contains_key(key.as_slice())).collect(),
            Purge::Prefix(prefix) => {
                let beginnings = beginnings(prefix);
                let all = memory.iter().map(|(key, _)| (*key).clone());
                all.filter(|key| beginnings.iter().any(|start| key.starts_with(start))).collect()
            }
            Purge::Tag(tag) => {
                let tag = tags::hash(tag.as_bytes());
                let has = |page: &super::Page| page.answers().iter().any(|one| one.entry.tags.contains(&tag));
                memory.iter().filter(|(_, page)| has(page)).map(|(key, _)| (*key).clone()).collect()
            }
            Purge::All => memory.iter().map(|(key, _)| (*key).clone()).collect(),
        }
    }

    fn on_the_disk(&self, what: &Purge) -> Vec<Vec<u8>> {
        let Some(disk) = &self.disk else { return Vec::new() };
        let removed = match what {
            Purge::Url(url) => {
                let keys: Vec<Vec<u8>> = spellings(url).collect();
                disk.remove(|key, _| keys.iter().any(|one| one == key))
            }
            Purge::Prefix(prefix) => {
                let beginnings = beginnings(prefix);
                disk.remove(|key, _| beginnings.iter().any(|start| key.starts_with(start)))
            }
            Purge::Tag(tag) => {
                let tag = tags::hash(tag.as_bytes());
                disk.remove(|_, tags| tags.contains(&tag))
            }
            Purge::All => disk.remove(|_, _| true),
        };
        removed.into_iter().map(Vec::from).collect()
    }
}

/// A URL as keys have it: scheme and host in lower case.
fn canonical(url: &str) -> String {
    let path =
        url.find("://").and_then(|at| url.get(at + 3..)?.find('/').map(|path| at + 3 + path)).unwrap_or(url.len());
    let (origin, rest) = url.split_at(path);
    origin.to_ascii_lowercase() + rest
}

/// The keys that a URL may have, however its host is written.
fn spellings(url: &str) -> impl Iterator<Item = Vec<u8>> {
    let mut url = canonical(url);
    if !url.contains("://") {
        url.insert_str(0, "http://");
    }
    if url.split_once("://").is_some_and(|(_, rest)| !rest.contains('/')) {
        url.push('/');
    }
    key::spellings(url.as_bytes()).into_iter()
}

/// What keys begin with that are meant by a beginning of URLs. One that ends within a host is meant as it stands.
fn beginnings(prefix: &str) -> Vec<Vec<u8>> {
    let prefix = canonical(prefix);
    let has_path = prefix.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
    if has_path { key::spellings(prefix.as_bytes()).into() } else { vec![prefix.into_bytes()] }
}
