//! The HTTP/1 codec, sans-I/O and strict.
