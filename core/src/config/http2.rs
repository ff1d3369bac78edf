//! What `http2:` says: bounds of HTTP/2 connections, either way.

/// Bounds of HTTP/2 connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http2 {
    /// Streams that a client may have open at once on one connection.
    pub streams: u32,
    /// Bytes of a body that may be on their way on one stream before we have taken them.
    pub stream_window: u32,
    /// The same for all streams of a connection together.
    pub connection_window: u32,
    /// Streams that may be reset within 10 s, by either side, before the connection is closed.
    pub resets: u32,
}

impl Default for Http2 {
    fn default() -> Self {
        Self { streams: 100, stream_window: 64 << 10, connection_window: 1 << 20, resets: 200 }
    }
}
