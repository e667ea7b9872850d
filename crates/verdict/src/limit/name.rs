//! The name of a counter, with its hash beside it: a name is made once and looked up many times.
//!
//! Knows nothing of what is counted.

use std::fmt;
use std::hash::{BuildHasher as _, Hash, Hasher};
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

use hashbrown::{DefaultHashBuilder, HashMap};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A counter's name. Cheap to clone; written as its text.
#[derive(Clone)]
pub struct CounterName {
    hash: u64,
    text: Arc<str>,
}

/// One seed for all names of a process, so that a hash made in one place finds what was filed in another.
static SEED: LazyLock<DefaultHashBuilder> = LazyLock::new(DefaultHashBuilder::default);

/// What is filed under counters' names.
pub(crate) type ByCounter<T> = HashMap<CounterName, T, std::hash::BuildHasherDefault<Ready>>;

/// Takes the hash that a name has already.
#[derive(Clone, Default)]
pub(crate) struct Ready(u64);

impl Hasher for Ready {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        // Names write their hash alone; whatever else may come still counts.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl From<String> for CounterName {
    fn from(text: String) -> Self {
        Self { hash: SEED.hash_one(text.as_str()), text: text.into() }
    }
}

impl PartialEq for CounterName {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && (Arc::ptr_eq(&self.text, &other.text) || self.text == other.text)
    }
}

impl Eq for CounterName {}

impl Hash for CounterName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Deref for CounterName {
    type Target = str;
    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for CounterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text, f)
    }
}

impl Serialize for CounterName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for CounterName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(String::deserialize(deserializer)?.into())
    }
}
