//! A wrapper that makes a bucket behave badly, by chance (seeded) or by script.
//!
//! It does only what real buckets do: refuse, throttle, dawdle, lose a request, lose an answer,
//! carry out a request later than it said, carry it out twice.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use highwater_env::{Env, Random, SimRandom};
use parking_lot::Mutex;

use crate::body::Body;
use crate::error::{StoreError, StoreErrorKind};
use crate::observed::RequestKind;
use crate::store::{BucketTime, Etag, Listing, Put, Read, ReadRange, Store};

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Refused: `Unavailable`, without effect.
    Unavailable,
    /// Refused: `Throttled`, without effect.
    Throttled,
    /// The connection broke while the request was sent: without effect, `Unknown` for a put or
    /// delete, `Unavailable` for a read or list.
    RequestLost,
    /// The answer was lost: with effect, errors as for `RequestLost`.
    ResponseLost,
    /// `Unknown` at once, and the effect after the time given (puts and deletes; otherwise as
    /// `RequestLost`).
    Late(Duration),
    /// Answered as usual, and carried out once more after the time given (puts and deletes).
    Twice(Duration),
    /// Answered as usual, after the time given, which passes before the effect.
    DelayedBefore(Duration),
    /// Answered as usual, after the time given, which passes after the effect.
    DelayedAfter(Duration),
    /// Answered with a flipped bit in the last byte (reads; otherwise as usual).
    Damaged,
}

/// What is to become of the answer to a read or list.
#[derive(Default)]
struct Look {
    held_back: Option<Duration>,
    damaged: bool,
}

/// How often what goes wrong, parts of 1,000 requests each; the sum must not exceed 1,000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultRates {
    /// [`Fault::Unavailable`].
    pub unavailable: u32,
    /// [`Fault::Throttled`].
    pub throttled: u32,
    /// [`Fault::RequestLost`].
    pub request_lost: u32,
    /// [`Fault::ResponseLost`].
    pub response_lost: u32,
    /// [`Fault::Late`], up to `longest_delay`.
    pub late: u32,
    /// [`Fault::Twice`], up to `longest_delay`.
    pub twice: u32,
    /// [`Fault::DelayedBefore`] or [`Fault::DelayedAfter`], up to `longest_delay`.
    pub delayed: u32,
    /// Upper end of delays.
    pub longest_delay: Duration,
}

/// A scripted fault: the next matching request meets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultRule {
    /// Kind of request, or any.
    pub kind: Option<RequestKind>,
    /// What the name (or prefix) contains; empty matches all.
    pub name_contains: String,
    /// Matching requests that pass unharmed before.
    pub skip: u32,
    /// How many requests then meet the fault.
    pub times: u32,
    /// What happens to them.
    pub fault: Fault,
}

/// What goes wrong, in the hand of whoever decides; clones are the same.
#[derive(Clone)]
pub struct FaultPlan {
    state: Arc<Mutex<Plan>>,
}

/// A store that fails on purpose.
pub struct Faults {
    inner: Arc<dyn Store>,
    env: Env,
    plan: FaultPlan,
}

struct Plan {
    random: SimRandom,
    rates: FaultRates,
    rules: VecDeque<FaultRule>,
    injected: u64,
}

impl FaultPlan {
    /// Without faults yet. Chances follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let (rates, rules) = (FaultRates::default(), VecDeque::new());
        Self { state: Arc::new(Mutex::new(Plan { random: SimRandom::new(seed), rates, rules, injected: 0 })) }
    }

    /// From now on faults happen at these rates; all zero: none.
    pub fn set_rates(&self, rates: FaultRates) {
        self.state.lock().rates = rates;
    }

    /// From now on chances follow from this seed.
    pub fn set_seed(&self, seed: u64) {
        self.state.lock().random = SimRandom::new(seed);
    }

    /// Adds a scripted fault; scripts go before chance, the oldest first.
    pub fn script(&self, rule: FaultRule) {
        self.state.lock().rules.push_back(rule);
    }

    /// Forgets rates and scripts.
    pub fn heal(&self) {
        let mut plan = self.state.lock();
        plan.rates = FaultRates::default();
        plan.rules.clear();
    }

    /// Faults so far.
    #[must_use]
    pub fn injected(&self) -> u64 {
        self.state.lock().injected
    }

    fn draw(&self, kind: RequestKind, name: &str) -> Option<Fault> {
        let mut plan = self.state.lock();
        let fault = plan.scripted(kind, name).or_else(|| plan.rates.by_chance(&plan.random));
        if let Some(fault) = fault {
            plan.injected += 1;
            tracing::trace!(kind = kind.as_str(), name, ?fault, "fault injected");
        }
        fault
    }
}

