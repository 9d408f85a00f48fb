//! The reference of the book: schemas and the command line, as pages.

use std::collections::BTreeMap;
use std::fmt::Write;

use clap::{Arg, Command};
use serde_json::{Map, Value};

const HEAD: &str = "<!-- Generated from the code: `just generate` writes it again. -->\n\n";

/// The heading's part of an address, as GitHub and mdBook make it.
pub fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The pages about formats: a title, what stands first, and the schemas by the headings over them.
pub fn fields(title: &str, about: &str, schemas: &[(&str, Value)]) -> String {
    let mut page = Fields::default();
    let mut text = format!("{HEAD}# {title}\n\n{about}\n");
    for (heading, schema) in schemas {
        page.schema(&mut text, heading, schema, schemas.len() > 1);
    }
    text
}

/// Types that several schemas share are shown once.
#[derive(Default)]
struct Fields {
    /// The heading of each type, by its name and all that it is made of.
    shown: BTreeMap<(String, String), String>,
}

impl Fields {
    fn schema(&mut self, text: &mut String, heading: &str, schema: &Value, several: bool) {
        let empty = Map::new();
        let types = schema["$defs"].as_object().unwrap_or(&empty);
        let mut new = Vec::new();
        let mut headings = BTreeMap::new();
        for (name, value) in types {
            let key = (name.clone(), expanded(value, types));
            let taken = self.shown.keys().any(|(shown, _)| shown == name);
            let here = if taken {
                format!("{name} of {heading}")
            } else {
                name.clone()
            };
            let heading = self.shown.entry(key).or_insert_with(|| {
                new.push((name, here.clone()));
                here
            });
            headings.insert(name.clone(), heading.clone());
        }
        if several {
            write!(text, "\n## {heading}\n").unwrap();
        }
        body(text, schema, &headings);
        for (name, heading) in new {
            write!(text, "\n### {heading}\n").unwrap();
            body(text, &types[name], &headings);
        }
    }
}

