//! Reports as one HTML page that needs nothing else: no network, and no script to be read.
//!
//! The script only searches, filters and folds. It is allowed by its digest alone, so that nothing in a report
//! could ever run.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, context};
use ring::digest::{SHA256, digest};

use super::view::View;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

pub(crate) fn html(view: &View<'_>) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()?;
    environment.set_syntax(syntax);
    let digest = STANDARD.encode(digest(&SHA256, SCRIPT.as_bytes()));
    let causes: BTreeSet<&str> = view.items.iter().flat_map(|item| item.causes).collect();
    environment.render_str(
        TEMPLATE,
        context! {
            view => Serde(view),
            heading => view.heading(),
            columns => columns(view).to_vec(),
            causes => Vec::from_iter(causes),
            style => minijinja::Value::from_safe_string(STYLE.to_owned()),
            script => minijinja::Value::from_safe_string(SCRIPT.to_owned()),
            digest,
        },
    )
}

/// What stands beside the name of an attribute: what it was and will be, or who says what of it.
fn columns(view: &View<'_>) -> &'static [&'static str] {
    let mut lines = view.items.iter().flat_map(|item| item.lines);
    match lines.any(|line| line.sides.is_some()) {
        true => &["Applied", "File", "Service"],
        false => &["Before", "After"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::view::{Item, Line, Remark, Weight};

    fn page(name: &str) -> String {
        let item = Item {
            weight: Weight::Warning,
            sign: "~",
            action: "update".into(),
            name: name.into(),
            file: Some("rooms/a.yaml".into()),
            line: Some(2),
            effects: vec!["recording-on"],
            causes: ["change"].into(),
            message: Some(name.into()),
            lines: vec![Line {
                name: "recordRoom".into(),
                after: Some(name.into()),
                ..Line::default()
            }],
            ..Item::default()
        };
        let view = View {
            kind: "plan",
            title: format!("Plan for {name}"),
            counts: vec![("to update".into(), 1)],
            items: vec![item].into(),
            remarks: vec![Remark {
                weight: Weight::Error,
                label: "Guard",
                text: name.into(),
                link: None,
            }],
            ..View::default()
        };
        html(&view.printable()).unwrap()
    }

    #[test]
    fn content_is_text_and_nothing_else() {
        let plain = page("x");
        let hostile = page("</script><script>alert(1)</script><img src=x onerror=y>\"'\u{202e}");
        for mark in ["<script", "<img", "</script", "<b"] {
            let count = |text: &str| text.matches(mark).count();
            assert_eq!(count(&hostile), count(&plain), "{mark}");
        }
        assert!(!hostile.contains('\u{202e}') && hostile.contains("\\u{202e}"));
        assert!(hostile.contains("&lt;script&gt;"));
    }

    #[test]
    fn nothing_is_loaded_and_only_our_script_may_run() {
        let page = page("x");
        assert!(page.contains("default-src 'none'"));
        assert!(page.contains(&format!(
            "'sha256-{}'",
            STANDARD.encode(digest(&SHA256, SCRIPT.as_bytes()))
        )));
        for outside in ["http:", "https:", "src=", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
}
