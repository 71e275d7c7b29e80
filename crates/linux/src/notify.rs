//! Tells the service manager (systemd, `Type=notify-reload`) how far the daemon is.
//!
//! Without a service manager (`NOTIFY_SOCKET` is not set) every function does nothing. A manager that does
//! not listen is no reason to stop: what cannot be told is not told.

use sd_notify::NotifyState;

/// Start-up or reload is complete.
pub fn ready(status: &str) {
    send(&[NotifyState::Ready, NotifyState::Status(&line(status))]);
}

/// A reload begins; [`ready`] ends it.
pub fn reloading() {
    let mut states = vec![NotifyState::Reloading];
    // notify-reload wants to know when, on CLOCK_MONOTONIC.
    states.extend(NotifyState::monotonic_usec_now());
    send(&states);
}

/// The daemon ends in order.
pub fn stopping() {
    send(&[NotifyState::Stopping]);
}

/// One line for `systemctl status`.
pub fn status(text: &str) {
    send(&[NotifyState::Status(&line(text))]);
}

/// The daemon is alive; to be called at least twice in each [`watchdog`] interval.
pub fn alive() {
    send(&[NotifyState::Watchdog]);
}

/// How often the service manager wants to hear that the daemon is alive; `None`: not at all.
#[must_use]
pub fn watchdog() -> Option<std::time::Duration> {
    sd_notify::watchdog_enabled()
}

/// A line feed would end the variable and begin another.
fn line(text: &str) -> String {
    text.replace('\n', " ")
}

fn send(states: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(states);
}
