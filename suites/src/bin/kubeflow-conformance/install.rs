//! `install`: the installer on its own.

use clap::{ArgMatches, FromArgMatches as _};
use harness::cli::refused;
use harness::config::PlatformOptions;

use crate::{impossible, wrong};

/// Installs what the options name.
pub fn install(matches: &ArgMatches) -> u8 {
    let platform = match PlatformOptions::from_arg_matches(matches) {
        Ok(platform) => platform,
        Err(error) => return refused(&error.into()),
    };
    if platform.installation.manifests.is_none() {
        return wrong("there is nothing to install; name rendered manifests or a kustomization: --manifests PATH");
    }
    impossible("this version cannot install yet")
}
