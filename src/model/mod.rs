//! The nouns: a room and its attributes, values, secrets, names, rules, effects.
//!
//! Pure: no network, files, clock, environment or printing. Time comes in as an argument.
//!
//! | File | Is |
//! |---|---|
//! | `room`, `types` | a room as a file declares it, and the types of its attributes: the only list of names |
//! | `catalogue` | that list as a table, with the kind of each attribute |
//! | `recipient` | who may read a state that is encrypted |
//! | `value`, `live`, `digest`, `secret` | what an attribute holds: to be sent and as stored; as the service reports it; what must never be seen |
//! | `reference`, `given` | `${env:NAME}` in secret attributes, and which variables those may be; `${var:NAME}` in any |
//! | `wanted`, `origin` | rooms as the files want them, and where each value comes from |
//! | `name`, `glob`, `suggest` | which room names are accepted; patterns over them; "did you mean" |
//! | `rule`, `rules`, `policy` | the checks and why each is one; those across attributes; a company's own |
//! | `policy_source`, `policy_names`, `policy_cost` | such a policy as it is written; what it may name; how much work and memory it takes at most |
//! | `finding` | what a check found, where, and what to write instead |
//! | `address`, `run` | where the service is, and objects of an object store; where this run runs |
//! | `effect` | what a change does to people |
//! | `room_schema` | the schemas that editors use |
//! | `sum` | sums of numbers that anybody may have written |
//! | `sorted`, `unique`, `wire_name` | small maps in one piece; maps in which nothing stands twice; the names of attributes, each kept once |
//! | `version`, `words` | the version of a format comes first; words are written once, for JSON and for people |

pub(crate) mod address;
pub(crate) mod catalogue;
pub(crate) mod digest;
pub(crate) mod effect;
pub(crate) mod finding;
pub(crate) mod given;
pub(crate) mod glob;
pub(crate) mod live;
pub(crate) mod name;
pub(crate) mod origin;
pub(crate) mod policy;
pub(crate) mod policy_cost;
pub(crate) mod policy_names;
pub(crate) mod policy_source;
pub(crate) mod recipient;
pub(crate) mod reference;
pub(crate) mod room;
pub(crate) mod room_schema;
pub(crate) mod rule;
pub(crate) mod rules;
pub(crate) mod run;
pub(crate) mod secret;
pub(crate) mod sorted;
pub(crate) mod suggest;
pub(crate) mod sum;
pub(crate) mod types;
pub(crate) mod unique;
pub(crate) mod value;
pub(crate) mod version;
pub(crate) mod wanted;
pub(crate) mod wire_name;
pub(crate) mod words;

pub(crate) use effect::Effect;
pub(crate) use finding::{Finding, Place, Related, Severity};
pub(crate) use glob::{Glob, Globs};
pub(crate) use live::{Live, LiveRoom};
pub(crate) use name::{NameRule, RoomName};
pub(crate) use origin::{Origin, Origins, RoomOrigins};
pub(crate) use reference::{EnvPrefix, Variables};
pub(crate) use room::Room;
pub(crate) use rule::Rule;
pub(crate) use run::Run;
pub(crate) use secret::Secret;
pub(crate) use sum::sum;
pub(crate) use value::{Scalar, Settings, Shown, Stored, StoredSettings, Value};
pub(crate) use wanted::{Secrets, Wanted, WantedRoom};
pub(crate) use wire_name::WireName;
