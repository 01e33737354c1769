//! Loaders: all objects of one level in one statement, with the caller's rights. Each area implements
//! [`Loader`] on [`Batch`] for its own key types, in its own `loader.rs`.
//!
//! [`Levels`] gathers keys until every resolver of the operation waits, and only then loads. The crate's own loader
//! waits a fixed time instead, so how many statements a level took depended on how busy the machine was.

use std::{
    any::{Any, TypeId},
    collections::{HashMap, HashSet},
    future::poll_fn,
    hash::Hash,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use async_graphql::dataloader::Loader;
use futures::{FutureExt, StreamExt, channel::oneshot, future::BoxFuture, stream::FuturesUnordered, task::AtomicWaker};

use super::error::ApiError;
use crate::{
    auth::Actor,
    domain::{cx::Cx, refusal::Failure},
};

/// Loads for one caller.
pub struct Batch {
    /// The use cases' context.
    pub cx: Arc<Cx>,
    /// The caller.
    pub actor: Arc<Actor>,
}

/// A failure that the resolvers waiting for one batch share.
#[derive(Clone, Debug)]
pub struct SharedFailure(Arc<Mutex<Shared>>);

#[derive(Debug)]
struct Shared {
    /// What nobody has said yet.
    unsaid: Option<Failure>,
    /// What the first has said.
    said: Option<ApiError>,
}

impl From<Failure> for SharedFailure {
    fn from(failure: Failure) -> Self {
        Self(Arc::new(Mutex::new(Shared { unsaid: Some(failure), said: None })))
    }
}

impl From<SharedFailure> for ApiError {
    fn from(shared: SharedFailure) -> Self {
        let mut shared = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The first of the waiting resolvers logs it; all say the same.
        if let Some(failure) = shared.unsaid.take() {
            shared.said = Some(failure.into());
        }
        shared.said.clone().unwrap_or_else(|| Failure::Refused(Vec::new()).into())
    }
}

/// What is loaded for keys of this type.
type Value<K> = <Batch as Loader<K>>::Value;

/// What all who asked in one level are answered.
type Answer<K> = Result<Arc<HashMap<K, Value<K>>>, SharedFailure>;

/// The keys of one type that were asked for in one level, and who waits for them.
struct Asked<K>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    Batch: Loader<K, Error = SharedFailure>,
{
    keys: HashSet<K>,
    waiting: Vec<oneshot::Sender<Answer<K>>>,
}

/// [`Asked`] of any type of key.
trait Question: Any + Send {
    fn load(self: Box<Self>, batch: Arc<Batch>) -> BoxFuture<'static, ()>;
}

impl<K> Question for Asked<K>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    Batch: Loader<K, Error = SharedFailure>,
{
    fn load(self: Box<Self>, batch: Arc<Batch>) -> BoxFuture<'static, ()> {
        async move {
            let keys: Vec<K> = self.keys.into_iter().collect();
            let answer = batch.load(&keys).await.map(Arc::new);
            for waiting in self.waiting {
                // Who went away no longer needs it.
                let _ = waiting.send(answer.clone());
            }
        }
        .boxed()
    }
}

#[derive(Default)]
struct Gathered {
    /// Whether an operation runs that will load what is asked for.
    driven: bool,
    questions: HashMap<TypeId, Box<dyn Question>>,
}

/// The loaders of one operation.
pub struct Levels {
    batch: Arc<Batch>,
    gathered: Mutex<Gathered>,
}

impl Levels {
    /// For what this batch may load.
    #[must_use]
    pub fn new(batch: Batch) -> Self {
        Self { batch: Arc::new(batch), gathered: Mutex::default() }
    }

    /// The object of one key, if there is one that the caller may see.
    ///
    /// # Errors
    /// What the loader fails with.
    pub async fn load_one<K>(&self, key: K) -> Result<Option<Value<K>>, SharedFailure>
    where
        K: Clone + Eq + Hash + Send + Sync + 'static,
        Batch: Loader<K, Error = SharedFailure>,
    {
        Ok(self.load_many([key.clone()]).await?.remove(&key))
    }

    /// The objects of these keys that there are and that the caller may see.
    ///
    /// # Errors
    /// What the loader fails with.
    pub async fn load_many<K>(&self, keys: impl IntoIterator<Item = K>) -> Result<HashMap<K, Value<K>>, SharedFailure>
    where
        K: Clone + Eq + Hash + Send + Sync + 'static,
        Batch: Loader<K, Error = SharedFailure>,
    {
        let keys: HashSet<K> = keys.into_iter().collect();
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let Some(answer) = self.ask(&keys) else {
            let keys: Vec<K> = keys.into_iter().collect();
            // In a box: resolvers that may load are everywhere, the engine makes room for one at each field of each object,
            // and this is never reached where an operation drives the loaders.
            return Box::pin(self.batch.load(&keys)).await;
        };
        let gone = |_| SharedFailure::from(Failure::fault("an operation ended while its loaders were asked"));
        let found = answer.await.map_err(gone)??;
        Ok(keys.into_iter().filter_map(|key| found.get(&key).cloned().map(|value| (key, value))).collect())
    }

