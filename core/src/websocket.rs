//! The WebSocket handshake, as bytes.
