//! Where the bytes of files lie: a folder, or a bucket of anything that speaks S3, behind one library.
//!
//! Invariant: an object is there whole or not at all, its name says whose it is and nothing else, and no operation holds
//! more of it in memory than a part. Who may read what is not decided here.

mod client;
mod place;
mod writer;

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom, Write},
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use futures::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use object_store::{GetResultPayload, ObjectStore, ObjectStoreExt, path::Path};
use tokio::sync::Semaphore;
use uuid::Uuid;

pub use place::{Place, S3Place};
pub use writer::Writer;

/// How many files one process examines or draws at once: each may take a processor for a while.
const AT_ONCE: usize = 2;

/// How long the store may say nothing in the middle of an object.
const SILENCE: Duration = Duration::from_secs(30);

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// There is no such object.
    #[error("the file store has no such object")]
    Missing,
    /// The library's answer.
    #[error("the file store failed")]
    Store(#[source] object_store::Error),
    /// The folder, or a temporary file.
    #[error("a file cannot be used")]
    Io(#[from] std::io::Error),
    /// The setting.
    #[error("{0}")]
    Setup(String),
}

impl From<object_store::Error> for FilesError {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::Missing,
            other => Self::Store(other),
        }
    }
}

/// What is kept of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The file as it came.
    Whole,
    /// A small picture of it.
    Thumbnail,
}

impl Part {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "WHOLE",
            Self::Thumbnail => "THUMBNAIL",
        }
    }
}

/// The name of an object: whose, of which file, which part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ObjectName {
    /// The tenant.
    pub tenant: Uuid,
    /// The file's row.
    pub file: Uuid,
    /// Which part of it.
    pub part: Part,
}

impl ObjectName {
    /// The file itself.
    #[must_use]
    pub fn whole(tenant: Uuid, file: Uuid) -> Self {
        Self { tenant, file, part: Part::Whole }
    }

    /// Its small picture.
    #[must_use]
    pub fn thumbnail(tenant: Uuid, file: Uuid) -> Self {
        Self { tenant, file, part: Part::Thumbnail }
    }

    fn path(self, prefix: &Path) -> Path {
        let suffix = match self.part {
            Part::Whole => "",
            Part::Thumbnail => ".thumbnail",
        };
        let folder = prefix.clone().join(self.tenant.simple().to_string());
        folder.join(format!("{}{suffix}", self.file.simple()))
    }

    /// The object of this tenant that a name in the store is of; none: it is not one of ours.
    fn parse(tenant: Uuid, name: &str) -> Option<Self> {
        let (id, part) = match name.strip_suffix(".thumbnail") {
            Some(id) => (id, Part::Thumbnail),
            None => (name, Part::Whole),
        };
        Some(Self { tenant, file: Uuid::try_parse(id).ok()?, part })
    }
}

/// The file store. Clones are the same store.
#[derive(Clone)]
pub struct Files {
    inner: Arc<Inner>,
}

struct Inner {
    place: Place,
    /// Made when it is first needed, so that a process that never sees a file needs no folder.
    opened: OnceLock<Opened>,
    examining: Semaphore,
}

/// A store that is ready.
struct Opened {
    store: Arc<dyn ObjectStore>,
    /// Before every name.
    prefix: Path,
    /// The folder, if it is one.
    folder: Option<PathBuf>,
    /// Size of the parts that are sent.
    part: usize,
}

/// An object that is being read.
pub struct Reading {
    /// Its size.
    pub size: u64,
    /// Its bytes.
    pub bytes: BoxStream<'static, Result<Bytes, FilesError>>,
}

impl Files {
    /// The store at this place. Connects to nothing and makes nothing yet.
    #[must_use]
    pub fn new(place: Place) -> Self {
        let examining = Semaphore::new(AT_ONCE);
        Self { inner: Arc::new(Inner { place, opened: OnceLock::new(), examining }) }
    }

    fn opened(&self) -> Result<&Opened, FilesError> {
        if let Some(opened) = self.inner.opened.get() {
            return Ok(opened);
        }
        let opened = self.inner.place.open()?;
        Ok(self.inner.opened.get_or_init(|| opened))
    }

    /// Begins an object. It is not there before [`Writer::finish`].
    ///
    /// # Errors
    /// When the store cannot be used.
    pub fn create(&self, name: ObjectName) -> Result<Writer, FilesError> {
        let opened = self.opened()?;
        Ok(Writer::new(Arc::clone(&opened.store), name.path(&opened.prefix), opened.part))
    }

