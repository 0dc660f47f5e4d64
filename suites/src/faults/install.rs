//! Faults that the checks of the suite `install` must notice.
