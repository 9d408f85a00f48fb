//! What reading a room file takes besides its text. Pure.

use std::collections::BTreeSet;

use crate::files::defaults::Defaults;
use crate::model::policy::{Ask, NOBODY};
use crate::model::{Globs, NameRule, Variables};

#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub names: NameRule,
    /// Now, in Unix seconds.
    pub now: i64,
    /// The variables that secret attributes may refer to.
    pub variables: Variables<'a>,
    /// Whether it is for the sandbox, where secrets whose variables are not set are made up.
    pub sandbox: bool,
    pub defaults: &'a Defaults,
    /// The rooms that are the repository's. `None`: all.
    pub owns: Option<&'a Globs>,
    /// The rooms that the repository leaves unmanaged. `None`: none.
    pub unmanaged: Option<&'a BTreeSet<String>>,
    /// What the repository demands of its rooms beyond the rules of the service.
    pub policies: Policies<'a>,
}

/// Who is asked about rooms, and how many there are to share the work.
#[derive(Clone, Copy)]
pub(crate) struct Policies<'a> {
    pub ask: &'a dyn Ask,
    pub rooms: usize,
}

impl Policies<'_> {
    pub(crate) const NONE: Self = Self {
        ask: NOBODY,
        rooms: 0,
    };
}
