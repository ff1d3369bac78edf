//! SECURITY.md §1 C: hop-by-hop fields and fields that claim trust. Cases 62–78; 73 and 74 come with the policies.

mod connection;
mod proxy_header;
mod trust;
