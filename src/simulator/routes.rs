//! The five endpoints for meeting rooms, and what every other path gets.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::quirks::{Answers, ArchivedName, Auth, Echo, LowercaseNames, Missing, Put, Quirks};
use super::request::{Body, Method, Request, decode_segment};
use super::response::Response;
use super::room::Room;
use super::validate::{self, Accepted};
use super::wire;
use super::world::World;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// `GET /api/v1/rooms`
    List,
    /// `POST /api/v1/room`
    Create,
    /// `GET /api/v1/room/{roomName}`
    Read(String),
    /// `PUT /api/v1/room/{roomName}`
    Update(String),
    /// `DELETE /api/v1/room/{roomName}`
    Archive(String),
    /// The name in the path cannot be decoded.
    Malformed,
    /// Anything else, such as tokens and live streaming rooms.
    Nowhere,
}

impl Route {
    /// A slash at the end changes nothing: the vendor's quickstart has one when it creates.
    pub(super) fn of(method: Method, path: &str) -> Self {
        let path = path.strip_suffix('/').unwrap_or(path);
        let Some(rest) = path.strip_prefix("/api/v1/") else {
            return Self::Nowhere;
        };
        match (method, rest) {
            (Method::Get, "rooms") => return Self::List,
            (Method::Post, "room") => return Self::Create,
            _ => {}
        }
        // A slash that belongs to the name arrives as an escape, so the split comes before the decoding.
        let Some(segment) = rest
            .strip_prefix("room/")
            .filter(|name| !name.is_empty() && !name.contains('/'))
        else {
            return Self::Nowhere;
        };
        let route = match method {
            Method::Get => Self::Read,
            Method::Put => Self::Update,
            Method::Delete => Self::Archive,
            Method::Post | Method::Other => return Self::Nowhere,
        };
        decode_segment(segment).map_or(Self::Malformed, route)
    }

    /// The room it is about, for choosing faults; empty when there is none.
    pub(super) fn room<'a>(&'a self, body: &'a Body) -> &'a str {
        match self {
            Self::Read(name) | Self::Update(name) | Self::Archive(name) => name,
            Self::Create => body
                .member(wire::ROOM_NAME)
                .and_then(Value::as_str)
                .unwrap_or_default(),
            Self::List | Self::Malformed | Self::Nowhere => "",
        }
    }
}

/// What was done, or why nothing was.
type Answer = Result<Response, Response>;

pub(super) fn carry_out(
    world: &mut World,
    route: &Route,
    request: &Request,
    body: &Body,
) -> Response {
    if *route == Route::Nowhere {
        return Response::refusal(404, "not found");
    }
    if !world.has_key(request) {
        return unauthorised(world.quirks());
    }
    let carried_out = match route {
        Route::List => Ok(list(world)),
        Route::Create => create(world, body, request.at_ms),
        Route::Read(name) => read(world, &folded(world, name)),
        Route::Update(name) => update(world, &folded(world, name), body, request.at_ms),
        Route::Archive(name) => archive(world, &folded(world, name)),
        Route::Malformed | Route::Nowhere => Err(Response::refusal(400, "malformed path")),
    };
    carried_out.unwrap_or_else(|refusal| refusal)
}

/// Nothing is documented about a bad key: status and message are invented.
fn unauthorised(quirks: &Quirks) -> Response {
    let status = match quirks.auth {
        Auth::Status401 => 401,
        Auth::Status403 => 403,
        Auth::Status400 => 400,
    };
    Response::refusal(status, "invalid secretKey")
}

fn folded(world: &World, name: &str) -> String {
    if world.quirks().lowercase_names == LowercaseNames::On {
        name.to_lowercase()
    } else {
        name.to_owned()
    }
}

/// The message is seen in clients; its status is disputed among them.
fn missing(quirks: &Quirks) -> Response {
    let message = "room not found";
    match quirks.missing {
        Missing::Status400 => Response::refusal(400, message),
        Missing::Status404 => Response::refusal(404, message),
        Missing::Status200 => Response::json(200, &json!({"message": message})),
    }
}

/// The wording is the one that a client parses.
fn taken(name: &str) -> Response {
    Response::refusal(400, &format!("room with the name {name} already exists"))
}

fn answer(world: &World, room: &Room) -> Response {
    Response::json(200, &room.echo(&world.app_id, world.quirks()))
}

fn answer_to_write(world: &World, room: &Room) -> Response {
    let mut quirks = world.quirks().clone();
    if quirks.echo == Echo::Writes {
        quirks.echo = Echo::Sample;
    }
    Response::json(200, &room.echo(&world.app_id, &quirks))
}

/// The answer to a write. A room that was just made has nothing before it.
fn written(world: &World, before: Option<&Room>, after: &Room) -> Response {
    match world.quirks().answer {
        Answers::After => answer_to_write(world, after),
        Answers::Before => answer_to_write(world, before.unwrap_or(after)),
        Answers::NoContent => Response::text(204, "application/json", ""),
        Answers::Empty => Response::text(200, "application/json", ""),
        Answers::Success => Response::json(200, &json!({"success": true})),
    }
}

