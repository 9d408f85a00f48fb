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
    without_addresses(&said.chars().take(MOST_SAID).collect::<String>())
}

/// A text without the addresses in it.
pub(super) fn without_addresses(text: &str) -> String {
    let word = |word: &str| match word.find("://") {
        Some(_) => "(address)".to_owned(),
        None => word.to_owned(),
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

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
