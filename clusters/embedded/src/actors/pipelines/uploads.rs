//! Uploads: a form with a file, from which a pipeline or a version is made.
//!
//! Source: kubeflow/pipelines 2.3.0 `backend/src/apiserver/server/pipeline_upload_server.go`. Archives (zip, tar.gz) are
//! refused here like any other file. The real server never answers YAML that does not parse; this one refuses it.

use axum::body::Body;
use http::{Response, StatusCode, header};
use serde_json::Value;

use super::call::Call;
use super::packages;
use super::refusal::{Answered, Refusal, Within as _, respond};
use super::rows::text;
use super::specification::Specification;
use super::v1beta1::pipelines as v1beta1;

/// The form's field.
const FIELD: &str = "uploadfile";
const FORMATS: &str = "Unexpected pipeline file format. Support .zip, .tar.gz, .json or YAML";
const NO_FORM: &str = "request Content-Type isn't multipart/form-data";

/// A file of a form.
struct File {
    name: String,
    content: String,
}

/// `POST /pipelines/upload`.
pub async fn pipeline(call: &Call) -> Response<Body> {
    let file = match file(call).await {
        Ok(file) => file,
        Err(refusal) => return refusal.upload_response(StatusCode::BAD_REQUEST),
    };
    let namespace = call.asked("namespace");
    if let Err(refusal) = packages::allowed(call, "create", &namespace, "") {
        return unauthorised(refusal);
    }
    let name = Some(call.asked("name")).filter(|name| !name.is_empty()).unwrap_or(file.name);
    let made = create(call, &name, &namespace, &file.content).await;
    answer(call, made.within("Failed to create a pipeline and a pipeline version"))
}

async fn create(call: &Call, name: &str, namespace: &str, content: &str) -> Answered {
    let specification = Specification::read(content, |refusal| {
        refusal.within("Failed to create a pipeline and a pipeline version due to template creation error")
    })?;
    let pipeline = packages::add(call, name, namespace, &call.asked("description"), "CREATING")?;
    let version = packages::add_version(call, text(&pipeline, "UUID"), name, "", &specification)?;
    let what = "Failed to create a pipeline and a pipeline version";
    packages::keep_package(call, &version, &specification, what).await?;
    Ok(if call.first { v1beta1::shape(&pipeline, Some(&version)) } else { packages::shape(&pipeline) })
}

/// `POST /pipelines/upload_version`.
pub async fn version(call: &Call) -> Response<Body> {
    let file = match file(call).await {
        Ok(file) => file,
        Err(refusal) => return refusal.upload_response(StatusCode::BAD_REQUEST),
    };
    let id = call.asked("pipelineid");
    let pipeline = match packages::known(call, &id) {
        Ok(pipeline) => pipeline,
        Err(refusal) => {
            return refusal
                .within(&format!("Failed to get namespace for pipeline id {id}"))
                .within("Failed to create a pipeline version due to error reading namespace")
                .upload_response(StatusCode::BAD_REQUEST);
        }
    };
    if let Err(refusal) = packages::allowed(call, "create", text(&pipeline, "Namespace"), "") {
        return unauthorised(refusal);
    }
    let name = Some(call.asked("name")).filter(|name| !name.is_empty()).unwrap_or(file.name);
    let made = add(call, &id, &name, &file.content).await;
    let what = match &made {
        Err(refusal) if refusal.is_taken() => {
            "Failed to create a pipeline version. The pipeline already exists.: Failed to create pipeline version in \
             PipelineStore"
        }
        _ => "Failed to create a pipeline version",
    };
    answer(call, made.within(what))
}

async fn add(call: &Call, pipeline: &str, name: &str, content: &str) -> Answered<Value> {
    let what = "Failed to create a pipeline version";
    let specification = Specification::read(content, |refusal| refusal.within(what))?;
    let version = packages::add_version(call, pipeline, name, &call.asked("description"), &specification)?;
    packages::keep_package(call, &version, &specification, what).await?;
    let shown = packages::version_shape(&version);
    Ok(if call.first { v1beta1::version_shape(&shown) } else { shown })
}

fn unauthorised(refusal: Refusal) -> Response<Body> {
    refusal
        .within("Authorization Failure")
        .within("Failed to create a pipeline due to authorization error")
        .upload_response(StatusCode::BAD_REQUEST)
}

/// Whatever fails is 500; a name that is taken is 409 from 2.3 on.
fn answer(call: &Call, made: Answered<Value>) -> Response<Body> {
    match made {
        Ok(body) => respond(StatusCode::OK, &body),
        Err(refusal) if refusal.is_taken() && call.settings.release > (2, 0) => {
            refusal.upload_response(StatusCode::CONFLICT)
        }
        Err(refusal) => refusal.upload_response(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

async fn file(call: &Call) -> Answered<File> {
    let what = "Failed to read pipeline from file";
    let kind = call.head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let boundary = multer::parse_boundary(kind).map_err(|_| Refusal::malformed(NO_FORM).within(what))?;
    let body = call.body.clone();
    let stream = futures::stream::once(async move { Ok::<_, std::io::Error>(body) });
    let mut form = multer::Multipart::new(stream, boundary);
    let broken = |error: multer::Error| Refusal::malformed(error.to_string()).within(what);
    while let Some(field) = form.next_field().await.map_err(broken)? {
        if field.name() != Some(FIELD) {
            continue;
        }
        let name = field.file_name().unwrap_or_default().to_owned();
        let content = field.text().await.map_err(broken)?;
        if [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end)) {
            return Ok(File { name, content });
        }
        return Err(Refusal::invalid(FORMATS).within("Failed to read a pipeline spec file"));
    }
    Err(Refusal::malformed("http: no such file").within(what))
}
