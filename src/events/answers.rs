//! What one event has become for subscribers who see the same: made by the first of them, given to the rest. A thousand
//! screens of one centre ask the same question with the same rights; one answer does for all.
//!
//! What an answer is, this module does not know.

use std::{
    any::Any,
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::OnceCell;

/// Most different answers that one event keeps: whoever asks beyond that gets one of their own. Bounds the memory that
/// many different documents could hold.
const MOST_ANSWERS: usize = 64;

/// Names everything that an answer depends on, besides the event: the question and the rights of who asks. A
/// collision-proof digest.
pub type AnswerKey = [u8; 32];

type Cell = Arc<OnceCell<Arc<dyn Any + Send + Sync>>>;

/// The answers that one event has become so far; none once they have been let go of.
pub struct Answers(Mutex<Option<HashMap<AnswerKey, Cell>>>);

impl Default for Answers {
    fn default() -> Self {
        Self(Mutex::new(Some(HashMap::new())))
    }
}

impl std::fmt::Debug for Answers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answers")
    }
}

/// An answer that is for the one who made it alone: an error, for example.
#[derive(Debug)]
pub struct Unshared<T>(pub T);

impl Answers {
    /// The answer under this key, made by `make` if nobody has made it. Who comes while it is being made waits for it;
    /// if its maker goes away half-way, the next one makes it.
    ///
    /// # Errors
    /// [`Unshared`] as `make` returned it; nothing is kept then.
    pub async fn get<T, E, F>(&self, key: &AnswerKey, make: impl Fn() -> F) -> Result<Arc<T>, Unshared<E>>
    where
        T: Send + Sync + 'static,
        F: Future<Output = Result<T, Unshared<E>>>,
    {
        let Some(cell) = self.cell(key) else { return make().await.map(Arc::new) };
        let made = cell
            .get_or_try_init(|| async {
                let answer: Arc<dyn Any + Send + Sync> = Arc::new(make().await?);
                Ok(answer)
            })
            .await?;
        match Arc::clone(made).downcast::<T>() {
            Ok(answer) => Ok(answer),
            // The key says what is asked, so it never means two types; if it did, each would get an own answer.
            Err(_) => make().await.map(Arc::new),
        }
    }

    /// The answer under this key, if it is there already.
    #[must_use]
    pub fn made<T: Send + Sync + 'static>(&self, key: &AnswerKey) -> Option<Arc<T>> {
        let cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(cells.as_ref()?.get(key)?.get()?).downcast().ok()
    }

    /// Lets go of all of them. Who asks from here on gets one of its own.
    pub(super) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// How many different ones there are so far.
    #[must_use]
    pub fn count(&self) -> usize {
        let cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cells.iter().flat_map(HashMap::values).filter(|cell| cell.initialized()).count()
    }

    fn cell(&self, key: &AnswerKey) -> Option<Cell> {
        let mut cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let cells = cells.as_mut()?;
        if let Some(cell) = cells.get(key) {
            return Some(Arc::clone(cell));
        }
        if cells.len() >= MOST_ANSWERS {
            return None;
        }
        let cell = Cell::default();
        cells.insert(*key, Arc::clone(&cell));
        Some(cell)
    }
}
