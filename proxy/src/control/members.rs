//! Endpoints that come and go at run time, on the control thread: a change is written, put in force, and acknowledged.

use tokio::sync::oneshot;

use super::Control;
use super::routes::Owed;
use crate::admin::registry::{NoChange, Place, Wish};

/// A change of a named upstream, and where to say what came of it.
#[derive(Debug)]
pub struct Asked {
    /// The upstream's name, and the address as written.
    pub at: Place,
    /// What becomes of it.
    pub wish: Wish,
    /// Whether to wait until the disk has it.
    pub sync: bool,
    /// Only say whether it could be.
    pub dry_run: bool,
    /// Where to say that it is in force, or why not.
    pub reply: Reply,
}

/// Where to answer.
pub type Reply = oneshot::Sender<Result<(), NoChange>>;

impl Control {
    /// Adds an endpoint to an upstream, or takes one out.
    pub(super) async fn change_member(&mut self, asked: Asked) {
        let result = self.admit(&asked.at, asked.wish, asked.dry_run).await;
        match result {
            Ok(()) if asked.sync && !asked.dry_run => self.routes.owe(Owed::Member(asked.reply)),
            other => drop(asked.reply.send(other)),
        }
        self.sync();
        self.compact();
    }

    async fn admit(&mut self, at: &Place, wish: Wish, dry_run: bool) -> Result<(), NoChange> {
        let current = self.process.generation.load_full();
        let scope = self.routes.registry.scope();
        let (config, kept) = self.routes.registry.members().plan(&current.config, &scope, at, wish)?;
        if dry_run {
            return Ok(());
        }
        let unwritten = |error: std::io::Error| NoChange::Unwritten(error.to_string());
        let before = self.routes.keep_member(at, kept).map_err(unwritten)?;
        if let Err(words) = self.put_in_force(config, &scope, &current).await {
            if let Err(error) = self.routes.keep_member(at, before) {
                tracing::error!(%error, endpoint = at.1, "a change that is not in force can't be taken out of the journal");
            }
            return Err(NoChange::Invalid(words));
        }
        tracing::info!(upstream = at.0, endpoint = at.1, change = ?wish, "an upstream was changed at run time");
        Ok(())
    }
}
