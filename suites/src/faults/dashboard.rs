//! Faults that the checks of the suite `dashboard` must notice.
