//! Integration tests: the real server over real HTTP and a real `SQLite` database, providers
//! simulated on loopback. One binary, so that it links once.

#![expect(unreachable_pub, reason = "a test binary exports nothing")]

mod bad_input;
mod chat;
mod cli;
mod config;
mod crash;
mod credits;
mod drain;
mod golden;
mod harness;
mod layers;
mod lessons;
mod loadtest;
mod media;
mod openapi;
mod outage;
mod protocol;
mod queue;
mod reconcile;
mod smoke;
mod uploads;
mod vectors;
