//! When the authority would like a certificate to be renewed (ARI, RFC 9773): earlier than we would where it is about to
//! be revoked, spread out where many are due at once.

use std::time::Duration;

use instant_acme::CertificateIdentifier;

use super::super::issued::Issued;
use super::Acme;

/// A window, in seconds since 1970, and when to ask again.
#[derive(Clone, Copy, Debug)]
pub struct Suggestion {
    /// Its begin.
    pub start: u64,
    /// Its end.
    pub end: u64,
    /// How long this answer is good for.
    pub good_for: Duration,
}

/// How long an authority may take for an answer that is not needed.
const PATIENCE: Duration = Duration::from_secs(20);

impl Acme {
    /// Asks for the window of a certificate. `None` where the authority has none to suggest.
    pub async fn suggestion(&self, issued: &Issued) -> Option<Suggestion> {
        let id = CertificateIdentifier::try_from(issued.leaf()?).ok()?;
        let account = self.account().await.ok()?;
        let asked = tokio::time::timeout(PATIENCE, account.renewal_info(&id)).await;
        match asked {
            Ok(Ok((info, good_for))) => {
                let seconds = |time: i64| u64::try_from(time).unwrap_or(0);
                let window = &info.suggested_window;
                let (start, end) = (seconds(window.start.unix_timestamp()), seconds(window.end.unix_timestamp()));
                Some(Suggestion { start, end, good_for })
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "the authority suggests no time for a renewal");
                None
            }
            Err(_) => None,
        }
    }
}
