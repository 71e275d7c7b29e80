//! The addresses of a server, looked up by a thread of its own: the C library's resolver cannot be told to stop.

use node::mail::{Trouble, clean};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::time::Duration;

/// So many look-ups may hang at once.
const HANGING: usize = 4;

type Found = Result<Vec<SocketAddr>, Trouble>;
type Look = fn(&str, u16) -> Found;

/// A look-up that has not ended in time.
#[derive(Debug)]
struct Pending {
    host: String,
    port: u16,
    found: Receiver<Found>,
}

/// Looks servers up.
#[derive(Debug)]
pub(super) struct Resolver {
    look: Look,
    pending: Option<Pending>,
    /// Held by each look-up that goes on.
    hanging: Arc<()>,
}

impl Resolver {
    pub(super) fn new() -> Self {
        Self { look: ask, pending: None, hanging: Arc::new(()) }
    }

    /// The addresses of a server, not later than `limit`. What hung last time is asked again by waiting on; what it has
    /// found since is used, and if it has failed since, things may be better by now.
    pub(super) fn look_up(&mut self, host: &str, port: u16, limit: Duration) -> Found {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let mut pending = None;
        if let Some(before) = self.pending.take_if(|one| one.host == host && one.port == port) {
            match before.found.try_recv() {
                Ok(Ok(found)) => return Ok(found),
                Ok(Err(_)) | Err(TryRecvError::Disconnected) => {}
                Err(TryRecvError::Empty) => pending = Some(before),
            }
        }
        let pending = match pending {
            Some(pending) => pending,
            None => self.begin(host, port)?,
        };
        match pending.found.recv_timeout(limit) {
            Ok(found) => found,
            Err(RecvTimeoutError::Timeout) => {
                self.pending = Some(pending);
                Err(Trouble::Silent(limit))
            }
            Err(RecvTimeoutError::Disconnected) => {
                Err(Trouble::Unknown(format!("{}: the look-up has ended without an answer", clean(host))))
            }
        }
    }

    fn begin(&self, host: &str, port: u16) -> Result<Pending, Trouble> {
        if Arc::strong_count(&self.hanging) > HANGING {
            return Err(Trouble::Unknown(format!("{HANGING} look-ups hang already")));
        }
        let (sender, found) = channel();
        let (look, name, hangs) = (self.look, host.to_owned(), self.hanging.clone());
        let thread = std::thread::Builder::new().name("resolver".into());
        let started = thread.spawn(move || {
            // Nobody listens any more: then it took too long.
            let _ = sender.send(look(&name, port));
            drop(hangs);
        });
        started.map_err(|why| Trouble::Refused(crate::error::Refusal::of(&why).errno))?;
        Ok(Pending { host: host.to_owned(), port, found })
    }
}

fn ask(host: &str, port: u16) -> Found {
    match (host, port).to_socket_addrs() {
        Ok(addresses) => Ok(addresses.collect()),
        Err(why) => {
            let text = why.to_string();
            let reason = text.rsplit(": ").next().unwrap_or(&text);
            Err(Trouble::Unknown(clean(&format!("{host}: {reason}"))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);

    fn hangs(_: &str, _: u16) -> Found {
        loop {
            std::thread::park();
        }
    }

    fn one() -> Vec<SocketAddr> {
        vec!["10.0.0.25:25".parse().unwrap()]
    }

    #[test]
    fn an_address_needs_no_resolver() {
        let mut resolver = Resolver { look: hangs, ..Resolver::new() };
        assert_eq!(resolver.look_up("10.0.0.25", 25, SHORT), Ok(one()));
        assert_eq!(resolver.look_up("::1", 25, SHORT), Ok(vec!["[::1]:25".parse().unwrap()]));
    }

    #[test]
    fn a_resolver_that_hangs_is_given_up_and_bounded() {
        let mut resolver = Resolver { look: hangs, ..Resolver::new() };
        for _ in 0..10 {
            assert_eq!(resolver.look_up("relay", 25, SHORT), Err(Trouble::Silent(SHORT)));
        }
        // One name hangs once, however often it is asked for.
        assert_eq!(Arc::strong_count(&resolver.hanging), 2);
        for n in 0..10 {
            let found = resolver.look_up(&format!("relay-{n}"), 25, SHORT);
            assert_eq!(matches!(found, Err(Trouble::Unknown(_))), n >= 3, "{n}: {found:?}");
        }
        assert_eq!(Arc::strong_count(&resolver.hanging), 5);
    }

    #[test]
    fn what_comes_too_late_is_found_the_next_time() {
        let mut resolver = Resolver { look: |_, _| Ok(one()), ..Resolver::new() };
        let (sender, found) = channel();
        resolver.pending = Some(Pending { host: "relay".into(), port: 25, found });
        assert_eq!(resolver.look_up("relay", 25, SHORT), Err(Trouble::Silent(SHORT)));
        let late: Vec<SocketAddr> = vec!["10.0.0.26:25".parse().unwrap()];
        sender.send(Ok(late.clone())).unwrap();
        assert_eq!(resolver.look_up("relay", 25, SHORT), Ok(late));
        assert_eq!(resolver.look_up("relay", 25, Duration::from_secs(10)), Ok(one()));
    }

    #[test]
    fn what_failed_after_its_time_is_asked_anew() {
        let mut resolver = Resolver { look: |_, _| Ok(one()), ..Resolver::new() };
        let long = Duration::from_secs(10);
        let (sender, found) = channel();
        sender.send(Err(Trouble::Unknown("relay: temporary failure".into()))).unwrap();
        resolver.pending = Some(Pending { host: "relay".into(), port: 25, found });
        assert_eq!(resolver.look_up("relay", 25, long), Ok(one()));
        // A thread that has died.
        let (sender, found) = channel();
        drop(sender);
        resolver.pending = Some(Pending { host: "relay".into(), port: 25, found });
        assert_eq!(resolver.look_up("relay", 25, long), Ok(one()));
        resolver.look = |_, _| panic!("a resolver that is broken");
        assert!(matches!(resolver.look_up("relay", 25, long), Err(Trouble::Unknown(_))));
    }

    #[test]
    fn a_name_that_does_not_exist_says_so() {
        // Not a name at all, so that nobody is asked.
        let Err(Trouble::Unknown(why)) = ask(&"x".repeat(300), 25) else { panic!("it was found") };
        assert!(why.starts_with("xxx"), "{why}");
    }
}
