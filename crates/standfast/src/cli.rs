//! Standfast's own command line.

use crate::daemon::{Invocation, exit};
use crate::log::Style;
use crate::{check, demo, explain, simulate, supervisor};
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

/// A virtual address that stays up: VRRP failover, driven by keepalived.conf.
#[derive(Debug, Parser)]
#[command(name = "standfast", version, about, disable_help_subcommand = true, arg_required_else_help = true)]
#[command(after_help = "Called through a link named keepalived, it takes keepalived's command line.\n\
    First steps:\n  standfast demo                 see a failover on this machine, nothing is touched\n  \
    standfast check FILE           what is wrong with a configuration, and what to write instead\n  \
    standfast simulate FILE FILE   what happens if a node loses power, a cable is cut, ...\n  \
    standfast run -f FILE          the daemon, in the foreground")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon
    Run(Run),
    /// Say what is wrong with configurations, like a compiler
    Check(check::Args),
    /// Show failover, a dying service and a split brain in a laboratory on this machine
    Demo(demo::Args),
    /// Say what happens to the addresses of your configurations if ..., in a simulated world
    Simulate(simulate::Args),
    /// Explain a diagnostic or a keyword
    Explain(explain::Args),
}

/// Options of `standfast run`.
#[derive(Debug, clap::Args)]
struct Run {
    /// Configuration [default: /etc/standfast/standfast.conf, else /etc/keepalived/keepalived.conf]
    #[arg(short = 'f', long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Go to the background; return when ready. Logs go to syslog
    #[arg(long)]
    daemon: bool,
    /// Pid file; its lock keeps a second daemon away [default: /run/standfast.pid; with `instance NAME`, a namespace or
    /// `use_pid_dir` in the configuration: /run/standfast/[NAMESPACE/]standfast[_NAME].pid]
    #[arg(short, long, value_name = "FILE")]
    pid_file: Option<PathBuf>,
    /// Log to syslog too (always in the background)
    #[arg(long)]
    syslog: bool,
    /// Id for @ID lines in the configuration [default: the host's short name]
    #[arg(short = 'i', long, value_name = "ID")]
    config_id: Option<String>,
    /// Run in this named network namespace, whatever the configuration says
    #[arg(short = 's', long, value_name = "NAME")]
    namespace: Option<String>,
    /// At the end keep the addresses and do not resign
    #[arg(long)]
    keep_addresses: bool,
    /// End when the worker dies, instead of starting another
    #[arg(long)]
    no_respawn: bool,
}

/// Standfast's `main`.
#[must_use]
pub fn main(arguments: &[OsString]) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { 2 } else { exit::OK };
        }
    };
    match cli.command {
        Command::Run(run) => supervisor::main(&run.invocation(), &[]),
        Command::Check(args) => check::run(&args, &mut std::io::stdout().lock()),
        Command::Demo(args) => demo::run(&args),
        Command::Simulate(args) => simulate::run(&args, &mut std::io::stdout().lock()),
        Command::Explain(args) => explain::run(&args, &mut std::io::stdout().lock()),
    }
}

impl Run {
    fn invocation(self) -> Invocation {
        Invocation {
            config: self.config,
            foreground: !self.daemon,
            log: Style { console: !self.daemon, syslog: self.daemon || self.syslog, ..Style::console() },
            pid_file: self.pid_file,
            config_id: self.config_id,
            namespace: self.namespace,
            keep_at_exit: self.keep_addresses,
            no_respawn: self.no_respawn,
            ..Invocation::standfast()
        }
    }
}

/// `keepalived -t`: checks and says so on standard error, or at the end of `file`.
#[must_use]
pub fn check_as_keepalived(invocation: &Invocation, file: Option<&std::ffi::OsStr>) -> u8 {
    let mut report = Vec::new();
    let code = check::run_as_keepalived(
        &invocation.config_path(),
        &invocation.id(),
        invocation.all_includes,
        &mut report,
    );
    let written = match file {
        Some(file) => std::fs::File::options()
            .append(true)
            .create(true)
            .open(file)
            .and_then(|mut to| to.write_all(&report)),
        None => std::io::stderr().write_all(&report),
    };
    if written.is_err() { exit::FATAL } else { code }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn run_in_the_background_logs_to_syslog() {
        let Ok(Cli { command: Command::Run(run) }) = Cli::try_parse_from(["standfast", "run", "--daemon"])
        else {
            panic!("run --daemon is a command");
        };
        let invocation = run.invocation();
        assert!(!invocation.foreground && invocation.log.syslog && !invocation.log.console);
    }
}
