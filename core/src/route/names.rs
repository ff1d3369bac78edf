//! A table from names to values of which the next version copies only the part that changes.
//!
//! Two levels: the hash chooses one of the shards, each a small open-addressed table. A lookup is one hash and, nearly
//! always, one comparison; a change copies one shard of at most [`FULL`] names and the list of shards. What nobody else
//! holds is changed in place, so that a whole table is built as fast as any.

use std::hash::Hasher as _;
use std::sync::Arc;

use super::hash::FastHasher;

/// Names in a shard, on average at most. Few, and the list of shards grows; many, and so does what one change copies.
const FULL: usize = 16;

/// Values by name. To clone it costs one atomic count.
#[derive(Clone, Debug)]
pub(super) struct Names<V> {
    /// None, or a power of two.
    shards: Arc<[Arc<Shard<V>>]>,
    len: usize,
}

#[derive(Clone, Debug)]
struct Shard<V> {
    /// A power of two, at least a quarter of them empty, so that each search ends.
    buckets: Box<[Option<Entry<V>>]>,
    len: usize,
}

#[derive(Clone, Debug)]
struct Entry<V> {
    hash: u64,
    name: Arc<[u8]>,
    value: V,
}

impl<V> Default for Names<V> {
    fn default() -> Self {
        Self { shards: Arc::new([]), len: 0 }
    }
}

fn hash_of(name: &[u8]) -> u64 {
    let mut hasher = FastHasher::default();
    hasher.write(name);
    hasher.write_usize(name.len());
    hasher.finish()
}

/// Takes its bits from elsewhere than the place within a shard.
const fn shard_of(hash: u64, shards: usize) -> usize {
    (hash >> 40) as usize & (shards.wrapping_sub(1))
}

#[expect(clippy::cast_possible_truncation, reason = "only some bits are wanted")]
const fn bucket_of(hash: u64, buckets: usize) -> usize {
    hash as usize & (buckets.wrapping_sub(1))
}

impl<V> Names<V> {
    /// Whether it has no name.
    #[inline]
    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value of a name.
    #[inline]
    pub(super) fn get(&self, name: &[u8]) -> Option<&V> {
        if self.is_empty() {
            return None;
        }
        let hash = hash_of(name);
        let shard = self.shards.get(shard_of(hash, self.shards.len()))?;
        let mut at = bucket_of(hash, shard.buckets.len());
        loop {
            let entry = shard.buckets.get(at)?.as_ref()?;
            if entry.hash == hash && *entry.name == *name {
                return Some(&entry.value);
            }
            at = (at + 1) & (shard.buckets.len() - 1);
        }
    }

    /// All names with their values, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &V)> {
        let buckets = self.shards.iter().flat_map(|shard| shard.buckets.iter());
        buckets.flatten().map(|entry| (&*entry.name, &entry.value))
    }
}

impl<V: Clone + Default> Names<V> {
    /// The value of a name, to be changed; a new one where the name is new.
    pub(super) fn entry(&mut self, name: &[u8]) -> &mut V {
        let hash = hash_of(name);
        if self.len >= self.shards.len() * FULL {
            self.grow();
        }
        let index = shard_of(hash, self.shards.len());
        let shard = Arc::make_mut(&mut Arc::make_mut(&mut self.shards)[index]);
        let before = shard.len;
        let at = shard.place_for(hash, name);
        self.len += shard.len - before;
        &mut shard.buckets[at].as_mut().expect("it was just put there").value
    }

    /// Takes a name away.
    pub(super) fn remove(&mut self, name: &[u8]) {
        let hash = hash_of(name);
        if self.get(name).is_none() {
            return;
        }
        let index = shard_of(hash, self.shards.len());
        let shard = &mut Arc::make_mut(&mut self.shards)[index];
        let kept = shard.buckets.iter().flatten().filter(|entry| *entry.name != *name).cloned();
        *shard = Arc::new(Shard::of(kept.collect()));
        self.len -= 1;
    }

    /// Twice as many shards. Each name pays for one move on average, as in any table that grows.
    fn grow(&mut self) {
        let count = (self.shards.len() * 2).max(1);
        let mut parts: Vec<Vec<Entry<V>>> = vec![Vec::new(); count];
        for entry in self.shards.iter().flat_map(|shard| shard.buckets.iter().flatten()) {
            parts[shard_of(entry.hash, count)].push(entry.clone());
        }
        self.shards = parts.into_iter().map(|part| Arc::new(Shard::of(part))).collect();
    }
}

impl<V: Clone + Default> Shard<V> {
    fn of(entries: Vec<Entry<V>>) -> Self {
        let mut shard = Self { buckets: room_for(entries.len()), len: entries.len() };
        for entry in entries {
            let at = shard.free_from(entry.hash);
            shard.buckets[at] = Some(entry);
        }
        shard
    }

    /// Where a name stands; makes it stand somewhere.
    fn place_for(&mut self, hash: u64, name: &[u8]) -> usize {
        let found = |entry: &Option<Entry<V>>| entry.as_ref().is_some_and(|one| one.hash == hash && *one.name == *name);
        if let Some(at) = self.buckets.iter().position(found) {
            return at;
        }
        if (self.len + 1) * 4 > self.buckets.len() * 3 {
            let entries = std::mem::take(&mut self.buckets).into_iter().flatten().collect();
            let len = self.len;
            *self = Self::of(entries);
            // `of` leaves room for one more.
            self.len = len;
        }
        let at = self.free_from(hash);
        self.buckets[at] = Some(Entry { hash, name: name.into(), value: V::default() });
        self.len += 1;
        at
    }

    fn free_from(&self, hash: u64) -> usize {
        let mut at = bucket_of(hash, self.buckets.len());
        while self.buckets[at].is_some() {
            at = (at + 1) & (self.buckets.len() - 1);
        }
        at
    }
}

/// Buckets for so many names and one more, at most three quarters full.
fn room_for<V>(names: usize) -> Box<[Option<Entry<V>>]> {
    let count = ((names + 1) * 4).div_ceil(3).next_power_of_two();
    (0..count).map(|_| None).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_put_in_whatever_else_comes_and_goes() {
        let mut names = Names::<u32>::default();
        let name = |number: u32| format!("w{number}.preview.example.com").into_bytes();
        for number in 0..2_000 {
            *names.entry(&name(number)) = number;
        }
        let before = names.clone();
        for number in (0..2_000).step_by(3) {
            names.remove(&name(number));
        }
        names.remove(b"never there");
        *names.entry(&name(1)) = 11;
        for number in 0..2_000 {
            let expect = if number == 1 { Some(11) } else { (number % 3 != 0).then_some(number) };
            assert_eq!(names.get(&name(number)).copied(), expect, "{number}");
            assert_eq!(before.get(&name(number)), Some(&number), "another version changed: {number}");
        }
        assert_eq!((names.len, names.iter().count()), (1333, 1333));
        assert_eq!(before.iter().count(), 2_000);
    }

    #[test]
    fn a_change_copies_one_shard() {
        let mut names = Names::<u32>::default();
        for number in 0..1_000_u32 {
            *names.entry(&number.to_le_bytes()) = number;
        }
        let before = names.clone();
        *names.entry(&7_u32.to_le_bytes()) = 70;
        let same = before.shards.iter().zip(names.shards.iter()).filter(|(old, new)| Arc::ptr_eq(old, new)).count();
        assert_eq!(same, names.shards.len() - 1);
    }
}
