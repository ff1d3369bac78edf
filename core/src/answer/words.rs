//! What each reason says to a person: what happened, and what to look at. The table in `docs/errors.md` is made of it.
//!
//! These sentences are read by whoever made the request, who may be anybody: no names, addresses or versions in them.

use crate::reason::Reason;

/// The words of one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    /// A headline.
    pub title: &'static str,
    /// What happened, in a sentence.
    pub what: &'static str,
    /// What to look at or to do.
    pub look: &'static str,
}

/// The words of a reason.
#[must_use]
#[expect(clippy::too_many_lines, reason = "one table, one entry a reason: splitting it would hide what is missing")]
pub const fn words(reason: Reason) -> Words {
    let (title, what, look) = match reason {
        Reason::BadRequest => (
            "The request is malformed",
            "The request breaks the rules of HTTP, so it was not passed on.",
            "Look at how the client builds its request line, Host, Content-Length and Transfer-Encoding.",
        ),
        Reason::HeadTooLarge => (
            "The header fields are too large",
            "The head of the request is larger than this proxy accepts.",
            "Clear this site's cookies and try again. The limits are limits.head, limits.field and limits.fields.",
        ),
        Reason::TargetTooLong => (
            "The address is too long",
            "The path and query of the request are longer than this proxy accepts.",
            "Send long input in a body instead of the query. The limit is limits.target.",
        ),
        Reason::BodyTooLarge => (
            "The body is too large",
            "The body of the request is larger than this route accepts.",
            "Send less, or raise the route's max_body.",
        ),
        Reason::HeadTimeout => (
            "The request came too slowly",
            "The head of the request did not arrive whole in time.",
            "Look at the client's connection. The limit is timeouts.head.",
        ),
        Reason::BodyTimeout => (
            "The body came too slowly",
            "The body of the request stopped or trickled.",
            "Look at the client's connection. The limits are timeouts.body and limits.body_min_rate.",
        ),
        Reason::NoRoute => (
            "Nothing is served at this address",
            "No route of this proxy matches the host and path of the request.",
            "Check the address for a slip. On the proxy's machine, `switchboard explain URL` says which routes were \
             tried and why none matches.",
        ),
        Reason::NoFile => (
            "There is no such file",
            "The site that answers here has no file of this name.",
            "Check the address for a slip; names are case-sensitive, and files that begin with a dot are not served.",
        ),
        Reason::PreconditionFailed => (
            "The content has changed",
            "The request asks for the content only as it was before, and it is another one now.",
            "Ask again without If-Match and If-Unmodified-Since.",
        ),
        Reason::RangeNotSatisfiable => (
            "The part that was asked for does not exist",
            "No range of the request lies within the content.",
            "The Content-Range of this answer says how long the content is.",
        ),
        Reason::Misdirected => (
            "Wrong connection for this host",
            "The host of the request is not served on this connection.",
            "Open a new connection for this host; browsers do so by themselves.",
        ),
        Reason::MethodNotAllowed => (
            "This method is not allowed",
            "The method of the request is never passed on, or not on this route.",
            "Use one of the methods in the allow field. CONNECT and TRACE are always refused.",
        ),
        Reason::UnsupportedVersion => (
            "This HTTP version is not spoken here",
            "The request is written in a version of HTTP that this listener does not speak.",
            "Use HTTP/1.1.",
        ),
        Reason::Denied => {
            ("Access denied", "A rule of this route refuses the client.", "Look at allow and deny of the route.")
        }
        Reason::Uninspected => (
            "Not everything in this request can be looked at",
            "This route refuses what looks like an attack, and the request holds something that cannot be looked at for that.",
            "Send it in fewer parameters, with one Content-Type, and packed by gzip, deflate, br, zstd or not at all.",
        ),
        Reason::Unauthorized => (
            "Not signed in",
            "This route asks for an identity that the request does not prove.",
            "Sign in, or send the credentials that the route asks for.",
        ),
        Reason::RateLimited => (
            "Too many requests",
            "The client has used up its rate of requests.",
            "Wait as long as retry-after says, then try again.",
        ),
        Reason::Maintenance => (
            "Closed for maintenance",
            "This part of the site is closed while somebody works on it.",
            "Try again later. The route says maintenance: true.",
        ),
        Reason::NoEndpoint => (
            "No server is available",
            "None of the servers behind this route can be used now.",
            "Try again soon. If you run the proxy, `switchboard top` says of each endpoint what is wrong with it.",
        ),
        Reason::Overloaded => (
            "Too busy",
            "The proxy has reached a limit on its connections or memory.",
            "Try again soon. If you run the proxy, its log names the limit.",
        ),
        Reason::Draining => (
            "Shutting down",
            "The proxy is going away and takes no new requests.",
            "Try again: another one should answer.",
        ),
        Reason::ConnectRefused => (
            "The server is not running",
            "The server behind this route refused the connection, so the request did not reach it.",
            "See whether it is started, and whether it listens on the address that the route gives.",
        ),
        Reason::ConnectTimeout => (
            "The server can't be reached",
            "The server behind this route did not accept a connection in time.",
            "Look at the network and firewalls between the proxy and the server. The limit is timeouts.connect.",
        ),
        Reason::TlsFailed => (
            "No trusted connection to the server",
            "The TLS handshake with the server behind this route failed.",
            "Look at the server's certificate and at tls of the upstream.",
        ),
        Reason::UpstreamReset => (
            "The server broke off",
            "The server behind this route closed the connection before it answered.",
            "Look at the server's log: it may have crashed or been restarted while it worked on the request; or it expects \
             TLS: then write https:// in front of its address.",
        ),
        Reason::UpstreamBadResponse => (
            "The server's answer is malformed",
            "The server behind this route sent something that breaks the rules of HTTP.",
            "See whether it speaks HTTP on that port. The proxy's log says which rule was broken.",
        ),
        Reason::UpgradeFailed => (
            "The upgrade failed",
            "The server behind this route agreed to switch protocols, but without the proof that the protocol asks for.",
            "Look at the server's Upgrade, Connection and Sec-WebSocket-Accept fields.",
        ),
        Reason::ResponseTimeout => (
            "The server did not answer in time",
            "The server behind this route took the request and sent no byte of an answer in time.",
            "Look at what the server was doing. The limit is timeouts.first_byte; the route can raise it.",
        ),
        Reason::NotCached => (
            "Nothing is stored for this",
            "The request wants a stored answer alone (only-if-cached), and none can be given.",
            "Send it without only-if-cached to have the endpoint asked.",
        ),
        Reason::Loop => (
            "The request goes round in circles",
            "The route sends the request to this proxy itself, and it came back to the same route.",
            "Write the address of the server that is meant under this route; `switchboard check` says where it stands.",
        ),
        Reason::ClientGone => (
            "The client went away",
            "The client closed the connection before the answer.",
            "Nobody reads this answer; it stands in the access log only.",
        ),
        Reason::MessageTooLong => (
            "The message was too long",
            "A message of the WebSocket was longer than this route accepts.",
            "Raise websocket.max_message or max_frame of the route. What counts is the size on the wire. It stands in the access log only.",
        ),
        Reason::FrameFault => (
            "A WebSocket frame was malformed",
            "A frame of the WebSocket breaks RFC 6455, and this route is strict.",
            "Look at the side that ended_by names. It stands in the access log only.",
        ),
        Reason::TunnelIdle => (
            "The WebSocket was silent",
            "Neither side of the WebSocket sent anything for as long as this route allows.",
            "Send pings, or raise websocket.idle of the route. It stands in the access log only.",
        ),
        Reason::TunnelAge => (
            "The WebSocket was old",
            "The WebSocket was open for as long as this route allows.",
            "Connect again, or raise websocket.max_age of the route. It stands in the access log only.",
        ),
        Reason::PeerDead => (
            "A peer was gone",
            "One side of the WebSocket did not answer the proxy's ping.",
            "Look at the side that ended_by names, and at the network. It stands in the access log only.",
        ),
        Reason::SlowPeer => (
            "A peer read too slowly",
            "One side of the WebSocket did not read what the other sent, and this route does not wait.",
            "Look at the side that ended_by names, or let the route wait: websocket.on_lag. It stands in the access log only.",
        ),
        Reason::FileChanged => (
            "The file changed",
            "A file became shorter, or could not be read any further, while it was served; the answer was cut off.",
            "Write new versions beside the old one and rename them over it. It stands in the access log only.",
        ),
        Reason::Internal => (
            "The proxy failed",
            "Something went wrong inside the proxy; it is not the client's fault and not the server's.",
            "Report it with the request id: the proxy's log says more under it.",
        ),
    };
    Words { title, what, look }
}
