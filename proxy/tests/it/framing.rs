//! SECURITY.md §1 A: where one message ends and the next begins. Cases 1–40.

mod broken;
mod chunked;
mod early;
mod fields;
mod lengths;
mod upstream;
