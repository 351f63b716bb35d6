//! What a store must do for journals to be safe on it, tried on objects of our own.
//!
//! Every question is asked through the very store that a broker uses. The objects lie in a folder
//! with a random name, which is emptied at the end whatever was found.

use std::future::Future;
use std::sync::Arc;

use futures::future::join_all;
use highwater_env::Env;
use highwater_store::{BucketTime, Etag, ReadRange, Store, StoreError, StoreErrorKind};

use crate::report::Finding;

/// The first component of the probes' names; nothing of a broker's begins with it.
pub(super) const FOLDER: &str = "bucket-check";
/// Writers of one race, and races: a store that checks and then writes loses at least one of them.
const RACERS: usize = 16;
const RACES: usize = 8;
/// A clock of the bucket may differ from this machine's by this much; signatures are refused soon after.
const SKEW_LIMIT_MS: i64 = 10 * 60_000;
/// Dates of successive answers may go back by this much: a tenth of the time that the journals leave
/// a name alone after its end (`gc.grace`).
const BACKWARDS_LIMIT_MS: i64 = 120_000;
/// Bytes that are read from any probe.
const READ_LIMIT: u64 = 1 << 16;

/// The probes of one check.
pub(super) struct Probes<'a> {
    store: &'a Arc<dyn Store>,
    env: &'a Env,
    folder: String,
}

/// What was seen, or what is wrong and what to do about it.
type Answer = Result<String, String>;

impl<'a> Probes<'a> {
    pub(super) fn new(store: &'a Arc<dyn Store>, env: &'a Env) -> Self {
        Self { store, env, folder: format!("{FOLDER}/{:016x}", env.random.next_u64()) }
    }

    /// The folder of the probes, relative to the store's root.
    pub(super) fn folder(&self) -> &str {
        &self.folder
    }

    /// Asks everything, then cleans up.
    pub(super) async fn ask_all(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let created = finding("create", self.creates()).await;
        let usable = created.outcome == crate::report::Outcome::Ok;
        findings.push(created);
        // What cannot even write fails everything else for the same reason.
        if usable {
            findings.push(finding("put-if-absent", self.puts_if_absent()).await);
            findings.push(finding("race", self.races()).await);
            findings.push(finding("read", self.reads()).await);
            findings.push(finding("list", self.lists()).await);
            findings.push(finding("delete", self.deletes()).await);
            findings.push(finding("date", self.dates()).await);
        }
        findings.push(finding("clean-up", self.cleans_up()).await);
        findings
    }

    fn name(&self, what: &str) -> String {
        format!("{}/{what}", self.folder)
    }

    async fn content(&self, name: &str) -> Result<String, StoreError> {
        let read = self.store.read(name, ReadRange::All { limit: READ_LIMIT }, None).await?;
        Ok(String::from_utf8_lossy(&read.bytes).into_owned())
    }

    async fn creates(&self) -> Answer {
        let name = self.name("create");
        let body = "the first content";
        self.store.create(&name, body.into()).await.map_err(|error| format!("cannot create an object: {error}"))?;
        let read = self.content(&name).await.map_err(|error| format!("what was created cannot be read: {error}"))?;
        if read != body {
            return Err(format!("{name} reads as something else than what was created: use another store"));
        }
        Ok("an object is created, and reads as it was written".to_owned())
    }

