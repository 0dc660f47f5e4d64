//! Faults that the checks of the suite `login` must notice.
