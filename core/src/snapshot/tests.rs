//! Tests of compiling, identities, path edits and explanations.
