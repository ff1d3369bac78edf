//! The access record and its line.
