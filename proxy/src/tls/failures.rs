//! Why handshakes with clients fail, as metrics tell it: a fixed list, so that nobody outside makes it longer.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls::{AlertDescription, Error, PeerIncompatible};

/// All causes. What a client says by an alert (RFC 8446 §6.2) begins with `client_`.
const CAUSES: [&str; 17] = [
    "timeout",
    "closed",
    "unknown_name",
    "no_client_certificate",
    "bad_client_certificate",
    "nothing_in_common",
    "no_common_protocol",
    "malformed",
    "client_bad_certificate",
    "client_certificate_expired",
    "client_certificate_unknown",
    "client_unknown_ca",
    "client_handshake_failure",
    "client_protocol_version",
    "client_cancelled",
    "client_other",
    "other",
];

/// Handshakes that failed, by cause. All workers add: a handshake costs a thousand times as much.
#[derive(Debug, Default)]
pub struct Failures([AtomicU64; CAUSES.len()]);

impl Failures {
    /// Counts one.
    pub fn add(&self, error: &io::Error) {
        let at = CAUSES.iter().position(|known| *known == cause(error)).unwrap_or(CAUSES.len() - 1);
        if let Some(count) = self.0.get(at) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Each cause, and how many there were.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, u64)> {
        CAUSES.into_iter().zip(&self.0).map(|(cause, count)| (cause, count.load(Ordering::Relaxed)))
    }
}

fn cause(error: &io::Error) -> &'static str {
    if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        return of_tls(error);
    }
    match error.kind() {
        io::ErrorKind::TimedOut => "timeout",
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => "closed",
        io::ErrorKind::NotFound => "unknown_name",
        io::ErrorKind::InvalidData => "malformed",
        _ => "other",
    }
}

fn of_tls(error: &Error) -> &'static str {
    match error {
        Error::AlertReceived(alert) => of_alert(*alert),
        Error::NoCertificatesPresented
        | Error::PeerIncompatible(PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon) => {
            "no_client_certificate"
        }
        Error::InvalidCertificate(_) | Error::InvalidCertRevocationList(_) => "bad_client_certificate",
        Error::PeerIncompatible(_) => "nothing_in_common",
        Error::NoApplicationProtocol => "no_common_protocol",
        Error::InvalidMessage(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::PeerMisbehaved(_)
        | Error::DecryptError
        | Error::PeerSentOversizedRecord => "malformed",
        _ => "other",
    }
}

fn of_alert(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::BadCertificate => "client_bad_certificate",
        AlertDescription::CertificateExpired => "client_certificate_expired",
        AlertDescription::CertificateUnknown => "client_certificate_unknown",
        AlertDescription::UnknownCA => "client_unknown_ca",
        AlertDescription::HandshakeFailure => "client_handshake_failure",
        AlertDescription::ProtocolVersion => "client_protocol_version",
        AlertDescription::UserCanceled | AlertDescription::CloseNotify => "client_cancelled",
        _ => "client_other",
    }
}

#[cfg(test)]
mod tests {
    use super::{CAUSES, Failures};
    use rustls::{AlertDescription, Error};
    use std::io;

    #[test]
    fn each_cause_is_counted_as_itself() {
        let check = |error: io::Error, cause: &str| {
            let failures = Failures::default();
            failures.add(&error);
            let counted: Vec<_> = failures.each().filter(|(_, count)| *count == 1).collect();
            assert_eq!(counted, [(cause, 1)], "{error}");
            assert!(CAUSES.contains(&cause));
        };
        let tls = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        check(io::ErrorKind::TimedOut.into(), "timeout");
        check(io::ErrorKind::UnexpectedEof.into(), "closed");
        check(io::ErrorKind::InvalidData.into(), "malformed");
        check(io::Error::other("it was the validation of a certificate"), "other");
        check(tls(Error::AlertReceived(AlertDescription::UnknownCA)), "client_unknown_ca");
        check(tls(Error::AlertReceived(AlertDescription::DecodeError)), "client_other");
        check(tls(Error::NoCertificatesPresented), "no_client_certificate");
        check(tls(Error::NoApplicationProtocol), "no_common_protocol");
    }
}
