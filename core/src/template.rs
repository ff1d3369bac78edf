//! Texts with facts of the request in them.
