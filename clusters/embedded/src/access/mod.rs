//! Who asks (authentication) and what they may do (RBAC, reviews).

pub mod credentials;
