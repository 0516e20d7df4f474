//! Integration tests: the real server over real HTTP and a real `SQLite` database, providers
//! simulated on loopback. One binary, so that it links once.

#![expect(unreachable_pub, reason = "a test binary exports nothing")]

mod backup;
mod bad_input;
mod chat;
mod cli;
mod cluster;
mod config;
mod credits;
mod damage;
mod drain;
mod fuzz;
mod golden;
mod hardening;
mod harness;
mod layers;
mod lessons;
mod loadtest;
mod media;
mod openapi;
mod outage;
mod postgres;
mod protocol;
mod queue;
mod reconcile;
mod smoke;
mod storage;
mod tls;
#[cfg(feature = "otlp")]
mod traces;
mod upgrade;
mod uploads;
mod vectors;
mod webhooks;