/// A bare array (seen in clients). Order and limit are invented: by name, and none.
fn list(world: &World) -> Response {
    let quirks = world.quirks();
    let rooms: Vec<_> = world
        .rooms()
        .filter(|room| quirks.list_archived || !room.archived)
        .take(quirks.list_limit.unwrap_or(usize::MAX))
        .map(|room| room.echo(&world.app_id, quirks))
        .collect();
    Response::json(200, &Value::Array(rooms))
}

/// The room of that name, unless it is archived.
fn live<'a>(world: &'a World, name: &str) -> Result<&'a Room, Response> {
    let room = world.room(name).filter(|room| !room.archived);
    room.ok_or_else(|| missing(world.quirks()))
}

fn read(world: &World, name: &str) -> Answer {
    Ok(answer(world, live(world, name)?))
}

fn create(world: &mut World, body: &Body, now_ms: i64) -> Answer {
    let Accepted { name, attributes } = validate::check(Method::Post, body, world.quirks())?;
    let name = match (name, world.quirks().lowercase_names) {
        (Some(name), _) => name,
        (None, LowercaseNames::Off) => world.invent_name(),
        (None, _) => world.invent_name().to_lowercase(),
    };
    if !is_free(world, &name) {
        return Err(taken(&name));
    }
    insert(world, &name, attributes, now_ms)
}

/// Whether a room can be created under that name.
fn is_free(world: &World, name: &str) -> bool {
    let reusable = world.quirks().archived_name == ArchivedName::Reusable;
    world
        .room(name)
        .is_none_or(|room| room.archived && reusable)
}

fn insert(
    world: &mut World,
    name: &str,
    attributes: BTreeMap<String, Value>,
    now_ms: i64,
) -> Answer {
    let attributes = settle(attributes, world);
    validate::check_whole(&attributes)?;
    let room = world.create(name, attributes, now_ms);
    Ok(written(world, None, &room))
}

fn update(world: &mut World, name: &str, body: &Body, now_ms: i64) -> Answer {
    let accepted = validate::check(Method::Put, body, world.quirks())?;
    let before = match live(world, name) {
        Ok(room) => room.clone(),
        Err(_) if world.quirks().upsert && is_free(world, name) => {
            return insert(world, name, accepted.attributes, now_ms);
        }
        Err(missing) => return Err(missing),
    };
    let mut room = before.clone();
    if world.quirks().put == Put::Replace {
        room.attributes.clear();
    }
    room.attributes.extend(accepted.attributes);
    room.attributes = settle(room.attributes, world);
    validate::check_whole(&room.attributes)?;
    let new_name = accepted.name.filter(|new_name| new_name != name);
    let was = new_name.map(|new_name| std::mem::replace(&mut room.name, new_name));
    if was.is_some() && !is_free(world, &room.name) {
        return Err(taken(&room.name));
    }
    world.put(room.clone(), was);
    Ok(written(world, Some(&before), &room))
}

/// What the service does to values on its own when it writes them.
fn settle(mut attributes: BTreeMap<String, Value>, world: &World) -> BTreeMap<String, Value> {
    let quirks = world.quirks();
    let on = Value::Bool(true);
    let composes = ["enableLiveStreaming", "recordComposition", "enableRTMPOut"]
        .iter()
        .any(|name| attributes.get(*name) == Some(&on));
    if quirks.auto_composition && composes {
        attributes.insert("enableComposition".to_owned(), on);
    }
    let overrides = quirks.overrides.iter();
    let counted = quirks
        .override_writes
        .map_or(u64::MAX, |count| count as u64);
    for (name, forced) in overrides.filter(|_| world.counts.written < counted) {
        attributes.insert(name.clone(), forced.clone());
    }
    attributes
}

/// The answer is documented word for word.
fn archive(world: &mut World, name: &str) -> Answer {
    let archived = Room {
        archived: true,
        ..live(world, name)?.clone()
    };
    world.put(archived, None);
    let answer = json!({"success": true, "message": "Room successfully archived"});
    Ok(Response::json(200, &answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let of = |method, path| Route::of(method, path);
        assert_eq!(of(Method::Get, "/api/v1/rooms"), Route::List);
        assert_eq!(of(Method::Post, "/api/v1/room/"), Route::Create);
        assert_eq!(
            of(Method::Put, "/api/v1/room/a%2Fb"),
            Route::Update("a/b".into())
        );
        assert_eq!(
            of(Method::Get, "/api/v1/room/Ab/"),
            Route::Read("Ab".into())
        );
        assert_eq!(of(Method::Delete, "/api/v1/room/%zz"), Route::Malformed);
        for (method, path) in [
            (Method::Post, "/api/v1/rooms"),
            (Method::Post, "/api/v1/token"),
            (Method::Post, "/api/v1/token/validate"),
            (Method::Get, "/api/v1/rooms/active/meetingsessions"),
            (Method::Get, "/api/v1/realtimelivestreaming/room/a"),
            (Method::Post, "/api/v1/room/a"),
            (Method::Get, "/api/v1/room/a/token"),
            (Method::Get, "/api/v1/room/"),
            (Method::Get, "/api/v1/room//"),
            (Method::Get, "/moved/api/v1/room/a"),
            (Method::Other, "/api/v1/room/a"),
            (Method::Get, "/"),
        ] {
            assert_eq!(of(method, path), Route::Nowhere, "{path}");
        }
    }
}
