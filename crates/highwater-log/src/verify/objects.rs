//! Objects that are small and no segments: each is read whole and held against its own format.

use std::ops::Range;
use std::sync::Arc;

use futures::StreamExt;
use highwater_format::describe::{Field, Look, Sink};
use highwater_store::{ReadRange, Store, StoreErrorKind};

use super::{AT_ONCE, Finding, OBJECT_LIMIT, Verified};
use crate::describe::describe;

/// Damage of one object; what is whole is of no interest here.
#[derive(Default)]
struct Damage(Vec<(Range<u64>, String)>);

impl Sink for Damage {
    fn item(&mut self, _: usize, _: &'static str, _: &[Field]) {}

    fn damage(&mut self, bytes: Range<u64>, what: &str) {
        self.0.push((bytes, what.to_owned()));
    }
}

/// Reads and checks these. One that is gone when its turn comes was not needed any more.
pub(super) async fn check(store: &Arc<dyn Store>, names: Vec<String>, verified: &mut Verified) {
    let reads = futures::stream::iter(names.into_iter().map(|name| {
        let store = Arc::clone(store);
        async move { one(&*store, name).await }
    }));
    let mut reads = reads.buffered(AT_ONCE);
    while let Some(findings) = reads.next().await {
        if let Some(findings) = findings {
            verified.objects += 1;
            verified.findings.extend(findings);
        }
    }
}

async fn one(store: &dyn Store, name: String) -> Option<Vec<Finding>> {
    let whole = |what: String| Some(vec![Finding { object: name.clone(), bytes: None, what }]);
    let bytes = match store.read(&name, ReadRange::All { limit: OBJECT_LIMIT }, None).await {
        Ok(read) => read.bytes,
        Err(error) if error.kind == StoreErrorKind::NotFound => return None,
        Err(error) => return whole(error.to_string()),
    };
    let mut damage = Damage::default();
    if !describe(&bytes, &Look::default(), &mut damage) {
        return whole("these bytes are nothing of ours".to_owned());
    }
    let finding = |(bytes, what)| Finding { object: name.clone(), bytes: Some(bytes), what };
    Some(damage.0.into_iter().map(finding).collect())
}