/// A type with all that it names in its place: equal only if it means the same.
fn expanded(value: &Value, types: &Map<String, Value>) -> String {
    match value {
        Value::Object(object) => {
            let named = object
                .get("$ref")
                .map(|name| expanded(&types[referred(name)], types));
            let fields = object
                .iter()
                .map(|(key, value)| format!("{key}:{}", expanded(value, types)));
            format!("{named:?}{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => items.iter().map(|item| expanded(item, types)).collect(),
        other => other.to_string(),
    }
}

fn referred(name: &Value) -> &str {
    name.as_str().unwrap().rsplit('/').next().unwrap()
}

fn body(text: &mut String, schema: &Value, headings: &BTreeMap<String, String>) {
    write!(
        text,
        "\n{}\n",
        prose(schema["description"].as_str().unwrap_or_default())
    )
    .unwrap();
    if let Some(fields) = schema["properties"].as_object() {
        let required: Vec<&str> = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        text.push_str("\n| Key | Type | Meaning |\n|---|---|---|\n");
        for (key, field) in fields {
            let optional = if required.contains(&key.as_str()) {
                ""
            } else {
                ", optional"
            };
            let kind = kind(field, headings);
            let meaning = prose(field["description"].as_str().unwrap_or_default());
            writeln!(text, "| `{key}` | {kind}{optional} | {meaning} |").unwrap();
        }
    } else if let Some(values) = schema["oneOf"].as_array().filter(|values| {
        values
            .iter()
            .all(|v| !v["const"].is_null() || !v["enum"].is_null())
    }) {
        text.push_str("\n| Value | Meaning |\n|---|---|\n");
        for value in values {
            let meaning = prose(value["description"].as_str().unwrap_or_default());
            let names = value["enum"]
                .as_array()
                .cloned()
                .unwrap_or_else(|| vec![value["const"].clone()]);
            for name in names {
                writeln!(text, "| {} | {meaning} |", code(&name)).unwrap();
            }
        }
    } else {
        write!(text, "\nType: {}\n", kind(schema, headings)).unwrap();
    }
}

/// What may stand there, in words.
fn kind(schema: &Value, headings: &BTreeMap<String, String>) -> String {
    // Instead of any value, the configuration may give it: that is said once, and not of each.
    let is_given = |schema: &Value| schema["pattern"] == r"\$\{var:[a-z][a-z0-9_]*\}";
    let all = |values: &Value| -> String {
        let values = values.as_array().unwrap().iter();
        let values = values.filter(|value| !is_given(value));
        let values = values.map(|value| kind(value, headings));
        values.collect::<Vec<_>>().join(" or ")
    };
    if let Some(name) = schema.get("$ref") {
        let heading = &headings[referred(name)];
        return format!("[{}](#{})", referred(name), anchor(heading));
    }
    for key in ["anyOf", "oneOf"] {
        if schema.get(key).is_some() {
            return all(&schema[key]);
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(code).collect::<Vec<_>>().join(" or ");
    }
    if let Some(value) = schema.get("const") {
        return code(value);
    }
    let names: Vec<&str> = match &schema["type"] {
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        Value::String(name) => vec![name],
        _ => return "anything".to_owned(),
    };
    let names = names
        .iter()
        .filter(|name| !is_given(schema) || **name != "string");
    let names = names.map(|name| match *name {
        "array" => format!("list of {}", kind(&schema["items"], headings)),
        "object" if schema["additionalProperties"].is_object() => {
            format!(
                "map of names to {}",
                kind(&schema["additionalProperties"], headings)
            )
        }
        "object" => "map".to_owned(),
        other => other.to_owned(),
    });
    let unit = schema["x-unit"]
        .as_str()
        .map_or_else(String::new, |unit| format!(" ({unit})"));
    names.collect::<Vec<_>>().join(" or ") + &unit
}

fn code(value: &Value) -> String {
    let text = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    format!("`{}`", text.replace('|', "\\|"))
}

/// Text for a paragraph or a cell: what is no code has no markup but its own.
fn prose(text: &str) -> String {
    let text = text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|");
    let parts = text.split('`').enumerate().map(|(at, part)| {
        if at % 2 == 1 {
            format!("`{part}`")
        } else {
            part.replace('<', "&lt;")
        }
    });
    parts.collect()
}

/// The page about commands.
pub fn commands(mut program: Command) -> String {
    program = program.disable_help_subcommand(true);
    program.build();
    let mut text = format!(
        "{HEAD}# Commands\n\nWhat `--help` says, on one page. [Options for all commands](#options-for-all-commands) stand at the end.\n"
    );
    for command in program.get_subcommands() {
        self::command(&mut text, command, 2);
    }
    text.push_str("\n## Options for all commands\n");
    let globals = program.get_arguments().filter(|arg| arg.is_global_set());
    list(&mut text, "Options", globals);
    text
}

fn command(text: &mut String, command: &Command, level: usize) {
    let name = command.get_bin_name().unwrap_or_default();
    write!(text, "\n{} {name}\n", "#".repeat(level)).unwrap();
    let about = command
        .get_long_about()
        .or(command.get_about())
        .map(ToString::to_string)
        .unwrap_or_default();
    for paragraph in about.split("\n\n") {
        write!(text, "\n{}.\n", prose(paragraph).trim_end_matches('.')).unwrap();
    }
    if command.has_subcommands() {
        for below in command.get_subcommands() {
            self::command(text, below, level + 1);
        }
        return;
    }
    let usage = command.clone().render_usage().to_string();
    write!(text, "\n`{}`\n", usage.trim_start_matches("Usage: ").trim()).unwrap();
    let own: Vec<&Arg> = command.get_arguments().filter(|arg| is_own(arg)).collect();
    list(
        text,
        "Arguments",
        own.iter().copied().filter(|arg| arg.is_positional()),
    );
    let mut headings: Vec<Option<&str>> = Vec::new();
    for arg in own.iter().filter(|arg| !arg.is_positional()) {
        if !headings.contains(&arg.get_help_heading()) {
            headings.push(arg.get_help_heading());
        }
    }
    for heading in headings {
        let options = own.iter().copied();
        let options =
            options.filter(|arg| !arg.is_positional() && arg.get_help_heading() == heading);
        list(text, heading.unwrap_or("Options"), options);
    }
    if let Some(after) = command.get_after_help() {
        write!(text, "\n```text\n{}\n```\n", after.to_string().trim_end()).unwrap();
    }
}

fn is_own(arg: &Arg) -> bool {
    !arg.is_global_set()
        && !arg.is_hide_set()
        && !["help", "version"].contains(&arg.get_id().as_str())
}

fn list<'a>(text: &mut String, head: &str, args: impl Iterator<Item = &'a Arg>) {
    let rows: Vec<String> = args.filter(|arg| !arg.is_hide_set()).map(row).collect();
    if !rows.is_empty() {
        write!(text, "\n**{head}**\n\n{}", rows.concat()).unwrap();
    }
}

fn row(arg: &Arg) -> String {
    let takes_values = arg.get_action().takes_values();
    let values = arg.get_value_names().unwrap_or_default().iter();
    let values: Vec<String> = values
        .filter(|_| takes_values)
        .map(|name| format!("<{name}>"))
        .collect();
    let mut names: Vec<String> = arg
        .get_short()
        .map(|short| format!("-{short}"))
        .into_iter()
        .collect();
    names.extend(arg.get_long().map(|long| format!("--{long}")));
    let name = [names.join(", "), values.join(" ")].join(" ");
    let help = arg
        .get_long_help()
        .or(arg.get_help())
        .map(ToString::to_string)
        .unwrap_or_default();
    let mut row = format!("- `{}`: {}", name.trim(), prose(&help));
    let mut add = |what: &str, text: &str| write!(row, ". {what}: {text}").unwrap();
    if let Some(variable) = arg.get_env() {
        add("Variable", &format!("`{}`", variable.to_string_lossy()));
    }
    let defaults: Vec<_> = arg
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy())
        .collect();
    if takes_values && !defaults.is_empty() {
        add("Default", &format!("`{}`", defaults.join(" ")));
    }
    row.push('\n');
    let possible = arg
        .get_possible_values()
        .into_iter()
        .filter(|_| takes_values);
    for value in possible {
        let help = value.get_help().map_or_else(String::new, |help| {
            format!(": {}", prose(&help.to_string()))
        });
        writeln!(row, "  - `{}`{help}", value.get_name()).unwrap();
    }
    row
}

/// The page about exit codes, from the help of the program.
pub fn exit_codes(program: &Command) -> String {
    let help = program.get_after_help().unwrap().to_string();
    let mut text = format!("{HEAD}# Exit codes\n\n| Code | Means |\n|---|---|\n");
    for line in help.lines().filter_map(|line| line.strip_prefix("  ")) {
        let (code, means) = line.split_once(' ').unwrap();
        writeln!(text, "| {code} | {} |", prose(means)).unwrap();
    }
    text.push_str(
        "\nWith `--detailed-exitcode`, 2 means for `plan` that `apply` has something to do, and for `apply` that the service chose\n\
         other values than were sent.\n",
    );
    text
}
