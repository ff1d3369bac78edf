//! Reads what is said of WebSockets: limits of a rule, and the codes that they are closed with.

use super::Walk;
use crate::config::text::Node;
use crate::config::value::{amount, fault};
use crate::websocket::frame::is_sendable;

/// Reads the code of a Close.
pub(super) fn close_code(walk: &mut Walk<'_>, node: &Node) -> Option<u16> {
    const WHAT: &str = "a code that a Close may have";
    walk.value(node, WHAT, |text| match amount::count(text, 1000, 4999).map(u16::try_from) {
        Ok(Ok(code)) if is_sendable(code) => Ok(code),
        Ok(_) | Err(_) => {
            fault(WHAT, "such as 1000, 1001, 1012 (service restart), 1013 (try again later), 3000 to 4999")
        }
    })
}
