//! When the issuer is asked, and what is given meanwhile.
#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

use highwater_env::SimEnv;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

/// Gives numbered keys that live for an hour, after a second of thought.
#[derive(Default)]
struct Numbered {
    env: Option<Env>,
    asked: Mutex<u32>,
    refuses: Mutex<Option<StoreErrorKind>>,
    expires: Mutex<Option<Duration>>,
}

impl fmt::Debug for Numbered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a test")
    }
}

#[async_trait]
impl Issuer for Numbered {
    async fn issue(&self) -> Result<Issued, StoreError> {
        let env = self.env.clone().unwrap();
        env.sleep(Duration::from_secs(1)).await;
        let number = {
            let mut asked = self.asked.lock();
            *asked += 1;
            *asked
        };
        if let Some(kind) = *self.refuses.lock() {
            return Err(StoreError::new(kind, "", format!("refused, ask {number}")));
        }
        let life = *self.expires.lock();
        Ok(Issued {
            credentials: Credentials {
                access_key_id: format!("key-{number}"),
                secret_access_key: "s".to_owned(),
                session_token: None,
            },
            expires_ms: life.map(|life| env.wall_ms() + millis(life)),
            from: "a test".to_owned(),
        })
    }
}

struct World {
    sim: SimEnv,
    issuer: Arc<Numbered>,
    cached: Arc<CachedCredentials>,
}

fn world(life: Option<Duration>) -> World {
    let sim = SimEnv::auto(1);
    let issuer = Arc::new(Numbered { env: Some(sim.env.clone()), expires: Mutex::new(life), ..Numbered::default() });
    let cached = Arc::new(CachedCredentials::new(issuer.clone(), &sim.env));
    World { sim, issuer, cached }
}

impl World {
    async fn key(&self) -> Result<String, StoreError> {
        self.cached.credentials().await.map(|credentials| credentials.access_key_id)
    }

    async fn pass(&self, time: Duration) {
        self.sim.env.sleep(time).await;
    }

    fn asked(&self) -> u32 {
        *self.issuer.asked.lock()
    }
}

#[tokio::test(start_paused = true)]
async fn many_who_ask_at_once_wait_for_one_answer() {
    let world = world(None);
    let keys = futures::future::join_all((0..50).map(|_| world.key())).await;
    assert!(keys.into_iter().all(|key| key.unwrap() == "key-1"));
    // Without an end they are never asked for again.
    world.pass(1000 * MINUTE).await;
    assert_eq!((world.key().await.unwrap(), world.asked()), ("key-1".to_owned(), 1));
}

#[tokio::test(start_paused = true)]
async fn a_refresh_runs_beside_the_requests() {
    let world = world(Some(60 * MINUTE));
    assert_eq!(world.key().await.unwrap(), "key-1");
    world.pass(50 * MINUTE).await;
    assert_eq!((world.key().await.unwrap(), world.asked()), ("key-1".to_owned(), 1));
    world.pass(6 * MINUTE).await;
    // Due: the old ones are given at once, and one refresh runs.
    for _ in 0..10 {
        assert_eq!(world.key().await.unwrap(), "key-1");
    }
    world.pass(Duration::from_secs(2)).await;
    assert_eq!((world.key().await.unwrap(), world.asked()), ("key-2".to_owned(), 2));
}

#[tokio::test(start_paused = true)]
async fn a_failed_refresh_keeps_the_old_ones_while_they_are_valid() {
    let world = world(Some(60 * MINUTE));
    world.key().await.unwrap();
    world.pass(56 * MINUTE).await;
    *world.issuer.refuses.lock() = Some(StoreErrorKind::Denied);
    for _ in 0..200 {
        assert_eq!(world.key().await.unwrap(), "key-1");
        world.pass(Duration::from_secs(1)).await;
    }
    // Tried again after pauses of 1, 2, 4, 8, 16, 30, 30… s, not at every request.
    assert!((6..=12).contains(&world.asked()), "{}", world.asked());
    // Past their end nothing is given, and what the last refresh met is said; a broker may try again.
    world.pass(2 * MINUTE).await;
    let error = world.key().await.unwrap_err();
    assert!(error.kind == StoreErrorKind::Unavailable && error.detail.contains("refused"), "{error}");
    *world.issuer.refuses.lock() = None;
    world.pass(MINUTE).await;
    assert!(world.key().await.unwrap().starts_with("key-"));
}

#[tokio::test(start_paused = true)]
async fn at_first_a_refusal_is_final_and_is_not_asked_for_again_at_once() {
    let world = world(None);
    *world.issuer.refuses.lock() = Some(StoreErrorKind::Denied);
    for _ in 0..3 {
        assert_eq!(world.key().await.unwrap_err().kind, StoreErrorKind::Denied);
    }
    assert_eq!(world.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_goes_on_when_who_asked_goes_away() {
    let world = world(None);
    let mut asking = Box::pin(world.key());
    assert!(futures::poll!(&mut asking).is_pending());
    drop(asking);
    world.pass(Duration::from_secs(2)).await;
    assert_eq!((world.key().await.unwrap(), world.asked()), ("key-1".to_owned(), 1));
}

#[tokio::test(start_paused = true)]
async fn expired_credentials_are_refused() {
    let world = world(Some(Duration::ZERO));
    let error = world.key().await.unwrap_err();
    assert!(error.detail.contains("from a test have expired"), "{error}");
}
