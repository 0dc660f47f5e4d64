//! What is installed: Kubernetes objects from rendered YAML, plain or compressed, from a file, a folder with a
//! `kustomization.yaml`, a checkout or archive of kubeflow/manifests, or standard input.
//!
//! Reading is strict where `kubectl` is lenient: a truncated file, a document without a kind or a name, and an object
//! that occurs twice are errors that name file, document and line, before anything is sent anywhere.

use std::fmt;
use std::io;
use std::path::PathBuf;

use serde_json::Value;
use sha2::{Digest, Sha256};

mod archive;
mod documents;
mod kustomize;
mod read;
mod yaml;

/// Where manifests come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Standard input.
    Stdin,
    /// A file of YAML, an archive of kubeflow/manifests, a kustomization, or a checkout with a folder `example`.
    Path(PathBuf),
}

impl From<&str> for Source {
    /// A path, or `-` for standard input.
    fn from(text: &str) -> Self {
        if text == "-" { Self::Stdin } else { Self::Path(text.into()) }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("standard input"),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

/// All objects of one source.
#[derive(Debug, Clone)]
pub struct Manifests {
    /// Where they come from.
    pub source: String,
    /// SHA-256 of the file or archive as it was read (of the rendered text for a folder), in hexadecimal.
    pub sha256: String,
    /// The objects, in the order of the source.
    pub objects: Vec<Manifest>,
}

/// One object as written.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// Who it is.
    pub id: Id,
    /// Where it stands.
    pub place: Place,
    /// The object.
    pub body: Value,
}

/// Who an object is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id {
    /// API group; empty for the core group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Kind.
    pub kind: String,
    /// Namespace as written.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
}

impl Id {
    /// `group/version`, or `version` for the core group.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

/// A place in a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Number of the YAML document, from 1; separators count, whether or not something stands between them.
    pub document: usize,
    /// Line, from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "document {}, line {}", self.document, self.line)
    }
}

/// Why a source cannot be installed.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file cannot be read.
    #[error("cannot read manifests from {source_name}: {reason}; check the path given to --manifests")]
    Unreadable {
        /// The source.
        source_name: String,
        /// The operating system's words.
        reason: String,
    },
    /// The compressed file does not unpack: it is truncated or damaged.
    #[error("cannot unpack {source_name}: {reason}; the file is truncated or damaged, fetch it again")]
    Damaged {
        /// The source.
        source_name: String,
        /// The decoder's words.
        reason: String,
    },
    /// More text than any platform needs: perhaps a decompression bomb.
    #[error(
        "{source_name} holds more than {limit} MiB of YAML, which no platform needs; give the output of: kubectl kustomize example"
    )]
    TooLarge {
        /// The source.
        source_name: String,
        /// The limit in MiB.
        limit: usize,
    },
    /// Not text.
    #[error("{source_name} is not UTF-8 text (line {line}); give rendered YAML, plain, .gz or .xz")]
    NotText {
        /// The source.
        source_name: String,
        /// The line of the first bad byte.
        line: usize,
    },
    /// A document is not YAML, is too deep or expands too far.
    #[error("{source_name}, {place}: not usable YAML: {reason}; correct it there, or render the manifests again")]
    Yaml {
        /// The source.
        source_name: String,
        /// Where.
        place: Place,
        /// The parser's words.
        reason: String,
    },
    /// A document is YAML but no Kubernetes object.
    #[error(
        "{source_name}, {place}: not a Kubernetes object: {reason}; correct it there, or render the manifests again"
    )]
    NotAnObject {
        /// The source.
        source_name: String,
        /// Where.
        place: Place,
        /// What is missing or wrong.
        reason: String,
    },
    /// The same object twice.
    #[error("{source_name}: {id} stands twice: {first} and {second}; remove one")]
    Duplicate {
        /// The source.
        source_name: String,
        /// The object.
        id: Box<Id>,
        /// Where it stands first.
        first: Place,
        /// Where it stands again.
        second: Place,
    },
    /// No object at all.
    #[error("{source_name} holds no Kubernetes object; give the output of: kubectl kustomize example")]
    Empty {
        /// The source.
        source_name: String,
    },
    /// A folder or archive that is neither a kustomization nor a checkout of kubeflow/manifests.
    #[error(
        "{source_name} holds neither a kustomization.yaml nor, as kubeflow/manifests does, a folder `example` with one: there is no folder `example`; name a kustomization, a checkout or archive of a release, or rendered YAML"
    )]
    NoExample {
        /// The folder or archive.
        source_name: String,
    },
    /// `kubectl kustomize` cannot be run.
    #[error("cannot run kubectl to render {folder}: {reason}; install kubectl, or give rendered YAML")]
    NoKubectl {
        /// The folder.
        folder: String,
        /// The operating system's words.
        reason: String,
    },
    /// `kubectl kustomize` failed.
    #[error("kubectl kustomize {folder} failed: {reason}")]
    Kustomize {
        /// The folder.
        folder: String,
        /// Its last words.
        reason: String,
    },
}

/// Reads a source.
///
/// Dropping the future ends a `kubectl` that it started.
///
/// # Errors
/// [`ManifestError`], in the order of the source: the first that is found.
pub async fn load(source: &Source) -> Result<Manifests, ManifestError> {
    let name = source.to_string();
    if let Source::Path(path) = source
        && path.is_dir()
    {
        let rendered = kustomize::render(&archive::kustomization(path)?).await?;
        return blocking(name.clone(), move || parse(&name, &rendered)).await;
    }
    let bytes = blocking(name.clone(), {
        let (name, source) = (name.clone(), source.clone());
        move || {
            let bytes = match &source {
                Source::Path(path) => std::fs::read(path),
                Source::Stdin => read::stdin(),
            };
            bytes.map_err(|error| unreadable(&name, &error))
        }
    })
    .await?;
    if !archive::is_archive(&bytes) {
        return blocking(name.clone(), move || parse(&name, &bytes)).await;
    }
    let sha256 = hex(&Sha256::digest(&bytes));
    let unpacking = name.clone();
    let (_folder, example) = blocking(name.clone(), move || archive::unpack(&unpacking, &bytes)).await?;
    let rendered = kustomize::render(&example).await?;
    let manifests = blocking(name.clone(), move || parse(&name, &rendered)).await?;
    Ok(Manifests { sha256, ..manifests })
}

/// Work that takes its time, on a thread of its own.
async fn blocking<T: Send + 'static>(
    name: String,
    work: impl FnOnce() -> Result<T, ManifestError> + Send + 'static,
) -> Result<T, ManifestError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| unreadable(&name, &io::Error::other(error)))?
}

/// Reads the bytes of a file: plain YAML, or compressed with gzip or xz (told by its first bytes).
///
/// # Errors
/// [`ManifestError`].
pub fn parse(source_name: &str, bytes: &[u8]) -> Result<Manifests, ManifestError> {
    let sha256 = hex(&Sha256::digest(bytes));
    let text = read::text(source_name, bytes)?;
    let objects = documents::objects(source_name, &text)?;
    Ok(Manifests { source: source_name.to_owned(), sha256, objects })
}

fn unreadable(source_name: &str, error: &io::Error) -> ManifestError {
    ManifestError::Unreadable { source_name: source_name.to_owned(), reason: error.to_string() }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
