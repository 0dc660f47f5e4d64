//! The S3 protocol over a volume: requests, signatures and XML are the crate s3s's, the objects are the volume's.
//!
//! Played is what Kubeflow's parts and those who look after them use: buckets made and looked for, objects written, read,
//! listed and removed. Anything else is answered `NotImplemented`, in XML.

use std::sync::Arc;

use axum::body::Bytes;
use futures::TryStreamExt as _;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::dto::{
    Bucket, CommonPrefix, CreateBucketInput, CreateBucketOutput, DeleteObjectInput, DeleteObjectOutput, ETag,
    GetBucketLocationInput, GetBucketLocationOutput, GetObjectInput, GetObjectOutput, HeadBucketInput,
    HeadBucketOutput, HeadObjectInput, HeadObjectOutput, ListBucketsInput, ListBucketsOutput, ListObjectsV2Input,
    ListObjectsV2Output, Object as Listed, PutObjectInput, PutObjectOutput, StreamingBlob,
};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result};

use super::directory::{Directory, Object, StoreError};
use super::{Condition, Credentials, Server};

/// How many keys a list has at most.
const PAGE: usize = 1000;

/// The service of a server.
pub(super) fn service(server: &Server) -> S3Service {
    let mut builder = S3ServiceBuilder::new(Volume(server.directory.clone(), server.condition));
    builder.set_auth(Keys(server.credentials.clone()));
    if server.condition.open {
        builder.set_access(Anybody);
    }
    builder.build()
}

/// Lets everybody do everything.
struct Anybody;

#[async_trait::async_trait]
impl S3Access for Anybody {
    async fn check(&self, _: &mut S3AccessContext<'_>) -> S3Result<()> {
        Ok(())
    }
}

/// The server's only credentials.
struct Keys(Credentials);

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == self.0.access {
            return Ok(SecretKey::from(self.0.secret.as_str()));
        }
        Err(refusal(&StoreError::UnknownKey))
    }
}

fn refusal(error: &StoreError) -> S3Error {
    let code = match error {
        StoreError::UnknownKey => S3ErrorCode::InvalidAccessKeyId,
        StoreError::WrongSecret => S3ErrorCode::SignatureDoesNotMatch,
        StoreError::NoBucket => S3ErrorCode::NoSuchBucket,
        StoreError::NoKey => S3ErrorCode::NoSuchKey,
        StoreError::BucketIsThere => S3ErrorCode::BucketAlreadyOwnedByYou,
        StoreError::Full => S3ErrorCode::Custom("XMinioStorageFull".into()),
    };
    let mut refusal = S3Error::with_message(code, error.to_string());
    if *error == StoreError::Full {
        refusal.set_status_code(http::StatusCode::INSUFFICIENT_STORAGE);
    }
    refusal
}

/// A volume, and what is wrong with it.
struct Volume(Arc<Directory>, Condition);

impl Volume {
    fn object(&self, bucket: &str, key: &str) -> S3Result<Object> {
        self.0.get(bucket, key).map_err(|error| refusal(&error))
    }

    fn kept(&self, bytes: Vec<u8>) -> S3Result<Vec<u8>> {
        self.1.kept(bytes).map_err(|error| refusal(&error))
    }
}

fn tag(object: &Object) -> Option<ETag> {
    Some(ETag::Strong(object.tag()))
}

fn length(object: &Object) -> Option<i64> {
    i64::try_from(object.bytes.len()).ok()
}

#[async_trait::async_trait]
impl S3 for Volume {
    async fn head_bucket(&self, request: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        if self.0.has_bucket(&request.input.bucket) {
            return Ok(S3Response::new(HeadBucketOutput::default()));
        }
        Err(refusal(&StoreError::NoBucket))
    }

