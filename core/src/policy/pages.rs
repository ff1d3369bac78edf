//! `error_pages:` the site's own page for a status, in the form that a client takes.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::answer::Form;
use crate::config::{ErrorPage, PageForm, PageStatus};

/// The pages of a rule.
#[derive(Debug, Default)]
pub(super) struct Pages(Box<[(PageStatus, PageForm, Arc<str>)]>);

impl Pages {
    pub(super) fn compile(written: &BTreeMap<PageStatus, ErrorPage>) -> Self {
        // In the order of the key: a status of its own comes before its class.
        Self(written.iter().map(|(status, page)| (*status, page.form, Arc::clone(&page.body))).collect())
    }

    pub(super) fn find(&self, status: u16, form: Form) -> Option<&str> {
        let wanted = match form {
            Form::Html => PageForm::Html,
            Form::Json => PageForm::Json,
            Form::Text => PageForm::Text,
            Form::Grpc => return None,
        };
        let stands = |page: &&(PageStatus, PageForm, Arc<str>)| match page.0 {
            PageStatus::One(one) => one == status,
            PageStatus::Class(class) => u16::from(class) == status / 100,
        };
        self.0.iter().filter(stands).find(|page| page.1 == wanted).map(|page| &*page.2)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
