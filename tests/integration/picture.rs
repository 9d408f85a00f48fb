//! What a terminal shows, as an SVG: the program's own colours, and no font or script from elsewhere.

use std::fmt::Write;

use regex::Regex;

const LINE: usize = 20;
const MARGIN: usize = 16;

/// A picture of `output`, which has its colours as escape sequences; `command` stands above it.
pub fn picture(command: &str, output: &str) -> String {
    let plain = Regex::new(r"\x1b\[[0-9;]*m").unwrap();
    let lines: Vec<&str> = output.trim_end().lines().collect();
    let widths = lines
        .iter()
        .map(|line| columns(&plain.replace_all(line, "")));
    // A column is 0.6 em of 14 pixels.
    let wide = 2 * MARGIN + widths.max().unwrap_or(0).max(command.len() + 2) * 42 / 5;
    let high = 2 * MARGIN + (lines.len() + 1) * LINE;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide} {high}\" width=\"{wide}\" role=\"img\">\n\
         <title>{}</title>\n<style>\n\
         text {{ font: 14px ui-monospace, Menlo, Consolas, monospace; fill: #d4d4d4; white-space: pre }}\n\
         .b {{ font-weight: bold }} .d {{ fill: #8f979f }} .r {{ fill: #ff8a80 }} .g {{ fill: #7ee787 }}\n\
         .y {{ fill: #e3b341 }} .u {{ fill: #79c0ff }} .m {{ fill: #d2a8ff }} .c {{ fill: #76e3ea }}\n</style>\n\
         <rect width=\"{wide}\" height=\"{high}\" rx=\"8\" fill=\"#1b1f24\"/>\n",
        escape(command)
    );
    line(
        &mut svg,
        0,
        command.len() + 2,
        &format!("<tspan class=\"d\">$</tspan> {}", escape(command)),
    );
    for (number, text) in lines.iter().enumerate() {
        let columns = columns(&plain.replace_all(text, ""));
        line(&mut svg, number + 1, columns, &spans(text));
    }
    svg + "</svg>\n"
}

fn columns(plain: &str) -> usize {
    plain.chars().count()
}

/// The length is given, so that a font of another width changes nothing.
fn line(svg: &mut String, number: usize, columns: usize, spans: &str) {
    if columns > 0 {
        let (y, length) = (MARGIN + number * LINE + 14, columns * 42 / 5);
        writeln!(
            svg,
            "<text x=\"{MARGIN}\" y=\"{y}\" textLength=\"{length}\">{spans}</text>"
        )
        .unwrap();
    }
}

/// The text of a line, each stretch of one style in its own span.
fn spans(line: &str) -> String {
    let mut stretches: Vec<(String, String)> = Vec::new();
    let mut class = String::new();
    for (at, part) in line.split("\x1b[").enumerate() {
        let (code, text) = if at == 0 {
            ("", part)
        } else {
            part.split_once('m').unwrap()
        };
        match code {
            "" => {}
            "0" => class.clear(),
            code => class.extend(code.split(';').map(letter)),
        }
        match stretches.last_mut() {
            Some((last, before)) if *last == class => before.push_str(text),
            _ if text.is_empty() => {}
            _ => stretches.push((class.clone(), text.to_owned())),
        }
    }
    let spans = stretches.iter().map(|(class, text)| {
        let classes: Vec<String> = class.chars().map(String::from).collect();
        match class.as_str() {
            "" => escape(text),
            _ => format!(
                "<tspan class=\"{}\">{}</tspan>",
                classes.join(" "),
                escape(text)
            ),
        }
    });
    spans.collect()
}

fn letter(code: &str) -> char {
    match code {
        "1" => 'b',
        "2" => 'd',
        "31" => 'r',
        "32" => 'g',
        "33" => 'y',
        "34" => 'u',
        "35" => 'm',
        "36" => 'c',
        other => panic!("no colour for {other}"),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
