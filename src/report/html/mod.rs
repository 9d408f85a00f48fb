//! Reports as one HTML page that needs nothing else: no network, and no script to be read.
//!
//! The script only searches, filters and folds. It is allowed by its digest alone, so that nothing in a report
//! could ever run.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, context};
use sha2::{Digest, Sha256};

use super::text::printable;
use super::view::{Item, Line, View};

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

pub(crate) fn html(view: &View) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()?;
    environment.set_syntax(syntax);
    let digest = STANDARD.encode(Sha256::digest(SCRIPT.as_bytes()));
    let mut causes: Vec<&str> = view
        .items
        .iter()
        .flat_map(|item| item.causes.iter().copied())
        .collect();
    causes.sort_unstable();
    causes.dedup();
    environment.render_str(
        TEMPLATE,
        context! {
            view => Serde(plain(view)),
            causes,
            style => minijinja::Value::from_safe_string(STYLE.to_owned()),
            script => minijinja::Value::from_safe_string(SCRIPT.to_owned()),
            digest,
        },
    )
}

/// The view without anything that acts on a reader: what reorders text does so in a browser too.
fn plain(view: &View) -> View {
    let all = |texts: &[String]| texts.iter().map(|text| printable(text)).collect::<Vec<_>>();
    let some = |text: &Option<String>| text.as_deref().map(printable);
    let line = |line: &Line| Line {
        name: printable(&line.name),
        before: some(&line.before),
        after: some(&line.after),
        note: some(&line.note),
        unexplained: line.unexplained,
    };
    let item = |item: &Item| Item {
        name: printable(&item.name),
        file: some(&item.file),
        // Its own line breaks are ours.
        message: item
            .message
            .as_deref()
            .map(|text| printable(&text.replace('\n', " "))),
        lines: item.lines.iter().map(line).collect(),
        ..item.clone()
    };
    let mut plain = view.clone();
    plain.title = printable(&view.title);
    plain.warnings = all(&view.warnings);
    plain.notes = all(&view.notes);
    plain.items = view.items.iter().map(item).collect();
    for effect in &mut plain.effects {
        effect.rooms = all(&effect.rooms);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::view::Weight;

    fn page(name: &str) -> String {
        let item = Item {
            weight: Weight::Warning,
            symbol: "~",
            action: "update".into(),
            name: name.into(),
            file: Some("rooms/a.yaml".into()),
            line: Some(2),
            column: None,
            effects: vec!["recording-on"],
            causes: ["change"].into(),
            message: Some(name.into()),
            lines: vec![Line {
                name: "recordRoom".into(),
                before: None,
                after: Some(name.into()),
                note: None,
                unexplained: false,
            }],
        };
        let view = View {
            kind: "plan",
            title: format!("Plan for {name}"),
            counts: vec![("to update".into(), 1)],
            effects: Vec::new(),
            warnings: vec![name.into()],
            items: vec![item],
            notes: Vec::new(),
        };
        html(&view).unwrap()
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
            STANDARD.encode(Sha256::digest(SCRIPT.as_bytes()))
        )));
        for outside in ["http:", "https:", "src=", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
}
