//! Runs one program for the supervisor itself: `startup_script` and `shutdown_script`.

use crate::log::Log;
use crate::terms::Errand;
use linux::script::message::{Answer, Request};
use linux::script::{self, Runner, Spawner};
use linux::signals::{Signal, Signals};
use node::event::Finish;
use node::io::{Ending, Run, RunId};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What did not fit into the channel is offered again after this.
const AGAIN: Duration = Duration::from_millis(5);

/// Whether the daemon was told to end meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meanwhile {
    /// It was not.
    Nothing,
    /// It was, and the program was ended.
    Terminated,
}

/// Runs a program and waits until it has ended, or its time is up: then its process group is ended. `heeds`: it is also
/// ended when a signal tells the daemon to end.
pub(crate) fn run(
    name: &str,
    errand: &Errand,
    without: &[&str],
    signals: &Signals,
    log: &mut Log,
    heeds: bool,
) -> Meanwhile {
    let deadline = Instant::now() + errand.limit();
    let started = script::channel()
        .and_then(|(theirs, ours)| Ok((Runner::new(theirs), Spawner::start(ours, without)?)));
    let (mut runner, spawner) = match started {
        Ok(started) => started,
        Err(why) => {
            log.alarm(&format!("{name} was not run: {why}"));
            return Meanwhile::Nothing;
        }
    };
    runner.ask(&Request::Run(Run { id: RunId(0), script: name.into(), program: Arc::new(errand.program()) }));
    let mut meanwhile = Meanwhile::Nothing;
    let mut is_over = false;
    while !is_over {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            log.alarm(&format!("{name} timed out after {} s and is ended", errand.limit().as_secs()));
            break;
        }
        let wait = if runner.flush() { left.min(AGAIN) } else { left };
        let timeout = Timespec::try_from(if runner.has_answers() { Duration::ZERO } else { wait }).ok();
        let mut ready = [PollFd::new(signals, PollFlags::IN), PollFd::new(&runner, PollFlags::IN)];
        let _ = poll(if heeds { &mut ready } else { &mut ready[1..] }, timeout.as_ref());
        runner.receive(|answer| match answer {
            Answer::Begun(_) => {}
            Answer::Remark(text) => log.warning(&text),
            Answer::Ended(ended) => {
                is_over = true;
                if ended.how != Ending::Exited(0) {
                    log.warning(&format!("{name} {}", Finish::Ended(ended.how)));
                }
            }
        });
        is_over |= runner.is_gone();
        while heeds && let Ok(Some(received)) = signals.next() {
            if matches!(received.signal, Signal::Terminate | Signal::Interrupt) {
                log.info(&format!("Stopping; {name} is ended"));
                (meanwhile, is_over) = (Meanwhile::Terminated, true);
            }
        }
    }
    // With its channel closed, the spawner ends what still runs.
    drop(runner);
    spawner.join();
    meanwhile
}