    async fn puts_if_absent(&self) -> Answer {
        let name = self.name("put-if-absent");
        second_create_is_refused(self.store, &name).await?;
        match self.content(&name).await {
            Ok(read) if read == FIRST => Ok("a second create of one name is refused".to_owned()),
            Ok(_) => Err("a create was refused and took effect all the same: use another store".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// All at once: some stores are slow where many want one name.
    async fn races(&self) -> Answer {
        for race in join_all((0..RACES).map(|race| self.race(race))).await {
            race?;
        }
        Ok(format!("{RACES} races of {RACERS} creates, one winner each"))
    }

    async fn race(&self, race: usize) -> Result<(), String> {
        let name = self.name(&format!("race-{race}"));
        let puts = (0..RACERS).map(|racer| self.store.create(&name, format!("racer {racer}").into_bytes().into()));
        let puts = join_all(puts).await;
        for error in puts.iter().filter_map(|put| put.as_ref().err()) {
            // An answer that was lost says nothing: the content does.
            if error.kind != StoreErrorKind::AlreadyExists && !error.kind.is_transient() {
                return Err(format!("a create failed in a race of {RACERS}: {error}"));
            }
        }
        let winner = self.content(&name).await.map_err(|error| format!("nobody won a race: {error}"))?;
        let won: Vec<usize> = (0..RACERS).filter(|racer| puts[*racer].is_ok()).collect();
        if won.len() > 1 {
            return Err(format!(
                "{} of {RACERS} creates of one name were told that they won: two brokers could both commit one entry; use \
                 a store whose conditional writes are atomic",
                won.len()
            ));
        }
        if won.first().is_some_and(|racer| winner != format!("racer {racer}")) {
            return Err("a create was told that it won, and another's content is there: use another store".to_owned());
        }
        Ok(())
    }

    async fn reads(&self) -> Answer {
        let name = self.name("read");
        let etag = self.store.create(&name, "0123456789".into()).await.map_err(|error| error.to_string())?.etag;
        for (range, expected) in
            [(ReadRange::Bounded(2..5), "234"), (ReadRange::Bounded(7..100), "789"), (ReadRange::Suffix(2), "89")]
        {
            let read = self.store.read(&name, range.clone(), Some(&etag)).await;
            let read = read.map_err(|error| format!("{range:?} of the right version: {error}"))?;
            if &read.bytes[..] != expected.as_bytes() || read.size != 10 {
                return Err(format!("{range:?} gives other bytes than were asked for: use another store"));
            }
        }
        let other = Etag::from("\"00000000000000000000000000000000\"");
        match self.store.read(&name, ReadRange::Bounded(0..1), Some(&other)).await {
            Err(error) if error.kind == StoreErrorKind::PreconditionFailed => {}
            Ok(_) => return Err("If-Match is ignored: a replaced object could be read as the old one".to_owned()),
            Err(error) => return Err(format!("a read of another version: {error}")),
        }
        Ok("ranges, from the end too, of the version that is asked for only".to_owned())
    }

    async fn lists(&self) -> Answer {
        let text = |error: StoreError| error.to_string();
        let names: Vec<String> = (0..5).map(|number| self.name(&format!("list/{number:02}"))).collect();
        // Not in the order in which they are listed.
        for number in [3, 0, 4, 1, 2] {
            self.store.create(&names[number], "x".into()).await.map_err(text)?;
        }
        let folder = self.name("list/");
        let listed = |after: Option<String>, limit: usize| {
            let folder = folder.clone();
            async move {
                let listing = self.store.list(&folder, after.as_deref(), limit).await?;
                Ok((listing.objects.into_iter().map(|object| object.name).collect::<Vec<_>>(), listing.more))
            }
        };
        if listed(None, 100).await.map_err(text)?.0 != names {
            return Err("a list right after the creates lacks some, or is not in order: use another store".to_owned());
        }
        if listed(None, 1).await.map_err(text)? != (names[..1].to_vec(), true) {
            return Err("a list of one name (max-keys) does not give the first: use another store".to_owned());
        }
        if listed(Some(names[1].clone()), 2).await.map_err(text)?.0 != names[2..4] {
            return Err("a list behind a name (start-after) begins elsewhere: use another store".to_owned());
        }
        Ok("complete and in order, one name at a time, behind a name".to_owned())
    }

    async fn deletes(&self) -> Answer {
        let text = |error: StoreError| error.to_string();
        let name = self.name("delete");
        self.store.create(&name, "one".into()).await.map_err(text)?;
        self.store.delete(&name).await.map_err(text)?;
        match self.content(&name).await {
            Err(error) if error.kind == StoreErrorKind::NotFound => {}
            Ok(_) => return Err("what was deleted can still be read: use another store".to_owned()),
            Err(error) => return Err(format!("a read of what was deleted: {error}")),
        }
        match self.store.create(&name, "two".into()).await {
            Ok(_) => {}
            Err(error) if error.kind == StoreErrorKind::AlreadyExists => {
                return Err("a deleted name can be neither read nor created (a delete marker hides it): suspend the \
                            bucket's versioning, or use another store"
                    .to_owned());
            }
            Err(error) => return Err(text(error)),
        }
        let listed = self.store.list(&name, None, 10).await.map_err(text)?.objects.len();
        if listed != 1 || self.content(&name).await.map_err(text)? != "two" {
            return Err("a name that was created again is not what is listed or read: use another store".to_owned());
        }
        self.store.delete(&name).await.map_err(text)?;
        self.store.delete(&name).await.map_err(|error| format!("a delete of nothing: {error}"))?;
        Ok("a deleted name is gone, and can be created again".to_owned())
    }

    async fn dates(&self) -> Answer {
        let text = |error: StoreError| error.to_string();
        let name = self.name("date");
        let mut latest = BucketTime(0);
        let put = self.store.create(&name, "x".into()).await.map_err(text)?;
        let read = self.store.read(&name, ReadRange::Suffix(1), None).await.map_err(text)?;
        let listing = self.store.list(&name, None, 1).await.map_err(text)?;
        for date in [put.date, read.date, listing.date] {
            if date.0 < latest.0 - BACKWARDS_LIMIT_MS {
                return Err(format!("the bucket's Date goes back from {latest} to {date}: set its servers' clocks"));
            }
            latest = latest.max(date);
        }
        let ahead_ms = latest.0 - self.env.wall_ms();
        if ahead_ms.abs() > SKEW_LIMIT_MS {
            let (seconds, side) = (ahead_ms.abs() / 1000, if ahead_ms > 0 { "ahead of" } else { "behind" });
            return Err(format!("the bucket's Date is {seconds} s {side} this machine's clock: set the wrong one"));
        }
        Ok(format!("answers have a Date, within {} s of this machine's", ahead_ms.abs() / 1000 + 1))
    }

    async fn cleans_up(&self) -> Answer {
        let left = |error: StoreError| format!("probes are left under {}/: delete them ({error})", self.folder);
        // Far more than there are.
        let probes = self.store.list(&format!("{}/", self.folder), None, 1000).await.map_err(left)?.objects;
        for deleted in join_all(probes.iter().map(|probe| self.store.delete(&probe.name))).await {
            deleted.map_err(left)?;
        }
        match self.store.list(&format!("{}/", self.folder), None, 1).await.map_err(left)?.objects.first() {
            None => Ok("no probe is left".to_owned()),
            Some(probe) => Err(format!("{} is still listed after its delete: use another store", probe.name)),
        }
    }
}

const FIRST: &str = "first";

/// Creates `name` twice; the second must be refused.
pub(super) async fn second_create_is_refused(store: &Arc<dyn Store>, name: &str) -> Result<(), String> {
    store.create(name, FIRST.into()).await.map_err(|error| error.to_string())?;
    match store.create(name, "second".into()).await {
        Err(error) if error.kind == StoreErrorKind::AlreadyExists => Ok(()),
        Ok(_) => Err("a second create of one name took effect: it ignores If-None-Match, so two brokers could both \
                      commit one entry; use a store with conditional writes, or a newer release of this one"
            .to_owned()),
        Err(error) => Err(format!("a second create of one name must be refused with 412: {error}")),
    }
}

async fn finding(name: &'static str, asked: impl Future<Output = Answer>) -> Finding {
    match asked.await {
        Ok(detail) => Finding::ok(name, detail),
        Err(detail) => Finding::failed(name, detail),
    }
}