impl fmt::Debug for FaultPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultPlan").field("rates", &self.state.lock().rates).finish_non_exhaustive()
    }
}

impl Faults {
    /// Wraps `inner`, without faults yet. Chances follow from `seed`, delays pass on `env`'s clock.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, env: &Env, seed: u64) -> Self {
        Self::by(inner, env, FaultPlan::new(seed))
    }

    /// Wraps `inner`; a plan that is kept decides.
    #[must_use]
    pub fn by(inner: Arc<dyn Store>, env: &Env, plan: FaultPlan) -> Self {
        Self { inner, env: env.clone(), plan }
    }

    /// See [`FaultPlan::set_rates`].
    pub fn set_rates(&self, rates: FaultRates) {
        self.plan.set_rates(rates);
    }

    /// See [`FaultPlan::script`].
    pub fn script(&self, rule: FaultRule) {
        self.plan.script(rule);
    }

    /// See [`FaultPlan::heal`].
    pub fn heal(&self) {
        self.plan.heal();
    }

    /// See [`FaultPlan::injected`].
    #[must_use]
    pub fn injected(&self) -> u64 {
        self.plan.injected()
    }

    /// Carries out a put or delete under a fault. `again` makes the request anew for effects that
    /// outlive the call.
    async fn change<T: Send + 'static>(&self, kind: RequestKind, name: &str, request: Change) -> Result<T, StoreError>
    where
        Answer: Into<Option<T>>,
    {
        let fault = self.plan.draw(kind, name);
        let lost = || StoreError::new(StoreErrorKind::Unknown, name, "injected: the answer was lost");
        let unwrap = |answer: Answer| answer.into().ok_or_else(lost);
        match fault {
            None | Some(Fault::Damaged) => unwrap(request.run(&self.inner).await?),
            Some(Fault::Unavailable | Fault::Throttled) => Err(refusal(fault, name)),
            Some(Fault::RequestLost) => Err(lost()),
            Some(Fault::ResponseLost) => {
                // Also a refusal is an answer that can be lost.
                drop(request.run(&self.inner).await);
                Err(lost())
            }
            Some(Fault::Late(after)) => {
                self.later(after, request);
                Err(lost())
            }
            Some(Fault::Twice(after)) => {
                self.later(after, request.clone());
                unwrap(request.run(&self.inner).await?)
            }
            Some(Fault::DelayedBefore(time)) => {
                self.env.sleep(time).await;
                unwrap(request.run(&self.inner).await?)
            }
            Some(Fault::DelayedAfter(time)) => {
                let answer = request.run(&self.inner).await;
                self.env.sleep(time).await;
                unwrap(answer?)
            }
        }
    }

    fn later(&self, after: Duration, request: Change) {
        let (env, inner) = (self.env.clone(), self.inner.clone());
        self.env.spawn("late store request", async move {
            env.sleep(after).await;
            drop(request.run(&inner).await);
        });
    }

    /// Before a read or list.
    async fn before_look(&self, kind: RequestKind, name: &str) -> Result<Look, StoreError> {
        let fault = self.plan.draw(kind, name);
        match fault {
            None | Some(Fault::Twice(_)) => Ok(Look::default()),
            Some(Fault::Damaged) => Ok(Look { damaged: true, ..Look::default() }),
            Some(Fault::DelayedAfter(time)) => Ok(Look { held_back: Some(time), ..Look::default() }),
            Some(Fault::DelayedBefore(time)) => {
                self.env.sleep(time).await;
                Ok(Look::default())
            }
            Some(_) => Err(refusal(fault, name)),
        }
    }

    async fn hold_back(&self, look: &Look) {
        if let Some(time) = look.held_back {
            self.env.sleep(time).await;
        }
    }
}

fn damage(read: Read) -> Read {
    let mut bytes = read.bytes.to_vec();
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    Read { bytes: bytes.into(), ..read }
}

