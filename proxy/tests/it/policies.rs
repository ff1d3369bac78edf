//! Policies as clients and origins meet them. Cases 73–76, 121–129 with policies, and what `docs/policies.md` promises.

mod access;
mod heads;
mod identity;
mod limits;
mod shared;
mod targets;
mod tokens;
