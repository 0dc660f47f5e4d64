//! The login: hop by hop, what it refuses, and what a session is worth.

pub mod callback;
pub mod credentials;
pub mod dex;
pub mod diagnose;
pub mod flow;
pub mod form;
pub mod id_token;
pub mod logout;
pub mod redirects;
pub mod seal;
pub mod session;
pub mod settings;
pub mod steps;

use harness::Suite;

/// The suite.
pub static SUITE: Suite = Suite {
    name: "login",
    prefix: "AUT",
    title: "Who logs in gets a session, and nobody else does",
    images: &[],
    topics: &[
        flow::CHECKS,
        form::CHECKS,
        callback::CHECKS,
        redirects::CHECKS,
        session::CHECKS,
        logout::CHECKS,
        dex::CHECKS,
        credentials::CHECKS,
    ],
};