    /// Puts keys to those of the level; none when no operation drives these loaders.
    fn ask<K>(&self, keys: &HashSet<K>) -> Option<oneshot::Receiver<Answer<K>>>
    where
        K: Clone + Eq + Hash + Send + Sync + 'static,
        Batch: Loader<K, Error = SharedFailure>,
    {
        let mut gathered = self.gathered();
        if !gathered.driven {
            return None;
        }
        let question: &mut dyn Any = gathered
            .questions
            .entry(TypeId::of::<K>())
            .or_insert_with(|| Box::new(Asked::<K> { keys: HashSet::new(), waiting: Vec::new() }))
            .as_mut();
        let asked = question.downcast_mut::<Asked<K>>()?;
        asked.keys.extend(keys.iter().cloned());
        let (sender, receiver) = oneshot::channel();
        asked.waiting.push(sender);
        Some(receiver)
    }

    /// Runs an operation and loads what its resolvers ask for: a level begins when all of them wait and the level
    /// before has arrived, so that the number of statements follows from the document alone.
    pub async fn drive<T>(&self, operation: impl Future<Output = T>) -> T {
        if std::mem::replace(&mut self.gathered().driven, true) {
            return operation.await;
        }
        let _driving = Driving(self);
        let (mut operation, mut level) = (pin!(operation), FuturesUnordered::new());
        let activity = Arc::new(Activity::default());
        let waker = Waker::from(Arc::clone(&activity));
        poll_fn(|cx| {
            loop {
                activity.task.register(cx.waker());
                activity.seen.store(false, Ordering::Release);
                if let Poll::Ready(output) = operation.as_mut().poll(&mut Context::from_waker(&waker)) {
                    return Poll::Ready(output);
                }
                if activity.seen.load(Ordering::Acquire) {
                    // It only made room for others: not every resolver has had its turn, and the task is woken already.
                    return Poll::Pending;
                }
                loop {
                    while let Poll::Ready(Some(())) = level.poll_next_unpin(cx) {}
                    if activity.seen.load(Ordering::Acquire) {
                        break;
                    }
                    if !level.is_empty() {
                        return Poll::Pending;
                    }
                    let questions = std::mem::take(&mut self.gathered().questions);
                    level.extend(questions.into_values().map(|question| question.load(Arc::clone(&self.batch))));
                    if level.is_empty() {
                        return Poll::Pending;
                    }
                }
            }
        })
        .await
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// While it lives, an operation drives the loaders.
struct Driving<'a>(&'a Levels);

impl Drop for Driving<'_> {
    fn drop(&mut self) {
        // What is still asked for, nobody waits for: the operation ended early.
        *self.0.gathered() = Gathered::default();
    }
}

/// Tells whether something in an operation can go on.
#[derive(Default)]
struct Activity {
    seen: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Activity {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.seen.store(true, Ordering::Release);
        self.task.wake();
    }
}

/// Defines a key of objects by their ids, and its loader: those that the domain's `visible` shows this caller. Who lacks
/// the permission sees none of them: an id is no way to learn what there is.
macro_rules! by_id {
    ($(#[$doc:meta])* $key:ident => $value:ty, $visible:path) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $key(pub uuid::Uuid);

        impl async_graphql::dataloader::Loader<$key> for $crate::schema::loader::Batch {
            type Value = $value;
            type Error = $crate::schema::loader::SharedFailure;

            async fn load(
                &self,
                keys: &[$key],
            ) -> Result<std::collections::HashMap<$key, $value>, $crate::schema::loader::SharedFailure> {
                let ids = keys.iter().map(|key| key.0).collect();
                let tx = self.cx.read(&self.actor).await?;
                let found = match $visible(&tx, &self.actor, ids).await {
                    Ok(found) => found,
                    Err($crate::domain::refusal::Failure::Refused(_)) => Vec::new(),
                    Err(fault) => return Err(fault.into()),
                };
                tx.commit().await.map_err($crate::domain::refusal::Failure::from)?;
                Ok(found.into_iter().map(|one| ($key(one.id), one)).collect())
            }
        }
    };
}
pub(crate) use by_id;
