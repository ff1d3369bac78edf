//! No spelling of a path leads out of the directory: 10,000 of them from the request's target to the opened file.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use switchboard_core::content::path;
use switchboard_core::message::Version;
use switchboard_core::target::Destination;

use super::held::Held;
use super::open::{self, Fault, How};

const SECRET: &[u8] = b"nobody may read this";

struct Tree(PathBuf);

impl Tree {
    /// A directory `site` with files, and links of every kind, beside a secret.
    fn new(name: &str) -> Self {
        let base = std::env::temp_dir().join(format!("sb-files-{}-{name}", std::process::id()));
        let site = base.join("site");
        fs::create_dir_all(site.join("docs/deep")).expect("a directory");
        fs::write(base.join("secret"), SECRET).expect("a file");
        fs::write(site.join("docs/a.txt"), b"a").expect("a file");
        fs::write(site.join(".hidden"), SECRET).expect("a file");
        for (to, at) in [
            ("../secret", "relative"),
            ("..", "up"),
            ("docs/../../secret", "roundabout"),
            ("/proc/self/root/etc/passwd", "magic"),
            ("docs/a.txt", "inside"),
            ("deep", "docs/link"),
            ("loop", "loop"),
        ] {
            symlink(to, site.join(at)).expect("a link");
        }
        symlink(base.join("secret"), site.join("absolute")).expect("a link");
        Self(base)
    }

    fn site(&self) -> PathBuf {
        self.0.join("site")
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a target leads to, opened by the kernel's rules and segment by segment.
fn bytes_of(site: &Path, target: &[u8]) -> Vec<Vec<u8>> {
    let Ok(destination) = Destination::parse(b"GET", target, [b"h".as_slice()], Version::Http11) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for path in [Some(destination.path()), destination.decoded_path()].into_iter().flatten() {
        let Ok(wanted) = path::wanted(path, 0) else { continue };
        assert!(!wanted.path.split(|byte| *byte == b'/').any(|segment| segment == b".."), "{}", target.escape_ascii());
        let root = open::root(site, How::Patient).expect("the directory");
        for opened in [open::beneath(&root, &wanted.path, How::Patient), open::by_segments(&root, &wanted.path)] {
            let Ok(file) = opened else { continue };
            let mut bytes = Vec::new();
            let _ = std::io::Read::read_to_end(&mut fs::File::from(file), &mut bytes);
            found.push(bytes);
        }
    }
    found
}

#[test]
fn ten_thousand_spellings_stay_below_the_directory() {
    const PIECES: &[&str] = &[
        "/",
        "//",
        "..",
        "%2e%2e",
        "%2E.",
        ".",
        "%2f",
        "%5c",
        "\\",
        "%00",
        "..;",
        ";x",
        "..%2f",
        "%252e%252e",
        "%c0%ae",
        "secret",
        "docs",
        "a.txt",
        "relative",
        "up",
        "roundabout",
        "absolute",
        "magic",
        "inside",
        "link",
        "deep",
        ".hidden",
        "%2ehidden",
        "C:",
        "c$",
        "::$DATA",
        "con",
        "aux.txt",
        "?",
        "%3f",
        "#",
        "~",
        "docs/",
        "up/",
        "a%2etxt",
        "%ff",
        "loop",
    ];
    let tree = Tree::new("fuzz");
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = move |most: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % most as u64).unwrap_or(0)
    };
    let mut reached = 0;
    for _ in 0..10_000 {
        let mut target = String::from("/");
        for _ in 0..=next(8) {
            target.push_str(PIECES.get(next(PIECES.len())).copied().unwrap_or_default());
            if next(3) == 0 {
                target.push('/');
            }
        }
        for bytes in bytes_of(&tree.site(), target.as_bytes()) {
            assert!(bytes.is_empty() || bytes == b"a", "{target} leads to {}", bytes.escape_ascii());
            reached += usize::from(bytes == b"a");
        }
    }
    assert!(reached > 20, "only {reached} of them lead anywhere: the test would see nothing");
}

#[test]
fn links_are_followed_within_and_refused_without() {
    let tree = Tree::new("links");
    let root = open::root(&tree.site(), How::Patient).expect("the directory");
    let load = |name: &str| Held::load(&root, name.as_bytes(), How::Patient).map(|held| held.size);
    assert_eq!(load("docs/a.txt"), Ok(1));
    assert_eq!(load("inside"), Ok(1));
    for name in ["relative", "absolute", "roundabout", "up/secret", "magic", "loop"] {
        assert_eq!(load(name), Err(Fault::Outside), "{name}");
    }
    assert_eq!(load("docs/link"), Err(Fault::Directory));
    assert_eq!(load("docs/b.txt"), Err(Fault::Missing));
    assert_eq!(load("docs/a.txt/b"), Err(Fault::Missing));
}

#[test]
fn what_is_at_hand_is_read_on_the_loop_and_a_pipe_is_no_file() {
    let tree = Tree::new("quick");
    let site = tree.site();
    let root = open::root(&site, How::Patient).expect("the directory");
    assert!(Held::load(&root, b"docs/a.txt", How::Patient).is_ok());
    // It was looked at just now, so the kernel has it; where it can't tell it says that it would wait.
    let quick = Held::load(&root, b"docs/a.txt", How::Quick).map(|held| held.size);
    assert!(matches!(quick, Ok(1) | Err(Fault::WouldBlock)), "{quick:?}");
    let pipe = rustix::fs::mkfifoat(rustix::fs::CWD, site.join("pipe"), 0o600.into());
    assert!(pipe.is_ok());
    assert_eq!(Held::load(&root, b"pipe", How::Patient).map(|held| held.size), Err(Fault::Missing));
}

#[test]
fn a_tag_goes_with_the_bytes() {
    let tree = Tree::new("tags");
    let file = tree.site().join("docs/a.txt");
    let load = || {
        let root = open::root(&tree.site(), How::Patient).expect("the directory");
        Held::load(&root, b"docs/a.txt", How::Patient).expect("the file")
    };
    let first = load();
    assert!(first.is(&load()), "unchanged");
    fs::write(&file, b"another").expect("a file");
    let second = load();
    assert!(!first.is(&second));
    assert_ne!(first.etag, second.etag);
    assert_eq!(second.content().map(|bytes| bytes.to_vec()), Some(b"another".to_vec()));
}
