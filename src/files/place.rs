//! Where the store is: a folder of this machine, or a bucket.

use std::{path::PathBuf, sync::Arc};

use object_store::{aws::AmazonS3Builder, local::LocalFileSystem, path::Path};
use secrecy::{ExposeSecret, SecretString};

use super::{FilesError, Opened, client::Connector};

/// The smallest part that S3 takes but for the last.
const S3_PART: usize = 5 * 1024 * 1024;
/// A folder takes any; this is written in one go.
const FOLDER_PART: usize = 512 * 1024;

/// Where files lie.
#[derive(Clone, Debug)]
pub enum Place {
    /// In this folder, which is made when it is first needed.
    Folder(PathBuf),
    /// In a bucket.
    S3(S3Place),
}

/// A bucket.
#[derive(Clone, Debug)]
pub struct S3Place {
    /// Its name.
    pub bucket: String,
    /// Before every name in it; may be empty.
    pub prefix: String,
    /// Address of the service; none: Amazon's in the region.
    pub endpoint: Option<String>,
    /// Region.
    pub region: String,
    /// Access key.
    pub key_id: String,
    /// Its secret.
    pub secret: SecretString,
}

impl Place {
    pub(super) fn open(&self) -> Result<Opened, FilesError> {
        match self {
            Self::Folder(folder) => {
                std::fs::create_dir_all(folder)?;
                let store = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
                let folder = Some(folder.clone());
                Ok(Opened { store: Arc::new(store), prefix: Path::default(), folder, part: FOLDER_PART })
            }
            Self::S3(place) => place.open(),
        }
    }
}

impl S3Place {
    fn open(&self) -> Result<Opened, FilesError> {
        let builder = AmazonS3Builder::new()
            .with_bucket_name(&self.bucket)
            .with_region(&self.region)
            .with_access_key_id(&self.key_id)
            .with_secret_access_key(self.secret.expose_secret())
            // Services that only resemble Amazon's differ in how they remove many at once.
            .with_disable_bulk_delete(true)
            .with_http_connector(Connector);
        let builder = match &self.endpoint {
            Some(endpoint) => builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://")),
            None => builder,
        };
        let prefix = Path::parse(&self.prefix).map_err(|error| FilesError::Setup(error.to_string()))?;
        Ok(Opened { store: Arc::new(builder.build()?), prefix, folder: None, part: S3_PART })
    }
}
