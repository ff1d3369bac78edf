//! Whole messages off the wire: heads, bodies in each framing, trailers. Strict, as a careful peer reads them.

use super::Wire;
use crate::harness::message::{Length, Message, parse_field};
use std::time::Instant;

impl Wire {
    /// Reads one whole response to a `method` request: interim ones too.
    #[track_caller]
    pub(crate) fn response_to(&mut self, method: &str) -> Message {
        let mut message = Message::parse_head(&self.until("\r\n\r\n"));
        let length = message.response_length(method);
        if self.body(&mut message, length).is_none() {
            self.fail_at_end(&format!("the end of {message:#?}"));
        }
        message
    }

    /// Reads one whole response to a GET.
    #[track_caller]
    pub(crate) fn response(&mut self) -> Message {
        self.response_to("GET")
    }

    /// Reads a head alone and leaves the body on the wire.
    #[track_caller]
    pub(crate) fn head(&mut self) -> Message {
        Message::parse_head(&self.until("\r\n\r\n"))
    }

    /// Reads one whole request; `None` where the connection ends before or within it.
    #[track_caller]
    pub(crate) fn request(&mut self) -> Option<Message> {
        let mut message = self.request_head()?;
        let length = message.request_length();
        self.body(&mut message, length)?;
        if let Some(record) = &self.record {
            record.finished(&message);
        }
        Some(message)
    }

    /// Reads the head of a request and leaves its body on the wire.
    #[track_caller]
    pub(crate) fn request_head(&mut self) -> Option<Message> {
        // An origin waits for as long as the test lasts: how soon something comes is for the client's side to say.
        let deadline = Instant::now() + 8 * self.patience;
        while self.held.is_empty() {
            if !self.fill(deadline) {
                return None;
            }
        }
        let message = Message::parse_head(&self.until_or_end(b"\r\n\r\n")?);
        if let Some(record) = &self.record {
            record.began(&message);
        }
        Some(message)
    }

    /// Reads one chunk of a chunked body; empty for the last, whose trailer section is left on the wire.
    #[track_caller]
    pub(crate) fn chunk(&mut self) -> Vec<u8> {
        self.chunk_or_end().unwrap_or_else(|| self.fail_at_end("a whole chunk"))
    }

    #[track_caller]
    fn chunk_or_end(&mut self) -> Option<Vec<u8>> {
        let line = self.until_or_end(b"\r\n")?;
        let digits = String::from_utf8_lossy(&line[..line.len() - 2]).into_owned();
        assert!(digits.bytes().all(|b| b.is_ascii_hexdigit()), "chunk size {digits:?}");
        let size = usize::from_str_radix(&digits, 16).unwrap_or_else(|_| panic!("chunk size {digits:?}"));
        if size == 0 {
            return Some(Vec::new());
        }
        let mut data = self.exactly_or_end(size + 2)?;
        assert_eq!(data.split_off(size), b"\r\n", "a chunk is longer than its size");
        Some(data)
    }

    /// Reads a body into the message; `None` where the connection ends before the body does.
    #[track_caller]
    fn body(&mut self, message: &mut Message, length: Length) -> Option<()> {
        match length {
            Length::Bytes(n) => {
                message.body = self.exactly_or_end(n)?;
                message.raw_body.clone_from(&message.body);
            }
            Length::Close => {
                message.body = self.rest();
                message.raw_body.clone_from(&message.body);
                message.until_close = true;
            }
            Length::Chunked => loop {
                let chunk = self.chunk_or_end()?;
                message.raw_body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                message.raw_body.extend_from_slice(&chunk);
                if chunk.is_empty() {
                    message.trailers = self.trailers()?;
                    break;
                }
                message.raw_body.extend_from_slice(b"\r\n");
                message.body.extend_from_slice(&chunk);
            },
        }
        Some(())
    }

    #[track_caller]
    fn trailers(&mut self) -> Option<Vec<(String, String)>> {
        let mut trailers = Vec::new();
        loop {
            let line = self.until_or_end(b"\r\n")?;
            if line == b"\r\n" {
                return Some(trailers);
            }
            trailers.push(parse_field(&String::from_utf8_lossy(&line[..line.len() - 2])));
        }
    }
}
