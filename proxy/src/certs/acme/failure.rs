//! Why an order failed, in one line: the challenge, the cause, what to check.

use instant_acme::{Error, Problem};
use switchboard_core::certificate::Cause;
use switchboard_core::config::Challenge;

/// Why there is no certificate.
#[derive(Clone, Debug)]
pub struct Failure {
    /// For how soon to try again.
    pub cause: Cause,
    /// In words, without the name: the log and the admin plane put it in front.
    pub words: String,
    /// It was this challenge's doing: the other one may fare better.
    pub(super) by_challenge: bool,
    /// The authority doesn't know our account.
    pub(super) unknown_account: bool,
}

impl Failure {
    /// Something on this machine: a store that can't be written, a root file that is missing.
    pub(super) fn ours(words: impl Into<String>) -> Self {
        Self { cause: Cause::Refused, words: words.into(), by_challenge: false, unknown_account: false }
    }

    /// The authority gave no answer in time.
    pub(super) fn too_slow(directory: &str) -> Self {
        let words = format!("{directory} did not finish the order in time; it is tried again");
        Self { cause: Cause::Unreachable, ..Self::ours(words) }
    }

    /// What the authority said, or that it said nothing.
    pub(super) fn of(error: &Error, directory: &str) -> Self {
        match error {
            Error::Api(problem) => Self::told(problem),
            Error::Timeout(_) => Self::too_slow(directory),
            // A page of a proxy in between, say.
            Error::Json(_) => {
                let words =
                    format!("{directory} gave an answer that is not ACME; check acme.directory and any proxy between");
                Self { cause: Cause::Unreachable, ..Self::ours(words) }
            }
            error => {
                let words = format!(
                    "{directory} can't be reached ({}); check this machine's way to it{}",
                    chain(error),
                    if chain(error).contains("certificate") { ", and acme.ca" } else { "" }
                );
                Self { cause: Cause::Unreachable, ..Self::ours(words) }
            }
        }
    }

    fn told(problem: &Problem) -> Self {
        let kind = kind(problem);
        let said = detail(problem);
        let cause = match kind {
            "rateLimited" => Cause::TooOften,
            "serverInternal" => Cause::Unreachable,
            _ => Cause::Refused,
        };
        let check = match kind {
            "rateLimited" => "wait; try a new setup with `directory: letsencrypt-staging`",
            "externalAccountRequired" => "set acme.eab to the `kid` and `key` that it gave you",
            "invalidContact" | "unsupportedContact" => "check acme.email",
            "rejectedIdentifier" => {
                "it issues nothing for this name: take it out of `routes`, or use another directory"
            }
            "caa" => "the CAA record of the name forbids this authority: change the record or acme.directory",
            "userActionRequired" => "its terms have changed: see what it says",
            "serverInternal" => "its own trouble: it is tried again",
            _ => "see what it says",
        };
        let words = format!("the authority refused: {said}; {check}");
        let unknown_account = kind == "accountDoesNotExist";
        Self { cause, unknown_account, ..Self::ours(words) }
    }

    /// What became of a proof.
    pub(super) fn of_challenge(challenge: Challenge, name: &str, problem: Option<&Problem>) -> Self {
        let port = match challenge {
            Challenge::TlsAlpn01 => 443,
            Challenge::Http01 => 80,
        };
        let check = match problem.map(kind) {
            Some("dns") => format!("check that {name} has an A or AAAA record"),
            Some("connection") => {
                format!("check that {name} leads to this machine and that port {port} is open from outside")
            }
            Some("caa") => "the CAA record of the name forbids this authority".to_owned(),
            _ => format!("check that {name} leads to this proxy, and that nothing in front of it answers port {port}"),
        };
        let said = problem.map_or_else(|| "no reason given".to_owned(), detail);
        let words = format!("{} failed: {said}; {check}", challenge.name());
        Self { by_challenge: true, ..Self::ours(words) }
    }

    /// The authority doesn't offer a challenge for this name.
    pub(super) fn not_offered(challenge: Challenge) -> Self {
        let words = format!("the authority offers no {} for this name; see acme.challenges", challenge.name());
        Self { by_challenge: true, ..Self::ours(words) }
    }
}

/// The last word of a problem's type (RFC 8555 §6.7).
fn kind(problem: &Problem) -> &str {
    problem.r#type.as_deref().and_then(|name| name.rsplit(':').next()).unwrap_or_default()
}

/// What the authority said, as one line of bounded length without control characters.
fn detail(problem: &Problem) -> String {
    let parts = problem.subproblems.iter().filter_map(|part| part.detail.as_deref());
    let said: Vec<&str> = problem.detail.as_deref().into_iter().chain(parts).collect();
    match said.is_empty() {
        true => kind(problem).to_owned(),
        false => line(&said.join("; ")),
    }
}

fn line(text: &str) -> String {
    text.chars().take(400).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// An error with what caused it, the outermost first, each once.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        if !words.contains(&text) {
            words = format!("{words}: {text}");
        }
        source = error.source();
    }
    line(&words)
}

#[cfg(test)]
mod tests {
    use super::Failure;
    use instant_acme::Problem;
    use switchboard_core::certificate::Cause;
    use switchboard_core::config::Challenge;

    fn problem(kind: &str, detail: &str) -> Problem {
        let kind = Some(format!("urn:ietf:params:acme:error:{kind}"));
        Problem { r#type: kind, detail: Some(detail.to_owned()), status: None, subproblems: Vec::new() }
    }

    #[test]
    fn says_what_to_check() {
        let check = |failure: Failure, cause: Cause, parts: &[&str]| {
            assert_eq!(failure.cause, cause, "{failure:?}");
            parts.iter().for_each(|part| assert!(failure.words.contains(part), "{part}: {}", failure.words));
            assert!(!failure.words.contains('\n'), "{}", failure.words);
        };
        let told = |kind: &str| Failure::of(&instant_acme::Error::Api(problem(kind, "no\nway")), "https://ca/dir");
        check(told("rateLimited"), Cause::TooOften, &["no way", "letsencrypt-staging"]);
        check(told("externalAccountRequired"), Cause::Refused, &["acme.eab"]);
        check(told("serverInternal"), Cause::Unreachable, &["tried again"]);
        assert!(told("accountDoesNotExist").unknown_account);
        let by = |kind: &str, challenge| Failure::of_challenge(challenge, "a.com", Some(&problem(kind, "refused")));
        check(by("connection", Challenge::TlsAlpn01), Cause::Refused, &["tls-alpn-01 failed", "a.com", "port 443"]);
        check(by("dns", Challenge::Http01), Cause::Refused, &["http-01 failed", "A or AAAA"]);
        check(by("unauthorized", Challenge::Http01), Cause::Refused, &["in front of it", "port 80"]);
        check(Failure::of(&instant_acme::Error::Str("x"), "https://ca/dir"), Cause::Unreachable, &["https://ca/dir"]);
    }
}
