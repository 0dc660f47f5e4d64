//! Programs of which a page is all that anybody looks at here: code-server, RStudio, TensorBoard, File Browser.
//!
//! Their routes rewrite the prefix away, so each serves at `/`. Marks as the real pages show them: the title
//! (coder/code-server v4, RStudio 2023, tensorflow 2.5 `tensorboard/webapp/index.html`, filebrowser v2).

use axum::body::Body;
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use serde_json::json;

use super::super::{Actor, Visit, express, net_http};

/// A program with one page.
pub struct Page {
    title: &'static str,
}

/// `codeserver-python`.
pub static CODE_SERVER: Page = Page { title: "code-server" };
/// `rstudio-tidyverse`.
pub static RSTUDIO: Page = Page { title: "RStudio Server" };
/// `tensorflow/tensorflow`, which a Tensorboard runs for its page.
pub static TENSORBOARD: Page = Page { title: "TensorBoard" };
/// `filebrowser/filebrowser`.
pub static FILE_BROWSER: Page = Page { title: "File Browser" };

impl Actor for &'static Page {
    fn serve(&self, _: Visit, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        let title = self.title;
        Box::pin(async move {
            match (title, request.uri().path()) {
                (_, "/") => {
                    let title = express::escape(title);
                    let page =
                        format!("<!doctype html>\n<html><head><title>{title}</title></head><body></body></html>\n");
                    net_http::answer(StatusCode::OK, "text/html; charset=utf-8", page)
                }
                // TensorBoard's own word on where it reads.
                ("TensorBoard", "/data/environment") => {
                    let said = json!({"data_location": "", "window_title": "", "version": "2.5.0"});
                    net_http::answer(StatusCode::OK, "application/json", said.to_string())
                }
                _ => net_http::answer(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "Not found"),
            }
        })
    }
}