    async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        if self.0.has_bucket(&request.input.bucket) {
            return Ok(S3Response::new(GetBucketLocationOutput::default()));
        }
        Err(refusal(&StoreError::NoBucket))
    }

    async fn list_buckets(&self, _: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        let named = |name: String| Bucket { name: Some(name), ..Bucket::default() };
        let buckets = self.0.buckets().into_iter().map(named).collect();
        Ok(S3Response::new(ListBucketsOutput { buckets: Some(buckets), ..ListBucketsOutput::default() }))
    }

    async fn create_bucket(&self, request: S3Request<CreateBucketInput>) -> S3Result<S3Response<CreateBucketOutput>> {
        self.kept(Vec::new())?;
        self.0.create_bucket(&request.input.bucket).map_err(|error| refusal(&error))?;
        let location = format!("/{}", request.input.bucket);
        Ok(S3Response::new(CreateBucketOutput { location: Some(location) }))
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let PutObjectInput { bucket, key, body, content_type, .. } = request.input;
        let bytes = match body {
            Some(body) => body.try_fold(Vec::new(), joined).await.map_err(broken)?,
            None => Vec::new(),
        };
        let bytes = self.kept(bytes)?;
        let kind = content_type.unwrap_or_else(|| "application/octet-stream".to_owned());
        let stored = self.0.put(&bucket, &key, &kind, Bytes::from(bytes)).map_err(|error| refusal(&error))?;
        Ok(S3Response::new(PutObjectOutput { e_tag: tag(&stored), ..PutObjectOutput::default() }))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let object = self.object(&request.input.bucket, &request.input.key)?;
        let bytes = object.bytes.clone();
        let body = StreamingBlob::wrap(futures::stream::once(async move { Ok::<_, std::convert::Infallible>(bytes) }));
        Ok(S3Response::new(GetObjectOutput {
            body: Some(body),
            content_length: length(&object),
            content_type: Some(object.kind.clone()),
            e_tag: tag(&object),
            last_modified: Some(object.modified.into()),
            ..GetObjectOutput::default()
        }))
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let object = self.object(&request.input.bucket, &request.input.key)?;
        Ok(S3Response::new(HeadObjectOutput {
            content_length: length(&object),
            content_type: Some(object.kind.clone()),
            e_tag: tag(&object),
            last_modified: Some(object.modified.into()),
            ..HeadObjectOutput::default()
        }))
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.0.delete(&request.input.bucket, &request.input.key).map_err(|error| refusal(&error))?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let ListObjectsV2Input { bucket, prefix, delimiter, start_after, continuation_token, max_keys, .. } =
            request.input;
        let after = continuation_token.clone().or_else(|| start_after.clone()).unwrap_or_default();
        let within = prefix.clone().unwrap_or_default();
        let found = self.0.list(&bucket, &within, &after).map_err(|error| refusal(&error))?;
        let most = max_keys.and_then(|keys| usize::try_from(keys).ok()).unwrap_or(PAGE).min(PAGE);
        let page = page(found, &within, delimiter.as_deref().unwrap_or_default(), most);
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(bucket),
            prefix,
            delimiter,
            max_keys: i32::try_from(most).ok(),
            key_count: i32::try_from(page.objects.len() + page.folders.len()).ok(),
            is_truncated: Some(page.next.is_some()),
            continuation_token,
            next_continuation_token: page.next,
            contents: Some(page.objects),
            common_prefixes: Some(
                page.folders.into_iter().map(|folder| CommonPrefix { prefix: Some(folder) }).collect(),
            ),
            start_after,
            ..ListObjectsV2Output::default()
        }))
    }
}

/// A body that broke off.
fn broken(error: s3s::StdError) -> S3Error {
    S3Error::with_message(S3ErrorCode::IncompleteBody, error.to_string())
}

async fn joined(mut whole: Vec<u8>, part: Bytes) -> Result<Vec<u8>, s3s::StdError> {
    whole.extend_from_slice(&part);
    Ok(whole)
}

/// A page of a list: objects, and what a delimiter folds into one.
struct Page {
    objects: Vec<Listed>,
    folders: Vec<String>,
    next: Option<String>,
}

fn page(found: Vec<(String, Object)>, prefix: &str, delimiter: &str, most: usize) -> Page {
    let mut page = Page { objects: Vec::new(), folders: Vec::new(), next: None };
    let mut last = None;
    for (key, object) in found {
        let folder = key
            .get(prefix.len()..)
            .filter(|_| !delimiter.is_empty())
            .and_then(|rest| rest.find(delimiter))
            .map(|at| key[..prefix.len() + at + delimiter.len()].to_owned());
        if let Some(folder) = &folder
            && page.folders.last() == Some(folder)
        {
            last = Some(key);
            continue;
        }
        if page.objects.len() + page.folders.len() >= most {
            page.next = last;
            break;
        }
        last = Some(key.clone());
        match folder {
            Some(folder) => page.folders.push(folder),
            None => page.objects.push(Listed {
                e_tag: tag(&object),
                size: length(&object),
                last_modified: Some(object.modified.into()),
                key: Some(key),
                ..Listed::default()
            }),
        }
    }
    page
}
