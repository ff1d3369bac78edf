//! Frames as bytes, in one piece and byte by byte: the answers must not depend on how they came.

use super::*;

/// A frame of a client.
fn client(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [1, 2, 3, 4];
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..=125 => bytes.push(0x80 | u8::try_from(short).expect("short")),
        middle @ 126..=65535 => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(middle).expect("middle").to_be_bytes());
        }
        long => {
            bytes.push(0x80 | 127);
            bytes.extend((long as u64).to_be_bytes());
        }
    }
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

#[track_caller]
fn check(input: &[u8], expect: &[u8], flow: Flow) {
    let mut echo = Echo::new("A");
    let (mut buffer, mut out) = (input.to_vec(), Vec::new());
    assert_eq!(echo.receive(&mut buffer, &mut out), flow);
    assert_eq!(out, expect, "in one piece");
    let mut echo = Echo::new("A");
    let (mut buffer, mut out, mut last) = (Vec::new(), Vec::new(), Flow::Open);
    for byte in input {
        if last == Flow::Open {
            buffer.push(*byte);
            last = echo.receive(&mut buffer, &mut out);
        }
    }
    assert_eq!((out.as_slice(), last), (expect, flow), "byte by byte");
}

#[test]
fn messages_come_back() {
    check(&client(0x81, b"hello"), b"\x81\x08A: hello", Flow::Open);
    check(&client(0x82, b"\xff\x00"), b"\x82\x02\xff\x00", Flow::Open);
    check(&client(0x81, b""), b"\x81\x03A: ", Flow::Open);
    let two = [client(0x81, b"1"), client(0x81, b"2")].concat();
    check(&two, b"\x81\x04A: 1\x81\x04A: 2", Flow::Open);
    for length in [125_usize, 126, 65535] {
        let mut expect = vec![0x82];
        match length {
            125 => expect.push(125),
            _ => expect.extend([126, (length >> 8).to_le_bytes()[0], length.to_le_bytes()[0]]),
        }
        expect.extend(vec![7; length]);
        check(&client(0x82, &vec![7; length]), &expect, Flow::Open);
    }
}

#[test]
fn fragments_with_a_ping_between() {
    let frames = [client(0x01, b"he"), client(0x89, b"p"), client(0x00, b"l"), client(0x80, b"lo")].concat();
    check(&frames, b"\x8a\x01p\x81\x08A: hello", Flow::Open);
    check(&client(0x8A, b"unasked"), b"", Flow::Open);
}

#[test]
fn closes() {
    check(&client(0x88, b""), b"\x88\x00", Flow::Closed);
    check(&client(0x88, b"\x03\xe8bye"), b"\x88\x02\x03\xe8", Flow::Closed);
    check(&[client(0x88, b""), client(0x81, b"late")].concat(), b"\x88\x00", Flow::Closed);
}

#[test]
fn what_breaks_the_rules() {
    let refused = |input: &[u8], code: u16| {
        let [high, low] = code.to_be_bytes();
        check(input, &[0x88, 2, high, low], Flow::Closed);
    };
    refused(&[0x81, 0x05, b'h', b'e', b'l', b'l', b'o'], PROTOCOL_ERROR);
    refused(&client(0xC1, b"compressed"), PROTOCOL_ERROR);
    refused(&client(0x83, b"reserved"), PROTOCOL_ERROR);
    refused(&client(0x8B, b"reserved"), PROTOCOL_ERROR);
    refused(&client(0x09, b"a ping in parts"), PROTOCOL_ERROR);
    refused(&client(0x89, &[0; 126]), PROTOCOL_ERROR);
    refused(&client(0x80, b"nothing to go on with"), PROTOCOL_ERROR);
    refused(&[client(0x01, b"a"), client(0x81, b"b")].concat(), PROTOCOL_ERROR);
    refused(&client(0x88, b"\x03"), PROTOCOL_ERROR);
    refused(&client(0x88, b"\x03\xed"), PROTOCOL_ERROR);
    refused(&client(0x88, b"\x03\xe8\xff"), NOT_UTF8);
    refused(&client(0x81, b"\xff"), NOT_UTF8);
    refused(&[0x82, 0xFF, 0, 0, 0, 0, 0, 16, 0, 1], TOO_BIG);
    refused(&[0x82, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0], TOO_BIG);
}

#[test]
fn a_message_of_many_fragments_has_a_bound() {
    let mut echo = Echo::new("A");
    let mut out = Vec::new();
    let mut first = client(0x02, &vec![0; MOST]);
    assert_eq!(echo.receive(&mut first, &mut out), Flow::Open);
    assert_eq!(echo.receive(&mut client(0x80, b"1"), &mut out), Flow::Closed);
    assert_eq!(out, [0x88, 2, 0x03, 0xF1]);
}
