//! The bucket's objects, and whether a name that was deleted is created again: what stale knowledge does.

use std::collections::BTreeSet;

use async_trait::async_trait;
use highwater_env::Env;
use highwater_env::marks::met;
use highwater_store::{Body, BucketTime, Etag, Listing, MemoryStore, Put, Read, ReadRange, Store, StoreError};
use parking_lot::Mutex;

/// See the module.
pub(crate) struct Bucket {
    objects: MemoryStore,
    deleted: Mutex<BTreeSet<String>>,
}

impl Bucket {
    pub fn new(env: &Env) -> Self {
        Self { objects: MemoryStore::new(env), deleted: Mutex::default() }
    }
}

#[async_trait]
impl Store for Bucket {
    async fn create(&self, name: &str, body: Body) -> Result<Put, StoreError> {
        let put = self.objects.create(name, body).await?;
        if self.deleted.lock().contains(name) {
            met("deleted-name-created-again");
        }
        Ok(put)
    }

    async fn overwrite(&self, name: &str, body: Body) -> Result<Put, StoreError> {
        self.objects.overwrite(name, body).await
    }

    async fn read(&self, name: &str, range: ReadRange, if_match: Option<&Etag>) -> Result<Read, StoreError> {
        self.objects.read(name, range, if_match).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Listing, StoreError> {
        self.objects.list(prefix, after, limit).await
    }

    async fn delete(&self, name: &str) -> Result<BucketTime, StoreError> {
        self.deleted.lock().insert(name.to_owned());
        self.objects.delete(name).await
    }

    fn describe(&self) -> String {
        self.objects.describe()
    }

    fn is_local(&self) -> bool {
        self.objects.is_local()
    }
}
