//! The configuration as the data path reads it.
