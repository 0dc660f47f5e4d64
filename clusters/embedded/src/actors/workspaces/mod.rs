//! The programs in users' own pods: notebook servers, TensorBoard, and the file browser of a volume.

pub mod jupyter;
pub mod pages;
