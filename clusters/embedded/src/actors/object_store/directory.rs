//! What the volume of an object store holds: buckets, and objects by their keys.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use axum::body::Bytes;
use sha2::{Digest as _, Sha256};

/// Why an object store refuses, in the words of MinIO (`cmd/api-errors.go` at RELEASE.2019-08-14T20-37-41Z).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Nobody has this access key.
    #[error("The Access Key Id you provided does not exist in our records.")]
    UnknownKey,
    /// The secret key is another.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your key and signing method."
    )]
    WrongSecret,
    /// There is no such bucket.
    #[error("The specified bucket does not exist")]
    NoBucket,
    /// There is no such object.
    #[error("The specified key does not exist.")]
    NoKey,
    /// It is there already.
    #[error("Your previous request to create the named bucket succeeded and you already own it.")]
    BucketIsThere,
    /// The volume takes no more.
    #[error("Storage backend has reached its minimum free disk threshold. Please delete a few objects to proceed.")]
    Full,
}

/// An object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// What it holds.
    pub bytes: Bytes,
    /// Its content type.
    pub kind: String,
    /// When it was stored.
    pub modified: SystemTime,
}

impl Object {
    /// What tells its content from others'.
    #[must_use]
    pub fn tag(&self) -> String {
        Sha256::digest(&self.bytes)[..16].iter().fold(String::new(), |mut tag, byte| {
            _ = write!(tag, "{byte:02x}");
            tag
        })
    }
}

/// The volume. Made empty.
#[derive(Default)]
pub struct Directory(Mutex<BTreeMap<String, BTreeMap<String, Object>>>);

impl Directory {
    /// Makes a bucket.
    ///
    /// # Errors
    /// It is there.
    pub fn create_bucket(&self, bucket: &str) -> Result<(), StoreError> {
        let mut buckets = self.lock();
        if buckets.contains_key(bucket) {
            return Err(StoreError::BucketIsThere);
        }
        buckets.insert(bucket.to_owned(), BTreeMap::new());
        Ok(())
    }

    /// Whether a bucket is there.
    #[must_use]
    pub fn has_bucket(&self, bucket: &str) -> bool {
        self.lock().contains_key(bucket)
    }

    /// Removes a bucket and all that is in it.
    pub fn remove_bucket(&self, bucket: &str) {
        self.lock().remove(bucket);
    }

    /// The names of the buckets.
    #[must_use]
    pub fn buckets(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// Stores an object.
    ///
    /// # Errors
    /// There is no such bucket.
    pub fn put(&self, bucket: &str, key: &str, kind: &str, bytes: Bytes) -> Result<Object, StoreError> {
        let mut buckets = self.lock();
        let objects = buckets.get_mut(bucket).ok_or(StoreError::NoBucket)?;
        let object = Object { bytes, kind: kind.to_owned(), modified: SystemTime::now() };
        objects.insert(key.to_owned(), object.clone());
        Ok(object)
    }

    /// An object.
    ///
    /// # Errors
    /// There is no such bucket or object.
    pub fn get(&self, bucket: &str, key: &str) -> Result<Object, StoreError> {
        let buckets = self.lock();
        buckets.get(bucket).ok_or(StoreError::NoBucket)?.get(key).cloned().ok_or(StoreError::NoKey)
    }

    /// Removes an object, if it is there.
    ///
    /// # Errors
    /// There is no such bucket.
    pub fn delete(&self, bucket: &str, key: &str) -> Result<(), StoreError> {
        self.lock().get_mut(bucket).ok_or(StoreError::NoBucket)?.remove(key);
        Ok(())
    }

    /// The objects whose keys begin so and come after `after`, in order.
    ///
    /// # Errors
    /// There is no such bucket.
    pub fn list(&self, bucket: &str, prefix: &str, after: &str) -> Result<Vec<(String, Object)>, StoreError> {
        let buckets = self.lock();
        let objects = buckets.get(bucket).ok_or(StoreError::NoBucket)?;
        let wanted = objects.iter().filter(|(key, _)| key.starts_with(prefix) && key.as_str() > after);
        Ok(wanted.map(|(key, object)| (key.clone(), object.clone())).collect())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, BTreeMap<String, Object>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
