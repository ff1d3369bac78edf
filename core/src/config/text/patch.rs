//! Quotes put where they were missing, so that one slip does not hide every later error.
//!
//! `text` reads the patched copy again; places are turned back into those of the file, so nobody sees the patches.

use super::{Mark, Node, Value};
use std::borrow::Cow;

/// Bytes of the text, and what to read in their stead. Both lie on one line.
#[derive(Debug)]
pub(super) struct Patch {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) with: String,
}

/// A patch that was made, in the columns that held before it.
#[derive(Debug)]
struct Shift {
    line: u32,
    column: u32,
    old: u32,
    new: u32,
}

/// A text and its patches, in the order in which they were made.
#[derive(Debug)]
pub(super) struct Patches<'t> {
    text: Cow<'t, str>,
    shifts: Vec<Shift>,
    /// Where the last patch ends, in bytes.
    end: usize,
}

impl<'t> Patches<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text: Cow::Borrowed(text), shifts: Vec::new(), end: 0 }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Makes a patch whose first byte is at `mark`. Tells whether it could be made.
    pub(super) fn apply(&mut self, patch: Patch, mark: Mark) -> bool {
        let Some(gone) = self.text.get(patch.start..patch.end) else { return false };
        // Only behind the last one: quotes within quotes mend nothing, and double the text with every pass.
        if patch.start < self.end || gone.is_empty() || gone == patch.with || gone.contains(['\n', '\r']) {
            return false;
        }
        let length = |text: &str| u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        self.shifts.push(Shift { line: mark.line, column: mark.column, old: length(gone), new: length(&patch.with) });
        self.text.to_mut().replace_range(patch.start..patch.end, &patch.with);
        self.end = patch.start + patch.with.len();
        true
    }

    /// Turns a place in the patched text into the one in the file.
    pub(super) fn original(&self, mut mark: Mark) -> Mark {
        for shift in self.shifts.iter().rev().filter(|shift| shift.line == mark.line) {
            if mark.column >= shift.column.saturating_add(shift.new) {
                mark.column = mark.column.saturating_sub(shift.new).saturating_add(shift.old);
            } else if mark.column == shift.column && mark.width == shift.new {
                mark.width = shift.old;
            } else if mark.column > shift.column {
                // Inside the patch: somewhere in the quoted text, one behind the quote.
                mark.column -= 1;
            }
        }
        mark
    }

    /// Turns every place of a tree into the one in the file.
    pub(super) fn restore(&self, node: &mut Node) {
        if self.shifts.is_empty() {
            return;
        }
        node.at = self.original(node.at);
        match &mut node.value {
            Value::Scalar(_) => {}
            Value::List(items) => items.iter_mut().for_each(|item| self.restore(item)),
            Value::Map(map) => map.entries.iter_mut().for_each(|entry| {
                entry.key_at = self.original(entry.key_at);
                self.restore(&mut entry.value);
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_do_not_nest() {
        let mut patches = Patches::new("a: *b");
        let mark = Mark { file: 0, line: 1, column: 4, width: 2 };
        assert!(patches.apply(Patch { start: 3, end: 5, with: "\"*b\"".to_owned() }, mark));
        assert!(!patches.apply(Patch { start: 3, end: 7, with: "'\"*b\"'".to_owned() }, mark));
        assert!(!patches.apply(Patch { start: 4, end: 6, with: "\"*b\"".to_owned() }, mark));
        assert_eq!(patches.text(), "a: \"*b\"");
        // A text on which the parser gives up at the same place whatever is mended there.
        assert!(super::super::parse("    - \n     *6,", 0).errors.len() < 5);
    }
}
