//! `switchboard purge`: throws away what the cache keeps.

use serde_json::json;

use super::print;
use super::which::Which;

/// What to throw away.
#[derive(Debug, clap::Args)]
#[group(id = "what", required = true, multiple = false)]
pub(crate) struct Options {
    /// The URL that clients ask for, with its scheme
    #[arg(value_name = "URL", group = "what")]
    url: Option<String>,
    /// All URLs that begin so
    #[arg(long, value_name = "URL", group = "what")]
    prefix: Option<String>,
    /// All answers to which their origin gave this tag (Surrogate-Key, Cache-Tag)
    #[arg(long, value_name = "TAG", group = "what")]
    tag: Option<String>,
    /// Everything
    #[arg(long, group = "what")]
    all: bool,
    #[command(flatten)]
    which: Which,
}

/// Asks the proxy for it.
pub(crate) fn purge(options: &Options) -> Result<u8, String> {
    let asked = match (&options.url, &options.prefix, &options.tag) {
        (Some(url), _, _) => json!({ "url": url }),
        (None, Some(prefix), _) => json!({ "prefix": prefix }),
        (None, None, Some(tag)) => json!({ "tag": tag }),
        (None, None, None) => json!({ "all": options.all }),
    };
    let answer = options.which.ask("POST", "/v1/cache/purge", Some(&asked.to_string()))?;
    if answer.status != 200 {
        answer.refusal().iter().for_each(|line| eprintln!("{line}"));
        return Ok(1);
    }
    let purged = answer.json()["purged"].as_u64().unwrap_or(0);
    print(&match purged {
        1 => "1 URL is no longer kept\n".to_owned(),
        many => format!("{many} URLs are no longer kept\n"),
    });
    Ok(0)
}
