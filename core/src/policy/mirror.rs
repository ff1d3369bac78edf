//! `mirror`: which requests are copied, and for whom. The copy is made and sent by the exchange.

use crate::balance;
use crate::config::{self, Share};
use crate::snapshot::UpstreamId;

/// Who gets copies, and of how many requests.
#[derive(Debug)]
pub struct Mirror {
    /// Their upstream, by its name in the configuration.
    pub name: Box<str>,
    /// The same, once the snapshot has its number.
    pub upstream: Option<UpstreamId>,
    share: Share,
}

impl Mirror {
    pub(super) fn compile(written: &config::Mirror) -> Self {
        Self { name: written.upstream.as_str().into(), upstream: None, share: written.share }
    }

    /// Whether the request with this id is among those that are copied. Ids are random, so nothing is drawn here.
    #[must_use]
    pub fn wants(&self, request_id: &[u8]) -> bool {
        // Not the draw of `share` in a condition: the two would always choose the same requests.
        let draw = balance::mix(balance::hash(request_id) ^ 0x6d69_7272_6f72) % u64::from(Share::WHOLE.0);
        draw < u64::from(self.share.0)
    }

    pub(super) fn words(&self) -> String {
        format!("{}% of requests are copied to {}", f64::from(self.share.0) / 10_000.0, self.name)
    }
}
