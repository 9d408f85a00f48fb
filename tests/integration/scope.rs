//! Where a run looks: rooms that were applied from elsewhere are none of its business.

use crate::harness::Site;

const ROOM: &str = "privacy: private\nmaxParticipants: 5\n";

/// Rooms of two teams, applied, with defaults above both.
fn two_teams() -> Site {
    let site = Site::new(&[], &[]);
    site.scratch
        .write("rooms/_defaults.yaml", "enableChat: true\n");
    for file in ["sales/emea", "sales/apac", "hr/payroll", "hr/hiring"] {
        site.scratch.write(&format!("rooms/{file}.yaml"), ROOM);
    }
    let ran = site.apply(&[]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    site
}

#[test]
fn a_part_of_the_rooms_archives_nothing_elsewhere_and_keeps_its_defaults() {
    let site = two_teams();
    let sales = ["--rooms", "rooms/sales"];
    let plan = site.run(&["plan", "--format", "json", sales[0], sales[1]]);
    assert_eq!(
        plan.json()["changes"],
        serde_json::json!([]),
        "{}",
        plan.all()
    );
    assert!(plan.stderr.contains("not considered"), "{}", plan.stderr);
    assert!(
        plan.stderr.contains("2 rooms of the state"),
        "{}",
        plan.stderr
    );

    let refused = site.apply(&["--prune", sales[0], sales[1]]);
    assert_eq!(
        (refused.code, site.count("DELETE")),
        (4, 0),
        "{}",
        refused.all()
    );
    assert!(
        refused.stderr.contains("--allow-empty"),
        "{}",
        refused.stderr
    );

    std::fs::remove_file(site.scratch.path("rooms/sales/apac.yaml")).unwrap();
    let ran = site.apply(&["--prune", "--allow-empty", sales[0], sales[1]]);
    assert_eq!((ran.code, site.count("DELETE")), (0, 1), "{}", ran.all());
    let rooms = site.state()["rooms"].as_object().unwrap().clone();
    let left: Vec<&String> = rooms.keys().collect();
    assert_eq!(left, ["emea", "hiring", "payroll"]);
}

#[test]
fn a_room_that_moved_elsewhere_is_not_missed_where_it_was() {
    let site = two_teams();
    let path = |file: &str| site.scratch.path(&format!("rooms/{file}.yaml"));
    std::fs::rename(path("sales/apac"), path("hr/apac")).unwrap();
    let ran = site.apply(&["--prune", "--allow-empty", "--rooms", "rooms/sales"]);
    assert_eq!((ran.code, site.count("DELETE")), (0, 0), "{}", ran.all());
    // A run that sees the file remembers where it is by now.
    assert_eq!(site.apply(&[]).code, 0);
    assert_eq!(site.state()["rooms"]["apac"]["file"], "rooms/hr/apac.yaml");
}

#[test]
fn an_empty_directory_is_said_and_prunes_nothing() {
    let site = two_teams();
    std::fs::remove_dir_all(site.scratch.path("rooms")).unwrap();
    std::fs::create_dir(site.scratch.path("rooms")).unwrap();
    let plan = site.run(&["plan"]);
    assert!(
        plan.stderr
            .contains("rooms holds no room, and the state knows 4 rooms"),
        "{}",
        plan.all()
    );
    let ran = site.apply(&["--prune"]);
    assert_eq!((ran.code, site.count("DELETE")), (4, 0), "{}", ran.all());
}