fn refusal(fault: Option<Fault>, name: &str) -> StoreError {
    match fault {
        Some(Fault::Throttled) => StoreError::new(StoreErrorKind::Throttled, name, "injected: slow down"),
        _ => StoreError::new(StoreErrorKind::Unavailable, name, "injected: unavailable"),
    }
}

impl Plan {
    fn scripted(&mut self, kind: RequestKind, name: &str) -> Option<Fault> {
        let matching = |rule: &FaultRule| {
            rule.kind.is_none_or(|wanted| wanted == kind) && name.contains(rule.name_contains.as_str())
        };
        let at = self.rules.iter().position(matching)?;
        let rule = &mut self.rules[at];
        if rule.skip > 0 {
            rule.skip -= 1;
            return None;
        }
        let fault = rule.fault;
        rule.times = rule.times.saturating_sub(1);
        if rule.times == 0 {
            self.rules.remove(at);
        }
        Some(fault)
    }
}

impl FaultRates {
    fn by_chance(&self, random: &SimRandom) -> Option<Fault> {
        let longest_us = u64::try_from(self.longest_delay.as_micros()).unwrap_or(u64::MAX);
        let roll = random.below(1000);
        let delay = Duration::from_micros(random.below(longest_us.max(1)));
        let delayed = if random.below(2) == 0 { Fault::DelayedBefore(delay) } else { Fault::DelayedAfter(delay) };
        let table = [
            (self.unavailable, Fault::Unavailable),
            (self.throttled, Fault::Throttled),
            (self.request_lost, Fault::RequestLost),
            (self.response_lost, Fault::ResponseLost),
            (self.late, Fault::Late(delay)),
            (self.twice, Fault::Twice(delay)),
            (self.delayed, delayed),
        ];
        let mut bound = 0;
        table.into_iter().find_map(|(rate, fault)| {
            bound += u64::from(rate);
            (roll < bound).then_some(fault)
        })
    }
}

/// A request that changes something, to be carried out now, later or twice.
#[derive(Clone)]
enum Change {
    Create(String, Body),
    Overwrite(String, Body),
    Delete(String),
}

enum Answer {
    Put(Put),
    Deleted(BucketTime),
}

impl From<Answer> for Option<Put> {
    fn from(answer: Answer) -> Self {
        if let Answer::Put(put) = answer { Some(put) } else { None }
    }
}

impl From<Answer> for Option<BucketTime> {
    fn from(answer: Answer) -> Self {
        if let Answer::Deleted(date) = answer { Some(date) } else { None }
    }
}

impl Change {
    async fn run(self, store: &Arc<dyn Store>) -> Result<Answer, StoreError> {
        match self {
            Self::Create(name, body) => store.create(&name, body).await.map(Answer::Put),
            Self::Overwrite(name, body) => store.overwrite(&name, body).await.map(Answer::Put),
            Self::Delete(name) => store.delete(&name).await.map(Answer::Deleted),
        }
    }
}

#[async_trait]
impl Store for Faults {
    async fn create(&self, name: &str, body: Body) -> Result<Put, StoreError> {
        self.change(RequestKind::Create, name, Change::Create(name.to_owned(), body)).await
    }

    async fn overwrite(&self, name: &str, body: Body) -> Result<Put, StoreError> {
        self.change(RequestKind::Overwrite, name, Change::Overwrite(name.to_owned(), body)).await
    }

    async fn read(&self, name: &str, range: ReadRange, if_match: Option<&Etag>) -> Result<Read, StoreError> {
        let look = self.before_look(RequestKind::Read, name).await?;
        let answer = self.inner.read(name, range, if_match).await;
        self.hold_back(&look).await;
        answer.map(|read| if look.damaged { damage(read) } else { read })
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Listing, StoreError> {
        let look = self.before_look(RequestKind::List, prefix).await?;
        let answer = self.inner.list(prefix, after, limit).await;
        self.hold_back(&look).await;
        answer
    }

    async fn delete(&self, name: &str) -> Result<BucketTime, StoreError> {
        self.change(RequestKind::Delete, name, Change::Delete(name.to_owned())).await
    }

    fn describe(&self) -> String {
        format!("{} with faults", self.inner.describe())
    }

    fn is_local(&self) -> bool {
        self.inner.is_local()
    }
}
