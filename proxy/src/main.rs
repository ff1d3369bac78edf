//! The `switchboard` command: a thin shell. What it does stands in the library.

use std::process::ExitCode;

/// mimalloc: small idle connections, and frees from another thread than the one that allocated (chosen for
/// that; what a tunnel takes with it is measured in bench/, other allocators are not).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    switchboard::cli::main()
}
