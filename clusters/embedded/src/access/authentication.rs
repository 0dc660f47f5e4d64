//! Who sent a request, by its bearer token.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::{UserInfo, tokens};
use crate::api::Status;
use crate::platform::World;

/// Finds out who asks. No credentials, or those of a scheme that no authenticator knows, make `system:anonymous`.
/// Impersonation is done by the caller, `api`.
///
/// # Errors
/// 401 for a token that is not valid.
pub fn authenticate(world: &World, headers: &HeaderMap) -> Result<UserInfo, Status> {
    let authorization = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = match authorization.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => return Ok(UserInfo::anonymous()),
    };
    if world.credentials.is_admin(token) {
        return Ok(UserInfo {
            name: "kubernetes-admin".to_owned(),
            groups: vec!["system:masters".to_owned(), "system:authenticated".to_owned()],
            ..UserInfo::default()
        });
    }
    tokens::validate(world, token, &[tokens::API_AUDIENCE]).map(|valid| valid.user).ok_or_else(Status::unauthorized)
}
