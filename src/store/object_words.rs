//! What an object store says when something goes wrong, without what it may repeat. Pure.

/// Most of what a store says that is shown, in characters.
const MOST_SAID: usize = 400;

/// What a store says in XML or else what went wrong, without the body of an answer: that may repeat what was sent.
pub(super) fn plain(text: &str) -> String {
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        Some(rest.split_once("</")?.0)
    };
    let said = element("Code")
        .zip(element("Message"))
        .map(|(code, message)| format!("{code}: {}", message.lines().next().unwrap_or_default()));
    let said = said.unwrap_or_else(|| {
        let status = "status code: ";
        let body = text.find(status).map(|at| at + status.len());
        let body = body.and_then(|at| Some(at + text[at..].find(':')?));
        text[..body.unwrap_or(text.len())].to_owned()
    });
    // Hidden first: the first half of a token that is cut would no longer be as long as one.
    without_addresses(&said).chars().take(MOST_SAID).collect()
}

/// Shortest secret of any of the clouds, in characters: the key of S3.
const SECRET: usize = 40;

/// A text without the addresses in it, and without what may be a part of one, or a secret: a token stands in the address of each request, and a
/// store may repeat that in any form.
pub(super) fn without_addresses(text: &str) -> String {
    let word = |word: &str| {
        let is_long = word.chars().count() >= SECRET && !word.contains('@');
        match word.contains("://") || word.contains(['?', '&', '=', '%']) || is_long {
            true => "(address)".to_owned(),
            false => word.to_owned(),
        }
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// As a part of an address, and alone; also where a long message is cut.
        #[test]
        fn no_token_that_a_message_repeats_is_shown(
            far in prop_oneof![Just(0), 0..MOST_SAID],
            before in "[a-z .:/]{0,20}",
            token in "[A-Za-z0-9+/]{40,60}=?",
            form in prop::sample::select(vec!["", "sig=", "/account/x?sv=1&sig=", "/x?", "&amp;sig=", "%26sig%3D", "https://a.example/x?sig="]),
        ) {
            let text = format!("403: <Error><Code>Denied</Code><Message>{}{before} {form}{token} no</Message></Error>", "so ".repeat(far / 3));
            let said = plain(&text);
            prop_assert!(!said.contains(&token[..20]), "{said}");
            prop_assert!(said.starts_with("Denied: ") && (far > 0 || said.ends_with(" no")), "{said}");
        }
    }

    #[test]
    fn nothing_that_an_answer_repeats_is_shown() {
        for text in [
            "GET https://a.example/x?sig=canary - Server returned non-2xx status code: 403 Forbidden: canary",
            "Server returned non-2xx status code: 403 Forbidden: <Error><Code>Wrong</Code><Message>No.\ncanary</Message><Request>canary</Request></Error>",
        ] {
            let said = plain(text);
            assert!(!said.contains("canary"), "{said}");
            assert!(
                said.contains("403") || said.contains("Wrong: No."),
                "{said}"
            );
        }
    }
}
