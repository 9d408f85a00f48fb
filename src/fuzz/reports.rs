//! What is made of reports, whoever wrote them: each form of each, and the seal of a saved plan.

use crate::disk::budget;
use crate::report::markdown::{Markdown, markdown};
use crate::report::outputs::outputs;
use crate::report::saved::SavedPlan;
use crate::report::view::{Detail, View};
use crate::report::{AnyReport, github, gitlab, html, json, junit, metrics, sarif, text};

use super::{NOW, text_of};

/// Nothing that acts on a reader: no control characters but line ends and tabs.
pub(super) fn assert_inert(form: &str, text: &str) {
    let acts = |c: &char| c.is_control() && !['\n', '\t'].contains(c);
    assert_eq!(text.chars().find(acts), None, "{form} acts on its reader");
}

/// A report in each of its forms.
pub fn report(bytes: &[u8]) {
    if budget::fits(bytes, budget::OF_DATA)
        && let Ok(report) = AnyReport::parse(bytes)
    {
        shown(&report);
    }
}

pub(super) fn shown(report: &AnyReport) {
    let mut written = Vec::new();
    report
        .write_json(&mut written)
        .expect("a report is written");
    let again = AnyReport::parse(&written).expect("what was written is read");
    let mut rewritten = Vec::new();
    again.write_json(&mut rewritten).expect("and written again");
    assert_eq!(text_of(&written), text_of(&rewritten));

    for line in outputs(report).lines() {
        let (name, _) = line.split_once('=').expect("an output has a value");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase()), "{name}");
    }
    if let AnyReport::Drift(report) = report {
        report.too_blind();
        metrics::metrics(report, Some(&text_of(&written)), NOW);
    }
    for verbose in [false, true] {
        let detail = Detail {
            now: NOW,
            verbose,
            ..Detail::default()
        };
        forms(report, detail);
    }
}

fn forms(report: &AnyReport, detail: Detail) {
    let view = || View::new(report, detail);
    let apart = || {
        let apart = true;
        View::new(report, Detail { apart, ..detail })
    };
    let file = "privacy: private\nmaxParticipants: 12\n# ä\n";
    text::text(report, &view(), detail, &|_| Some(file.to_owned())).for_each(drop);
    for max_bytes in [Some(600), Some(4_000), None] {
        let how = Markdown {
            max_bytes,
            marker: None,
        };
        if let Some(text) = markdown(&view(), how) {
            assert!(text.len() <= max_bytes.unwrap_or(usize::MAX));
            assert_inert("markdown", &text);
        }
    }
    assert_inert("html", &html::html(&view()).expect("a page"));
    assert_inert("junit", &junit::junit(&apart()));
    assert_inert("github", &github::github(apart(), detail));
    let mut tools = [Vec::new(), Vec::new()];
    gitlab::gitlab(&apart(), &mut tools[0]).expect("for gitlab");
    sarif::sarif(&apart(), &mut tools[1]).expect("for scanners");
    for text in tools {
        serde_json::from_slice::<serde::de::IgnoredAny>(&text).expect("JSON");
        assert_inert("JSON for tools", &text_of(&text));
    }
}

/// The bytes as they are, and the same with the seal that belongs to them.
pub fn plan(bytes: &[u8]) {
    if !budget::fits(bytes, budget::OF_DATA) {
        return;
    }
    let unsealed = |bytes| SavedPlan::parse(bytes).map(drop);
    let _ = unsealed(bytes);
    let Ok(mut made_up) = serde_json::from_slice::<SavedPlan>(bytes) else {
        return;
    };
    made_up.seal();
    let sealed = json(&made_up).expect("a plan is written");
    if let Ok(plan) = SavedPlan::parse(sealed.as_bytes()) {
        assert_eq!(json(&plan).expect("a plan is written"), sealed);
        shown(&AnyReport::Plan(Box::new(plan.report)));
    }
}