    /// Keeps a small object.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put(&self, name: ObjectName, bytes: Vec<u8>) -> Result<(), FilesError> {
        let opened = self.opened()?;
        opened.store.put(&name.path(&opened.prefix), bytes.into()).await?;
        Ok(())
    }

    /// Reads an object from its beginning.
    ///
    /// # Errors
    /// [`FilesError::Missing`]; when the store fails.
    pub async fn read(&self, name: ObjectName) -> Result<Reading, FilesError> {
        let opened = self.opened()?;
        let found = opened.store.get(&name.path(&opened.prefix)).await?;
        let size = found.meta.size;
        Ok(Reading { size, bytes: patient(found.into_stream()) })
    }

    /// An object as a file of this machine, at its beginning: to be read here and there, outside of the runtime. One
    /// of a bucket is copied into a nameless temporary file, which is gone when it is closed or the process dies.
    ///
    /// # Errors
    /// [`FilesError::Missing`]; when the store fails or there is no room.
    pub async fn local(&self, name: ObjectName) -> Result<File, FilesError> {
        let opened = self.opened()?;
        let found = opened.store.get(&name.path(&opened.prefix)).await?;
        let mut bytes = match found.payload {
            GetResultPayload::File(file, _) => return Ok(file),
            GetResultPayload::Stream(bytes) => patient(bytes),
        };
        let mut copy = blocking(|| Ok(tempfile::tempfile()?)).await?;
        while let Some(chunk) = bytes.next().await {
            let chunk = chunk?;
            copy = blocking(move || {
                copy.write_all(&chunk)?;
                Ok(copy)
            })
            .await?;
        }
        blocking(move || {
            copy.seek(SeekFrom::Start(0))?;
            Ok(copy)
        })
        .await
    }

    /// Copies a file of this machine into the store, part by part.
    ///
    /// # Errors
    /// When it cannot be read or the store fails; nothing is there then.
    pub async fn take(&self, name: ObjectName, mut file: File) -> Result<(), FilesError> {
        const CHUNK: u64 = 256 * 1024;
        let mut writer = self.create(name)?;
        loop {
            let (chunk, back) = blocking(move || {
                let mut chunk = Vec::new();
                (&mut file).take(CHUNK).read_to_end(&mut chunk)?;
                Ok((chunk, file))
            })
            .await?;
            file = back;
            if chunk.is_empty() {
                return writer.finish().await;
            }
            if let Err(error) = writer.write(&chunk).await {
                writer.abandon().await;
                return Err(error);
            }
        }
    }

    /// Lets `work` look at an object outside of the runtime; few at once.
    ///
    /// # Errors
    /// As [`Files::local`]; when `work` panics.
    pub async fn examine<T: Send + 'static>(
        &self,
        name: ObjectName,
        work: impl FnOnce(File) -> T + Send + 'static,
    ) -> Result<T, FilesError> {
        let _turn = self.inner.examining.acquire().await.map_err(|_| FilesError::Setup("closed".to_owned()))?;
        let file = self.local(name).await?;
        blocking(move || Ok(work(file))).await
    }

    /// Removes all parts of these files; what is not there is no error.
    ///
    /// # Errors
    /// When the store fails: some may be gone then.
    pub async fn remove(&self, tenant: Uuid, files: &[Uuid]) -> Result<(), FilesError> {
        let opened = self.opened()?;
        for file in files {
            for name in [ObjectName::whole(tenant, *file), ObjectName::thumbnail(tenant, *file)] {
                match opened.store.delete(&name.path(&opened.prefix)).await {
                    Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// Every object of a tenant, in no order.
    ///
    /// # Errors
    /// When the store fails; the stream ends with what it failed with.
    pub fn list(&self, tenant: Uuid) -> Result<BoxStream<'static, Result<ObjectName, FilesError>>, FilesError> {
        let opened = self.opened()?;
        let folder = opened.prefix.clone().join(tenant.simple().to_string());
        let objects = opened.store.list(Some(&folder)).map_err(FilesError::from);
        let names = objects.try_filter_map(move |object| {
            let name = object.location.filename().and_then(|name| ObjectName::parse(tenant, name));
            async move { Ok(name) }
        });
        Ok(names.boxed())
    }

    /// Removes what uploads of before left half written in a folder: the library keeps it beside the object, under a
    /// name of its own, and does not list it. A bucket forgets its half uploads by a rule of its own.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub async fn remove_half_written(
        &self,
        tenant: Uuid,
        is_old: impl Fn(Uuid) -> bool + Send + 'static,
    ) -> Result<usize, FilesError> {
        let Some(folder) = self.opened()?.folder.clone() else { return Ok(0) };
        blocking(move || {
            let entries = match std::fs::read_dir(folder.join(tenant.simple().to_string())) {
                Ok(entries) => entries,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
                Err(error) => return Err(error.into()),
            };
            let mut removed = 0;
            for entry in entries {
                let entry = entry?;
                let name = entry.file_name();
                let half = name.to_str().and_then(|name| name.split_once('#')).map(|(name, _)| name);
                let file = half.and_then(|name| ObjectName::parse(tenant, name)).map(|name| name.file);
                if file.is_some_and(&is_old) {
                    std::fs::remove_file(entry.path())?;
                    removed += 1;
                }
            }
            Ok(removed)
        })
        .await
    }
}

/// Bytes of an object, which end with an error when the store falls silent.
fn patient(bytes: BoxStream<'static, object_store::Result<Bytes>>) -> BoxStream<'static, Result<Bytes, FilesError>> {
    let next = |bytes: Option<BoxStream<'static, object_store::Result<Bytes>>>| async move {
        let mut bytes = bytes?;
        match tokio::time::timeout(SILENCE, bytes.next()).await {
            Ok(None) => None,
            Ok(Some(Ok(chunk))) => Some((Ok(chunk), Some(bytes))),
            Ok(Some(Err(error))) => Some((Err(error.into()), None)),
            Err(_late) => Some((Err(FilesError::Setup("the file store fell silent".to_owned())), None)),
        }
    };
    stream::unfold(Some(bytes), next).boxed()
}

/// Files are read and written where they may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FilesError> + Send + 'static,
) -> Result<T, FilesError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(FilesError::Setup(format!("a look at a file broke off: {error}"))),
    }
}
