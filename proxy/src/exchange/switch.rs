//! Makes a tunnel of an exchange whose upstream agreed to the upgrade, and only then: its 101 is verified first.

use switchboard_core::forwarding::{self, Framing as Outgoing, Persistence, ResponsePlan};
use switchboard_core::reason::Reason;
use switchboard_core::websocket::verify_101;

use super::admit::Admitted;
use super::answer::Upstream;
use super::record::Record;
use super::upload::Upload;
use super::{Next, bond, policy};
use crate::desk::Desk;
use crate::error::ProxyError;
use crate::http::Connection;
use crate::tunnel::Tunnel;

/// Makes a tunnel of an exchange whose upstream agreed to the upgrade.
///
/// # Errors
/// `upgrade_failed` where the 101 proves nothing; `upstream_bad_response` where nobody asked for it.
pub async fn switch_protocols(
    connection: &mut Connection,
    desk: &mut Desk,
    record: &mut Record,
    admitted: &Admitted,
    upload: &mut Upload,
    upstream: Upstream,
) -> Result<Next, ProxyError> {
    let Some(token) = admitted.upgrade.token() else {
        let detail = "The endpoint switched protocols without being asked to.";
        return Err(ProxyError::upstream(Reason::UpstreamBadResponse, detail));
    };
    if !upload.is_whole() {
        let detail = "The endpoint switched protocols before it had the whole request.";
        return Err(ProxyError::upstream(Reason::UpgradeFailed, detail));
    }
    let Desk { answer, answer_input, output, notes, .. } = &mut *desk;
    let bytes = answer_input.filled();
    verify_101(&answer.fields, bytes, &admitted.upgrade)
        .map_err(|fault| ProxyError::upstream(Reason::UpgradeFailed, fault.detail()))?;
    forwarding::examine_response(&mut answer.fields, bytes)
        .map_err(|rejected| ProxyError::upstream(rejected.reason, rejected.detail))?;
    let mut lines = policy::answer_lines(&admitted.rule, &mut answer.fields, bytes, notes);
    policy::agree(notes, &answer.fields, bytes, &mut lines);
    let plan = ResponsePlan {
        status: 101,
        phrase: answer.reason.of(bytes),
        framing: Outgoing::None,
        persistence: Persistence::Implied,
        upgrade: Some(token),
        via: record.generation.snapshot.forwarded.via.then_some(answer.version),
        request_id: None,
        lines: &lines,
    };
    output.clear();
    forwarding::write_response(output, &answer.fields, bytes, &plan);
    bond::add(output, &upstream.cookie);
    record.status = 101;
    // What the client sent ahead stands behind its head and body; the body has gone up already.
    let mut ahead = desk.input.filled().get(desk.request.len + upload.consumed..).unwrap_or_default().to_vec();
    ahead.append(&mut upload.behind);
    Ok(Next::Tunnel(Tunnel::begin(connection, desk, record, &admitted.rule, &admitted.upgrade, ahead, upstream)))
}
