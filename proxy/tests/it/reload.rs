//! Reload: every way to ask for it, what is refused, and that nothing which is not concerned notices.

mod change;
mod load;
mod process;
