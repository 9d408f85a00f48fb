//! roomctl
pub mod io;
pub mod model;
pub mod planner;
