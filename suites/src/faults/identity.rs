//! Faults that the checks of the suite `identity` must notice.
