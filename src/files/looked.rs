//! Where the rooms directory of a run is: as a part of the configured one, and from the configuration's directory; and
//! which rooms are declared elsewhere.

use std::path::{Component, Path, PathBuf, absolute};

use crate::files::context::{Context, Policies};
use crate::files::defaults::paths_in;
use crate::files::discover::as_typed;
use crate::files::room_files;
use crate::model::{Finding, Wanted};
use crate::planner::{Scope, State};

/// The scope of a run over `looked`. `whole` is the configured rooms directory, and `base` the directory of the
/// configuration.
pub(crate) fn scope(base: &Path, whole: &Path, looked: &Path) -> Scope {
    let typed = as_typed(looked);
    let alone = |whole| Scope::new(&typed, &place(base, looked), whole);
    // By where they really are: the user may have typed them in different ways.
    let (Ok(real_whole), Ok(real_looked)) = (whole.canonicalize(), looked.canonicalize()) else {
        return alone(whole == looked);
    };
    match real_looked.strip_prefix(&real_whole) {
        Ok(inner) => {
            let is_whole = inner.as_os_str().is_empty();
            Scope::new(&typed, &place(base, &whole.join(inner)), is_whole)
        }
        Err(_) => alone(real_whole.starts_with(&real_looked)),
    }
}

/// The directory that counts as the configured one when nobody configured one, and `looked` is only what the user named:
/// the uppermost on the way there from the configuration whose defaults hold in it, or the innermost that holds all files
/// that rooms of the `state` were applied from.
pub(crate) fn whole(base: &Path, looked: &Path, state: &State) -> PathBuf {
    let around = scope(base, looked, looked).around(state);
    // Never the directories above the configuration's, which a path out of it only passes.
    let is_outside = around.starts_with("..");
    let is_passed = |dir: &Path| dir.ends_with("..") || (is_outside && dir == Path::new(""));
    let above = Path::new(&around).ancestors();
    let above: Vec<&Path> = above.filter(|dir| !is_passed(dir)).collect();
    let has_defaults = |dir: &&Path| paths_in(&base.join(dir)).iter().any(|path| path.is_file());
    let uppermost = above.iter().copied().rfind(has_defaults);
    let innermost = above.iter().copied().next();
    let innermost = innermost.filter(|dir| !dir.as_os_str().is_empty());
    match uppermost.or(innermost).map(|dir| (dir, base.join(dir))) {
        Some((dir, _)) if dir == Path::new(&place(base, looked)) => looked.to_owned(),
        Some((_, whole)) if whole.as_os_str().is_empty() => PathBuf::from("."),
        Some((_, whole)) => whole,
        None => looked.to_owned(),
    }
}

/// The directory with all that counts for `looked`: the configured one, `whole`, if it holds it.
pub(crate) fn surroundings<'a>(whole: &'a Path, looked: &'a Path) -> &'a Path {
    match (whole.canonicalize(), looked.canonicalize()) {
        (Ok(real_whole), Ok(real_looked)) if real_looked.starts_with(&real_whole) => whole,
        _ => looked,
    }
}

/// The rooms that files of the configured directory, `whole`, declare beyond those that are `wanted` from what is looked
/// at, whoever owns them. `None`: nobody can tell, since one has an error.
pub(crate) fn elsewhere(
    scope: &Scope,
    whole: &Path,
    wanted: &Wanted,
    context: &Context<'_>,
) -> Option<Wanted> {
    if scope.whole {
        return Some(Wanted::new());
    }
    let context = Context {
        owns: None,
        unmanaged: None,
        policies: Policies::NONE,
        ..*context
    };
    let all = room_files::load(whole, &[whole.to_owned()], &context);
    let mut elsewhere = Some(all)
        .filter(|all| !Finding::any_error(&all.findings))?
        .wanted;
    elsewhere.retain(|name, _| !wanted.contains_key(name));
    Some(elsewhere)
}

/// The path of `target` from `base`, with `/`. Links are left as they are written: where they lead differs from
/// machine to machine.
pub(crate) fn place(base: &Path, target: &Path) -> String {
    let (base, target) = (tidy(base), tidy(target));
    let common = base.components().zip(target.components());
    let common = common.take_while(|(one, other)| one == other).count();
    let up = base.components().skip(common).map(|_| Component::ParentDir);
    let down = target.components().skip(common);
    as_typed(&up.chain(down).collect::<PathBuf>())
}

/// The absolute path, without `.` and `..`.
fn tidy(path: &Path) -> PathBuf {
    // Fails for an empty path only, which is the working directory.
    let path = absolute(path).or_else(|_| absolute("."));
    let mut tidy = PathBuf::new();
    for part in path.unwrap_or_default().components() {
        if part == Component::ParentDir {
            tidy.pop();
        } else {
            tidy.push(part);
        }
    }
    tidy
}

#[cfg(test)]
mod tests {
    use std::fs::create_dir_all;

    use super::*;

    #[test]
    fn defaults_above_say_that_there_is_more() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        create_dir_all(at("conf")).unwrap();
        create_dir_all(at("teams/sales/emea")).unwrap();
        create_dir_all(at("alone/sales")).unwrap();
        for dir in ["teams", "teams/sales"] {
            std::fs::write(at(dir).join("_defaults.yaml"), "lang: en\n").unwrap();
        }
        let cases = [
            ("", "teams/sales/emea", "teams"),
            ("", "teams", "teams"),
            ("", "alone/sales", "alone/sales"),
            ("teams", "teams/sales", "teams"),
            ("conf", "teams/sales/emea", "teams"),
        ];
        for (base, looked, expected) in cases {
            let whole = whole(&at(base), &at(looked), &State::fresh("acme"));
            let whole = whole.canonicalize().unwrap();
            assert_eq!(
                whole,
                at(expected).canonicalize().unwrap(),
                "{base} {looked}"
            );
        }
    }

    #[test]
    fn a_part_is_known_however_it_is_typed() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        create_dir_all(at("rooms/sales/emea")).unwrap();
        create_dir_all(at("other")).unwrap();
        let cases = [
            ("rooms", "rooms/a.yaml", true),
            ("rooms/../rooms/", "rooms/a.yaml", true),
            ("", "a.yaml", true),
            ("rooms/sales", "rooms/sales/a.yaml", false),
            ("rooms/sales/emea/..", "rooms/sales/a.yaml", false),
            ("other", "other/a.yaml", false),
            ("nowhere", "nowhere/a.yaml", false),
        ];
        for (looked, expected, whole) in cases {
            let looked = at(looked);
            let scope = scope(dir.path(), &at("rooms"), &looked);
            assert_eq!(scope.whole, whole, "{}", looked.display());
            let file = as_typed(&looked.join("a.yaml"));
            assert_eq!(scope.place_of(&file), expected, "{}", looked.display());
        }
        let (whole, part, other) = (at("rooms"), at("rooms/sales"), at("other"));
        assert_eq!(surroundings(&whole, &part), whole);
        assert_eq!(surroundings(&whole, &other), other);
        let elsewhere = scope(&at("etc/roomctl"), &at("rooms"), &at("rooms"));
        let file = as_typed(&at("rooms/a.yaml"));
        assert_eq!(elsewhere.place_of(&file), "../../rooms/a.yaml");
    }
}
