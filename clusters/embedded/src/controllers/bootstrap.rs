//! What every cluster holds from its first moment on.

/// What the one node has.
pub const NODE_CAPACITY: &[(&str, &str)] =
    &[("cpu", "16"), ("memory", "64Gi"), ("ephemeral-storage", "200Gi"), ("pods", "250")];
