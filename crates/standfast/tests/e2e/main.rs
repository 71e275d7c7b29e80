//! The daemon as its users have it: the real program in private namespaces, with real packets, a client that asks
//! the service address, and Debian's keepalived as the other machine. Each test's name is the promise it holds.
//!
//! Everything waits for events with deadlines. Times are held against the protocol with room for a busy machine
//! and printed at the end.
#![expect(clippy::unwrap_used, reason = "a panic is how a test says that it failed")]
#![expect(clippy::print_stdout, reason = "measurements are for the reader of the test's output")]

mod agreement;
mod bad_files;
mod bad_packets;
mod bfd;
mod closed;
mod command_line;
mod conf;
mod crash;
mod demo;
mod figures;
mod fixed;
mod frr;
mod hang;
mod interface;
mod mail;
mod notify;
mod own;
mod pair;
mod protocol;
mod refusals;
mod reload;
mod repair;
mod routed;
mod rows;
mod scenario;
mod scripts;
mod see;
mod steady;
mod strict;
mod takeover;
mod user;
mod watch;

use std::process::ExitCode;

fn main() -> ExitCode {
    let groups = [
        agreement::tests(),
        scenario::tests(),
        takeover::tests(),
        protocol::tests(),
        reload::tests(),
        repair::tests(),
        fixed::tests(),
        crash::tests(),
        hang::tests(),
        demo::tests(),
        interface::tests(),
        mail::tests(),
        command_line::tests(),
        bad_packets::tests(),
        bad_files::tests(),
        refusals::tests(),
        routed::tests(),
        rows::tests(),
        strict::tests(),
        closed::tests(),
        frr::tests(),
        bfd::tests(),
        notify::tests(),
        own::tests(),
        scripts::tests(),
        user::tests(),
        watch::tests(),
        steady::tests(),
    ];
    let tests = groups.into_iter().flatten().collect();
    let code = lab::harness::main(tests);
    figures::print();
    code
}
