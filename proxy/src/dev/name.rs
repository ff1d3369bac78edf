//! What a dev server is called when nobody says: its folder and its branch.
//!
//! Read from the file system alone, so that it works without git and costs nothing. Two checkouts of one repository on
//! two branches get two names, which is what they are there for.

use std::fs;
use std::path::{Path, PathBuf};

/// The longest label of a name (RFC 1035 §2.3.4).
const LONGEST: usize = 63;

/// The host under which `name` is reached: `shop` is `shop.localhost`, and `a.localhost` stays what it is.
///
/// # Errors
/// In words, where no host can be made of it.
pub(super) fn host(name: &str) -> Result<String, String> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let bare = name.strip_suffix(".localhost").unwrap_or(&name);
    let is_label = |label: &str| {
        (1..=LONGEST).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if bare.split('.').all(is_label) {
        return Ok(format!("{bare}.localhost"));
    }
    Err(format!("`{name}` can't be a name: use letters, digits and `-`, such as `{}`", label(&name)))
}

/// The name of the directory `at`: its folder, and the branch that is checked out there, if it is in a repository.
pub(super) fn of_directory(at: &Path) -> String {
    let folder = at.file_name().map(|name| label(&name.to_string_lossy())).unwrap_or_default();
    let branch = branch(at).map(|branch| label(&branch)).unwrap_or_default();
    let both: Vec<&str> = [folder.as_str(), branch.as_str()].into_iter().filter(|part| !part.is_empty()).collect();
    let name = both.join("-");
    let name = name.get(..LONGEST.min(name.len())).unwrap_or(&name).trim_end_matches('-');
    if name.is_empty() { "app".to_owned() } else { name.to_owned() }
}

/// A text as a label: in lower case, anything else than letters and digits as single dashes.
fn label(text: &str) -> String {
    let dashed: String =
        text.chars().map(|one| if one.is_ascii_alphanumeric() { one.to_ascii_lowercase() } else { '-' }).collect();
    dashed.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

/// The branch that is checked out where `at` is; `None` outside of a repository and on a detached head.
fn branch(at: &Path) -> Option<String> {
    let git = at.ancestors().map(|directory| directory.join(".git")).find(|path| path.exists())?;
    let head = fs::read_to_string(directory_of(&git)?.join("HEAD")).ok()?;
    Some(head.trim().strip_prefix("ref: refs/heads/")?.to_owned())
}

/// Where a repository's data is: `.git` is a directory, or in a worktree a file that says where.
fn directory_of(git: &Path) -> Option<PathBuf> {
    if git.is_dir() {
        return Some(git.to_owned());
    }
    let text = fs::read_to_string(git).ok()?;
    let path = Path::new(text.trim().strip_prefix("gitdir: ")?).to_owned();
    Some(if path.is_absolute() { path } else { git.parent()?.join(path) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_hosts() {
        let check = |name: &str, expect: Option<&str>| assert_eq!(host(name).ok().as_deref(), expect, "{name}");
        check("shop", Some("shop.localhost"));
        check("Feat-Auth", Some("feat-auth.localhost"));
        check("api.shop", Some("api.shop.localhost"));
        check("shop.localhost.", Some("shop.localhost"));
        check("feat/auth", None);
        check("-a", None);
        check("a..b", None);
        check("", None);
        check(&"x".repeat(64), None);
        assert!(host("feat/auth").is_err_and(|text| text.contains("`feat-auth`")));
    }

    #[test]
    fn a_directory_is_named_by_folder_and_branch() {
        let root = std::env::temp_dir().join(format!("switchboard-name-{}", std::process::id()));
        let check = |head: Option<&str>, expect: &str| {
            let _ = fs::remove_dir_all(&root);
            let inner = root.join("Light_Fast");
            fs::create_dir_all(inner.join("src")).unwrap();
            if let Some(head) = head {
                fs::create_dir_all(inner.join(".git")).unwrap();
                fs::write(inner.join(".git/HEAD"), head).unwrap();
            }
            assert_eq!(of_directory(&inner), expect);
        };
        check(None, "light-fast");
        check(Some("ref: refs/heads/main\n"), "light-fast-main");
        check(Some("ref: refs/heads/feat/auth_2\n"), "light-fast-feat-auth-2");
        check(Some("5d1b0c7c1e0e3a54\n"), "light-fast");
        // Cut to what one label may have.
        let long = format!("ref: refs/heads/{}\n", "long-".repeat(30));
        check(Some(&long), &format!("light-fast{}-lo", "-long".repeat(10)));
        // A worktree: `.git` is a file that says where the rest is.
        let (inner, data) = (root.join("Light_Fast"), root.join("data"));
        fs::remove_dir_all(inner.join(".git")).unwrap();
        fs::create_dir_all(&data).unwrap();
        fs::write(data.join("HEAD"), "ref: refs/heads/b\n").unwrap();
        fs::write(inner.join(".git"), "gitdir: ../data\n").unwrap();
        assert_eq!(of_directory(&inner), "light-fast-b");
        assert_eq!(of_directory(&inner.join("src")), "src-b");
        fs::remove_dir_all(&root).unwrap();
    }
}
