//! A sorted map whose copies share their entries: what a new version of the metadata costs.
//!
//! Two levels: a list of chunks, each a sorted list of at most [`CHUNK`] entries, both behind
//! `Arc`. A clone copies one pointer. The first change to a clone copies the list of chunks (one
//! pointer per 128 to 256 entries) and the one chunk it touches; further changes to the same clone
//! copy only chunks not yet copied. With 100,000 entries that is about 10 µs, not a copy of all.
//! Order of iteration is the order of the keys, so it is the same on every broker.

use std::borrow::Borrow;
use std::sync::Arc;

/// Most entries of one chunk; a full one splits in two.
const CHUNK: usize = 256;

type Chunk<K, V> = Arc<Vec<(K, V)>>;

/// A persistent sorted map. `K` and `V` should be cheap to clone (ids, `Arc`s).
#[derive(Debug)]
pub struct SharedMap<K, V> {
    /// No chunk is empty; keys ascend within and across chunks.
    chunks: Arc<Vec<Chunk<K, V>>>,
    len: usize,
}

impl<K, V> Clone for SharedMap<K, V> {
    fn clone(&self) -> Self {
        Self { chunks: Arc::clone(&self.chunks), len: self.len }
    }
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        Self { chunks: Arc::new(Vec::new()), len: 0 }
    }
}

impl<K: Ord + Clone, V: Clone> SharedMap<K, V> {
    /// Number of entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value at `key`.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let chunk = self.chunks.get(self.chunk_of(key))?;
        let at = chunk.binary_search_by(|(k, _)| k.borrow().cmp(key)).ok()?;
        chunk.get(at).map(|(_, v)| v)
    }

    /// Sets the value at `key`; gives back the one that was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        // A key beyond the last chunk goes to its end.
        let index = self.chunk_of(&key).min(self.chunks.len().saturating_sub(1));
        let chunks = Arc::make_mut(&mut self.chunks);
        let Some(chunk) = chunks.get_mut(index) else {
            chunks.push(Arc::new(vec![(key, value)]));
            self.len += 1;
            return None;
        };
        let entries = Arc::make_mut(chunk);
        match entries.binary_search_by(|(k, _)| k.cmp(&key)) {
            Ok(at) => entries.get_mut(at).map(|(_, old)| std::mem::replace(old, value)),
            Err(at) => {
                entries.insert(at, (key, value));
                if entries.len() > CHUNK {
                    // Appending at the end is common (sorted input): then leave the left one full.
                    let keep = if at + 1 == entries.len() { CHUNK } else { CHUNK / 2 };
                    let right = entries.split_off(keep);
                    chunks.insert(index + 1, Arc::new(right));
                }
                self.len += 1;
                None
            }
        }
    }

    /// Takes the entry at `key` out.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let index = self.chunk_of(key);
        let at = self.chunks.get(index)?.binary_search_by(|(k, _)| k.borrow().cmp(key)).ok()?;
        let chunks = Arc::make_mut(&mut self.chunks);
        let entries = Arc::make_mut(chunks.get_mut(index)?);
        let (_, value) = entries.remove(at);
        if entries.is_empty() {
            chunks.remove(index);
        }
        self.len -= 1;
        Some(value)
    }

    /// All entries, ascending by key.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.chunks.iter().flat_map(|chunk| chunk.iter().map(|(k, v)| (k, v)))
    }

    /// The entries whose key is `from` or above, ascending: for pages of a listing.
    pub fn iter_from<'a, Q: Ord + ?Sized>(&'a self, from: &Q) -> impl Iterator<Item = (&'a K, &'a V)>
    where
        K: Borrow<Q>,
    {
        let index = self.chunk_of(from).min(self.chunks.len());
        let skip = self.chunks.get(index).map_or(0, |chunk| chunk.partition_point(|(k, _)| k.borrow() < from));
        self.chunks[index..].iter().flat_map(|chunk| chunk.iter().map(|(k, v)| (k, v))).skip(skip)
    }

    /// Replaces every value.
    pub fn map_values(&self, mut change: impl FnMut(&V) -> V) -> Self {
        let chunks = self
            .chunks
            .iter()
            .map(|chunk| Arc::new(chunk.iter().map(|(k, v)| (k.clone(), change(v))).collect::<Vec<_>>()))
            .collect::<Vec<_>>();
        Self { chunks: Arc::new(chunks), len: self.len }
    }

    /// Index of the first chunk whose last key is at or above `key`; the number of chunks if none.
    fn chunk_of<Q: Ord + ?Sized>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
    {
        self.chunks.partition_point(|chunk| chunk.last().is_some_and(|(last, _)| last.borrow() < key))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what went wrong by panicking")]

    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Op {
        Insert(u16, u8),
        Remove(u16),
        Fork,
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            6 => (0u16..2_000, any::<u8>()).prop_map(|(k, v)| Op::Insert(k, v)),
            3 => (0u16..2_000).prop_map(Op::Remove),
            1 => Just(Op::Fork),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn behaves_as_a_btree_map_and_forks_do_not_touch_each_other(ops in prop::collection::vec(op(), 0..3_000)) {
            let mut map = SharedMap::default();
            let mut model = BTreeMap::new();
            let mut forks = Vec::new();
            for op in ops {
                match op {
                    Op::Insert(k, v) => prop_assert_eq!(map.insert(k, v), model.insert(k, v)),
                    Op::Remove(k) => prop_assert_eq!(map.remove(&k), model.remove(&k)),
                    Op::Fork => forks.push((map.clone(), model.clone())),
                }
                prop_assert_eq!(map.len(), model.len());
            }
            forks.push((map, model));
            for (map, model) in forks {
                prop_assert!(map.iter().eq(model.iter()));
                for k in (0..2_000).step_by(37) {
                    prop_assert_eq!(map.get(&k), model.get(&k));
                    prop_assert!(map.iter_from(&k).eq(model.range(k..)));
                }
                prop_assert!(map.chunks.iter().all(|c| !c.is_empty() && c.len() <= CHUNK));
            }
        }
    }

    #[test]
    fn sorted_input_fills_its_chunks() {
        let mut map = SharedMap::default();
        for k in 0..100_000u32 {
            map.insert(k, ());
        }
        assert_eq!(map.chunks.len(), 100_000_usize.div_ceil(CHUNK));
        let mut fork = map.clone();
        fork.insert(100_000, ());
        let shared = map.chunks.iter().zip(fork.chunks.iter()).filter(|(a, b)| Arc::ptr_eq(a, b)).count();
        assert_eq!(shared, map.chunks.len() - 1);
    }
}
