//! What a search for a route tells while it goes: nothing on the data path, every candidate for `explain`.

use crate::route::{Facts, HostChoice, Mismatch, RuleId};

/// Hears what [`RouteTable::find`](crate::route::RouteTable::find) does.
pub trait Trace {
    /// The host was chosen; `None` where no route is for it.
    fn host(&mut self, choice: Option<HostChoice<'_>>);

    /// A rule was tried: `Ok` where it answers, else the first part of its condition that does not hold.
    fn tried(&mut self, rule: RuleId, result: Result<(), Mismatch<'_>>, facts: &Facts<'_>, path: &[u8]);
}

/// Hears nothing, and compiles to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTrace;

impl Trace for NoTrace {
    #[inline]
    fn host(&mut self, _: Option<HostChoice<'_>>) {}

    #[inline]
    fn tried(&mut self, _: RuleId, _: Result<(), Mismatch<'_>>, _: &Facts<'_>, _: &[u8]) {}
}

/// One candidate and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Which rule.
    pub rule: RuleId,
    /// Why it does not answer, in words; `None` for the one that does.
    pub because: Option<String>,
}

/// Everything that a search did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trail {
    /// The host pattern that was chosen, as keys write it; `None` where no route is for the host.
    pub host: Option<String>,
    /// The candidates, in the order in which they were tried.
    pub tried: Vec<Tried>,
}

impl Trace for Trail {
    fn host(&mut self, choice: Option<HostChoice<'_>>) {
        self.host = choice.map(|choice| match choice {
            HostChoice::Exact(name) => String::from_utf8_lossy(name).into_owned(),
            HostChoice::Suffix(suffix) => format!("*.{}", String::from_utf8_lossy(suffix)),
            HostChoice::Any => "*".to_owned(),
        });
    }

    fn tried(&mut self, rule: RuleId, result: Result<(), Mismatch<'_>>, facts: &Facts<'_>, path: &[u8]) {
        self.tried.push(Tried { rule, because: result.err().map(|mismatch| mismatch.words(facts, path)) });
    }
}
