//! Tailwater: submit a slow AI job, stream everything that it makes to every browser that watches,
//! lose nothing.
//!
//! The modules stand in layers, and each imports only those above it; `tests/it/layers.rs` holds
//! that. An event's way: [`http`] takes a submit, [`queue`] gives the job to a [`worker`], the
//! worker appends to the [`store`], followers of the store wake and [`http`] writes the frame; the
//! store's journal commits it to the [`db`] afterwards.

#![forbid(unsafe_code)]

pub mod backoff;
pub mod descriptors;
pub mod event;
pub mod nearest;
pub mod signing;
mod sync;
pub mod telemetry;
pub mod tls;

pub mod job;

pub mod artifact;
pub mod catalog;
pub mod db;
pub mod nats;
pub mod outward;
pub mod provider;

pub mod credits;

pub mod store;

pub mod access;

pub mod queue;

pub mod fanout;
pub mod reconcile;
pub mod webhook;
pub mod worker;

pub mod http;

pub mod config;

pub mod server;

pub mod cli;
pub mod client;
pub mod doctor;
pub mod loadtest;
pub mod simulator;
