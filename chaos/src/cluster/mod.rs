//! A cluster under test: what `scripts/cluster` has set up around this program.

mod compare;
mod services;
mod strike;

pub(crate) use compare::Pages;
pub(crate) use services::Services;
pub(crate) use strike::Striker;
