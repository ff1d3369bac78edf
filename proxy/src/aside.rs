//! A thread beside the workers, for what waits for other machines: key sets, counts that several machines share.
//!
//! Its runtime has timers, which a worker's has not, and it is not the control thread, which compiles configurations and
//! may be busy for longer than a request can wait. It is started by the first who needs it, and never otherwise.

use std::sync::LazyLock;

use tokio::runtime::{Builder, Handle};

static THREAD: LazyLock<Option<Handle>> = LazyLock::new(start);

/// Runs a task there. Where the system gives no thread it is dropped, and whoever waits for it is told so.
pub fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    if let Some(thread) = &*THREAD {
        thread.spawn(task);
    }
}

fn start() -> Option<Handle> {
    let complain = |error: &std::io::Error| tracing::error!(%error, "no thread for key sets and shared limits");
    let runtime = Builder::new_current_thread().enable_all().build().inspect_err(complain).ok()?;
    let handle = runtime.handle().clone();
    let thread = std::thread::Builder::new().name("aside".to_owned());
    thread.spawn(move || runtime.block_on(std::future::pending::<()>())).inspect_err(complain).ok()?;
    Some(handle)
}
