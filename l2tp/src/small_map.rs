//! A map of hardly ever more than one entry, with memory for as many as it has: a tree's node has room for eleven.

/// Entries by key, in the order in which they came.
#[derive(Debug)]
pub(crate) struct SmallMap<K, V>(Vec<(K, V)>);

impl<K: Copy + Eq, V> SmallMap<K, V> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn get(&self, key: K) -> Option<&V> {
        self.iter().find(|(other, _)| *other == key).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        self.0.iter_mut().find(|(other, _)| *other == key).map(|(_, value)| value)
    }

    pub(crate) fn contains_key(&self, key: K) -> bool {
        self.get(key).is_some()
    }

    /// Adds an entry whose key is new.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        self.0.reserve_exact(1);
        self.0.push((key, value));
    }

    pub(crate) fn remove(&mut self, key: K) -> Option<V> {
        let index = self.0.iter().position(|(other, _)| *other == key)?;
        Some(self.0.remove(index).1)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        self.0.iter().map(|(key, value)| (*key, value))
    }

    /// Takes all entries out.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (K, V)> + use<K, V> {
        std::mem::take(&mut self.0).into_iter()
    }
}
