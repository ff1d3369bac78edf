//! Attacks, what only looks a little like them, and a judge that must survive both.

use super::*;
use std::time::{Duration, Instant};

const ALL: Detect = Detect { sqli: Some(Verdict::Block), xss: Some(Verdict::Block) };

#[test]
fn attacks_and_what_only_looks_a_little_like_them() {
    let found = |query: &str| {
        let mut found = Found::default();
        target(b"/p", Some(query.as_bytes()), &mut |text| look(ALL, text, &mut found));
        (found.sqli, found.xss)
    };
    for query in ["id=1'+OR+'1'='1", "id=1%27%20union%20select%201,2--", "id=1%2527%20OR%201%253D1--"] {
        assert_eq!(found(query), (true, false), "{query}");
    }
    for query in
        ["q=<script>alert(1)</script>", "q=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E", "q=%253Csvg/onload=x%253E"]
    {
        assert!(found(query).1, "{query}");
    }
    // One word is shown to nobody: it is none.
    for word in ["select", "union", "onload", "javascript", "script", "0x41", "1e5", "NULL", "sleep", "admin_1", "true"]
    {
        let mut found = Found::default();
        assert!(!look(ALL, word.as_bytes(), &mut found) && found == Found::default(), "{word}");
    }
    for query in
        ["q=O'Reilly", "q=a+<b>+c+1+<+2&name=Select+your+seat", "next=/a/b?c=d", "q=rock+'n'+roll", "d=2026-11-21"]
    {
        assert!(!found(query).0, "{query}");
    }
}

/// The judge is another's code: it may neither panic nor hang, whatever it is shown. Longer runs: `DETECT_SECONDS`.
#[test]
fn the_judge_survives_what_it_is_shown() {
    let seconds = std::env::var("DETECT_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let seeds: [&[u8]; 12] = [
        b"1' or '1'='1' -- ",
        b"<script>",
        b"union select",
        b"/*!50000 select*/",
        b"0x41 and",
        b"\"`@@x`\"",
        b"$tag$ $tag$",
        b"<a href=java&#115;cript:x>",
        b"<!--[if]>",
        b"&#x;&#99999999999;",
        b"q'[x]'",
        b"{``.``}",
    ];
    let began = Instant::now();
    let (mut state, mut slowest, mut texts) = (0x9E37_79B9_7F4A_7C15_u64, Duration::ZERO, 0_u64);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap_or(0)
    };
    while began.elapsed() < Duration::from_secs(seconds) {
        let mut text = Vec::new();
        for _ in 0..next() % 8 {
            text.extend_from_slice(seeds[next() % seeds.len()]);
            let byte = u8::try_from(next() % 256).unwrap_or(0);
            text.extend(std::iter::repeat_n(byte, next() % 4));
        }
        if next() % 512 == 0 {
            text = text.iter().copied().cycle().take(16 * 1024.min(text.len() * 9999)).collect();
        }
        for _ in 0..next() % 4 {
            let at = next() % text.len().max(1);
            let byte = u8::try_from(next() % 256).unwrap_or(0);
            text.get_mut(at).into_iter().for_each(|place| *place = byte);
        }
        let started = Instant::now();
        let judged = catch_unwind(|| {
            let _ =
                (libinjectionrs::detect_sqli(&text).is_injection(), libinjectionrs::detect_xss(&text).is_injection());
        });
        assert!(judged.is_ok(), "it panicked at {:?}", String::from_utf8_lossy(&text));
        slowest = slowest.max(started.elapsed());
        texts += 1;
    }
    eprintln!("{texts} texts, the slowest {slowest:?}");
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
}

/// What programs send in bodies that say nothing of what they are.
#[test]
fn bodies_of_programs_are_no_attacks() {
    for text in [
        r#"{"csp-report":{"document-uri":"https://a.test/x?y=1","violated-directive":"script-src 'self'","original-policy":"default-src 'none'; script-src 'self' https://b.test; report-uri /r"}}"#,
        r#"[{"type":"log","time":"2026-11-22T07:31:11Z","level":"info","message":"user 12 signed in (ok), 3 left"}]"#,
        "TG9yZW0gaXBzdW0gZG9sb3Igc2l0IGFtZXQsIGNvbnNlY3RldHVyIGFkaXBpc2Npbmcg/ZWxpdCwgc2Vk+ZG8gZWl1c21vZA==",
        "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUQ+x/9k1Zp0K6\n-----END CERTIFICATE-----\n",
        "id,name,price\n1,\"Smith, John\",12.50\n2,O'Neil,13.00\n",
        "cpu,host=a usage=0.64 1434055562000000000\nmem,host=a free=12i 1434055562000000000\n",
        "key: value\nlist:\n  - one\n  - two # three\n",
        "PK\u{3}\u{4}<script>alert(1)</script>",
    ] {
        let (found, _) = of_body(ALL, BodyKind::Unknown, &[text.as_bytes().to_vec()]);
        assert_eq!(found, Found::default(), "{text}");
    }
    let (found, _) = of_body(ALL, BodyKind::Unknown, &[br#"{"a": "1' or '1'='1"}"#.to_vec()]);
    assert!(found.sqli);
}
