//! Writes an object part by part, so that memory does not grow with it.

use std::sync::Arc;

use object_store::{ObjectStore, ObjectStoreExt, PutPayloadMut, WriteMultipart, path::Path};

use super::FilesError;

/// An object that is not there yet. Dropping it leaves nothing in a folder, and parts of an upload in a bucket, which its
/// own rule removes.
pub struct Writer {
    store: Arc<dyn ObjectStore>,
    path: Path,
    part: usize,
    state: State,
}

enum State {
    /// All of it so far, less than one part: a small object takes one request.
    Small(PutPayloadMut),
    /// Parts have been sent.
    Parts(WriteMultipart),
}

impl Writer {
    pub(super) fn new(store: Arc<dyn ObjectStore>, path: Path, part: usize) -> Self {
        Self { store, path, part, state: State::Small(PutPayloadMut::new()) }
    }

    /// Adds bytes, and waits while a part is on its way: a store that is slow slows the sender down.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), FilesError> {
        if let State::Small(held) = &mut self.state {
            if held.content_length() + bytes.len() < self.part {
                held.extend_from_slice(bytes);
                return Ok(());
            }
            let upload = self.store.put_multipart(&self.path).await?;
            let mut parts = WriteMultipart::new_with_chunk_size(upload, self.part);
            for chunk in std::mem::take(held).freeze() {
                parts.write(&chunk);
            }
            self.state = State::Parts(parts);
        }
        if let State::Parts(parts) = &mut self.state {
            parts.write(bytes);
            parts.wait_for_capacity(1).await?;
        }
        Ok(())
    }

    /// Makes the object.
    ///
    /// # Errors
    /// When the store fails; nothing is there then.
    pub async fn finish(self) -> Result<(), FilesError> {
        match self.state {
            State::Small(held) => self.store.put(&self.path, held.freeze()).await?,
            State::Parts(parts) => parts.finish().await?,
        };
        Ok(())
    }

    /// Leaves nothing of it.
    pub async fn abandon(self) {
        if let State::Parts(parts) = self.state
            && let Err(error) = parts.abort().await
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "An upload could not be taken back");
        }
    }
}
