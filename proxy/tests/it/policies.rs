//! Policies as clients and origins meet them. Cases 73–76, 121–129 with policies, and what `docs/policies.md` promises.

mod access;
mod authelia;
mod bounds;
mod cases;
mod flow;
mod forward;
mod halves;
mod heads;
mod identity;
mod limits;
mod load;
mod shared;
mod targets;
pub(crate) mod tokens;
mod versions;
mod ways;
