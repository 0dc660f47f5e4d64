//! Who is who and who owns whom: what the garbage collector asks for on every deletion.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::Key;
use crate::object::{list, text, uid};

/// Objects by `uid`, and by the `uid` of their owners.
#[derive(Default)]
pub(super) struct Index {
    known: HashMap<String, Key>,
    owned: HashMap<String, BTreeSet<Key>>,
}

impl Index {
    /// Replaces what is known of an object; `None` on either side for one that is new or gone.
    pub(super) fn replace(&mut self, key: &Key, before: Option<&Value>, after: Option<&Value>) {
        if let Some(before) = before {
            self.known.remove(uid(before));
            for owner in owners(before) {
                if let Some(owned) = self.owned.get_mut(owner) {
                    owned.remove(key);
                    if owned.is_empty() {
                        self.owned.remove(owner);
                    }
                }
            }
        }
        if let Some(after) = after {
            self.known.insert(uid(after).to_owned(), key.clone());
            for owner in owners(after) {
                self.owned.entry(owner.to_owned()).or_default().insert(key.clone());
            }
        }
    }

    pub(super) fn known(&self, uid: &str) -> Option<&Key> {
        self.known.get(uid)
    }

    pub(super) fn owned(&self, owner: &str) -> Vec<Key> {
        self.owned.get(owner).into_iter().flatten().cloned().collect()
    }
}

fn owners(object: &Value) -> impl Iterator<Item = &str> {
    list(object, "/metadata/ownerReferences").iter().map(|reference| text(reference, "/uid"))
}
