//! The examples of RFC 7541 Appendix C, what may not be decoded, and what is encoded read back.

use super::*;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hexadecimal"))
        .collect()
}

fn texts(block: &Block) -> String {
    let text = |span: crate::message::Span| String::from_utf8_lossy(span.of(&block.bytes)).into_owned();
    block.pieces.iter().map(|piece| format!("{}: {}\n", text(piece.name), text(piece.value))).collect()
}

#[track_caller]
fn decoded(decoder: &mut Decoder, bytes: &str) -> String {
    let mut block = Block::default();
    decoder.decode(&hex(bytes), &mut block).expect("it can be decoded");
    assert!(!block.is_cut);
    texts(&block)
}

const REQUESTS: [&str; 3] = [
    ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\n",
    ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\ncache-control: no-cache\n",
    ":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\ncustom-key: custom-value\n",
];

#[test]
fn requests_of_appendix_c_3_and_c_4() {
    let plain = [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ];
    let coded = [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ];
    for blocks in [plain, coded] {
        let mut decoder = Decoder::new(4096);
        for (block, expect) in blocks.iter().zip(REQUESTS) {
            assert_eq!(decoded(&mut decoder, block), expect);
        }
    }
}

#[test]
fn answers_of_appendix_c_6_with_a_table_of_256_bytes() {
    let mut decoder = Decoder::new(4096);
    // The size that the example assumes.
    decoder.decode(&[0x3f, 0xe1, 0x01], &mut Block::default()).expect("an update by itself");
    let first = "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad \
                 1718 63c7 8f0b 97c8 e9ae 82ae 43d3";
    let text = decoded(&mut decoder, first);
    assert!(text.starts_with(":status: 302\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\n"), "{text}");
    let text = decoded(&mut decoder, "4883 640e ffc1 c0bf");
    assert!(text.starts_with(":status: 307\ncache-control: private\n"), "{text}");
    let third = "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 \
                 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07";
    let text = decoded(&mut decoder, third);
    assert!(
        text.contains("content-encoding: gzip\nset-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600"),
        "{text}"
    );
}

#[test]
fn what_can_not_be_decoded() {
    for bytes in [
        "80",                 // index 0
        "be",                 // an index of an empty table
        "ff21",               // far beyond
        "7f21 0178",          // a name that is not there
        "8220",               // an update behind a field
        "3fe21f",             // larger than offered
        "00 05 61",           // a string that is cut
        "00",                 // nothing behind it
        "7f ffffffffff7f",    // an integer without end
        "00 0178 82ffff",     // padding of more than seven bits
        "00 0178 8118",       // padding of zeros
        "00 0178 84ffffffff", // the end within
    ] {
        let result = Decoder::new(4096).decode(&hex(bytes), &mut Block::default());
        assert_eq!(result, Err(Undecodable), "{bytes}");
    }
}

#[test]
fn every_byte_survives_and_tables_stay_bounded() {
    let mut decoder = Decoder::new(1 << 20);
    let all: Vec<u8> = (0..=255).collect();
    for round in 0..200_usize {
        let mut out = Vec::new();
        put_field(&mut out, format!("X-Name-{round}").as_bytes(), &all);
        put_field(&mut out, b"Content-Type", &all[..round]);
        let mut block = Block::default();
        decoder.decode(&out, &mut block).expect("our own");
        let read: Vec<_> = block.pieces.iter().map(|p| (p.name.of(&block.bytes), p.value.of(&block.bytes))).collect();
        let name = format!("x-name-{round}").into_bytes();
        assert_eq!(read, [(name.as_slice(), all.as_slice()), (b"content-type", &all[..round])]);
        // And one that goes into the table, and is found there.
        let mut keep = vec![0x40, 1, b'n', u8::try_from(round % 100).expect("small")];
        keep.extend(std::iter::repeat_n(b'v', round % 100));
        keep.push(0xbe);
        decoder.decode(&keep, &mut block).expect("our own");
        let [first, second] = *block.pieces else { panic!("two") };
        assert_eq!(first.value.of(&block.bytes), second.value.of(&block.bytes));
    }
}

#[test]
fn case_152_what_is_beyond_the_limit_is_counted_and_not_kept() {
    let mut block = Block::default();
    let mut bomb = [vec![0x40, 1, b'x', 0x7f, 0x81, 0x1d], vec![b'v'; 3840]].concat();
    bomb.extend([0xbe; 4000]);
    Decoder::new(32 * 1024).decode(&bomb, &mut block).expect("it is well-formed");
    assert!(block.is_cut && block.bytes.len() <= 32 * 1024, "{}", block.bytes.len());
    assert!(block.size() > 4000 * 3840);
}
