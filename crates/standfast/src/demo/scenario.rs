//! What is played: two load balancers, one address, and the protocol's own arithmetic about them.
//!
//! The intervals are computed here from the text of RFC 3768 and not by the crate that the daemons use: a
//! demonstration that asks the accused for the law proves nothing.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

/// The service address.
pub(crate) const VIP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 3);
/// The virtual router.
pub(crate) const VRID: u8 = 50;
/// One advert a second.
pub(crate) const INTERVAL: Duration = Duration::from_secs(1);
/// The client's own address.
pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
/// How often the client asks.
pub(crate) const ASKS_EVERY: Duration = Duration::from_millis(2);
/// Where the service listens.
pub(crate) const PORT: u16 = 80;
/// How often the client calls the service.
pub(crate) const CALLS_EVERY: Duration = Duration::from_millis(10);
/// How long it waits for the service each time.
pub(crate) const PATIENCE: Duration = Duration::from_millis(50);
/// How often a load balancer looks whether its service is there.
pub(crate) const LOOKS_EVERY: Duration = Duration::from_secs(1);
/// So many failures in a row count.
pub(crate) const FALL: u32 = 2;

/// One of the two load balancers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    /// The preferred one, priority 150.
    Lb01,
    /// The other, priority 100.
    Lb02,
}

impl Who {
    /// Both.
    pub(crate) const BOTH: [Self; 2] = [Self::Lb01, Self::Lb02];

    /// 0 or 1.
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Lb01 => 0,
            Self::Lb02 => 1,
        }
    }

    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Lb01 => "lb01",
            Self::Lb02 => "lb02",
        }
    }

    /// Its own address.
    pub(crate) const fn address(self) -> Ipv4Addr {
        match self {
            Self::Lb01 => Ipv4Addr::new(10, 0, 0, 5),
            Self::Lb02 => Ipv4Addr::new(10, 0, 0, 6),
        }
    }

    /// Whose name this is.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::BOTH.into_iter().find(|who| who.name() == name)
    }

    /// Its priority.
    pub(crate) const fn priority(self) -> u8 {
        match self {
            Self::Lb01 => 150,
            Self::Lb02 => 100,
        }
    }
}

/// Which of the scenario's pairs of configurations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pair {
    /// `state MASTER` on lb01, `state BACKUP` on lb02: whoever returns takes the address back.
    Preempting,
    /// `state BACKUP` and `nopreempt` on both: whoever has the address keeps it.
    Staying,
    /// As `Preempting`, and a script on each looks whether its service is there.
    Looking,
}

impl Pair {
    /// All of them, each with what its files are called by.
    pub(crate) const ALL: [(Self, &'static str); 3] =
        [(Self::Preempting, ""), (Self::Staying, "-nopreempt"), (Self::Looking, "-service")];
}

/// The configuration file of one of them; `look` is the script that `Pair::Looking` runs.
pub(crate) fn configuration(who: Who, pair: Pair, look: &Path) -> String {
    let (state, stay) = match (pair, who) {
        (Pair::Preempting | Pair::Looking, Who::Lb01) => ("MASTER", ""),
        (Pair::Preempting | Pair::Looking, Who::Lb02) => ("BACKUP", ""),
        (Pair::Staying, _) => ("BACKUP", "    nopreempt\n"),
    };
    let (user, script, track) = match pair {
        Pair::Preempting | Pair::Staying => ("", String::new(), ""),
        Pair::Looking => {
            let (look, every) = (look.display(), LOOKS_EVERY.as_secs());
            let script = format!(
                "vrrp_script service {{
    script \"{look} {PORT}\"
    interval {every}
    fall {FALL}
    rise 1
}}

"
            );
            ("    script_user root\n", script, "    track_script {\n        service\n    }\n")
        }
    };
    let (name, priority) = (who.name(), who.priority());
    format!(
        "global_defs {{
    router_id {name}
{user}}}

{script}vrrp_instance VI_1 {{
    state {state}
{stay}    interface eth0
    virtual_router_id {VRID}
    priority {priority}
    advert_int 1
    authentication {{
        auth_type PASS
        auth_pass 1111
    }}
    virtual_ipaddress {{
        {VIP}
    }}
{track}}}
"
    )
}

/// The script that looks whether anybody listens on a port of this machine. It needs no other program than a shell,
/// because the demonstration promises that; the manual has shorter ones.
pub(crate) const LOOK: &str = r"#!/bin/sh
# look PORT: does anybody listen there? The kernel says so in state 0A.
port=$(printf '%04X' $1)
while read -r _ local _ state _; do
    case $local/$state in *:$port/0A) exit 0 ;; esac
done </proc/self/net/tcp
exit 1
";

/// A time that the protocol names, with the arithmetic that leads to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Term {
    /// The arithmetic, result included.
    pub(crate) formula: String,
    /// The result.
    pub(crate) length: Duration,
}

/// Skew_Time of version 2: (256 − priority) / 256 seconds (RFC 3768 section 6.1).
pub(crate) fn skew(who: Who) -> Term {
    let short = 256 - u32::from(who.priority());
    let length = Duration::from_secs(1) * short / 256;
    let formula = format!("(256 − {})/256 s = {:.3} s", who.priority(), length.as_secs_f64());
    Term { formula, length }
}

/// Master_Down_Interval of version 2: three adverts missed, and the skew.
pub(crate) fn down(who: Who) -> Term {
    let length = INTERVAL * 3 + skew(who).length;
    let formula = format!("3 × 1 s + (256 − {})/256 s = {:.3} s", who.priority(), length.as_secs_f64());
    Term { formula, length }
}

/// So many of `what` that takes `each`, as long as that.
fn times(number: u32, each: Duration) -> Term {
    let length = each * number;
    let formula = format!("{number} × {} s = {} s", each.as_secs(), length.as_secs());
    Term { formula, length }
}

/// How long a dead service goes unnoticed at most: it died right after a look that found it.
pub(crate) fn noticed() -> Term {
    times(FALL, LOOKS_EVERY)
}

/// How long a service that is back goes unnoticed at most.
pub(crate) fn noticed_back() -> Term {
    times(1, LOOKS_EVERY)
}

/// How long two routers that hear each other go on side by side at most: until one of them says something.
pub(crate) fn heard() -> Term {
    times(1, INTERVAL)
}

/// How long it takes at most to know that one is not heard: three adverts of somebody who was answered each time.
pub(crate) fn unheard() -> Term {
    times(3, INTERVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arithmetic_is_the_one_of_the_protocol() {
        assert_eq!(down(Who::Lb01).length, Duration::from_nanos(3_414_062_500));
        assert_eq!(down(Who::Lb02).length, Duration::from_nanos(3_609_375_000));
        assert_eq!(down(Who::Lb02).formula, "3 × 1 s + (256 − 100)/256 s = 3.609 s");
        assert_eq!(skew(Who::Lb02).formula, "(256 − 100)/256 s = 0.609 s");
        assert_eq!((noticed().formula.as_str(), noticed().length), ("2 × 1 s = 2 s", Duration::from_secs(2)));
        assert_eq!(unheard().length, Duration::from_secs(3));
    }

    #[test]
    fn the_configurations_differ_where_the_scenario_says() {
        let look = Path::new("/look");
        let lb01 = configuration(Who::Lb01, Pair::Preempting, look);
        assert!(
            lb01.contains("state MASTER") && lb01.contains("priority 150") && !lb01.contains("nopreempt")
        );
        let lb02 = configuration(Who::Lb02, Pair::Staying, look);
        assert!(lb02.contains("state BACKUP\n    nopreempt\n") && lb02.contains("router_id lb02"));
        assert!(!lb02.contains("script"), "{lb02}");
        let looking = configuration(Who::Lb01, Pair::Looking, look);
        for part in
            ["    script \"/look 80\"\n    interval 1\n    fall 2\n", "track_script {\n        service\n"]
        {
            assert!(looking.contains(part), "{looking}");
        }
    }
}
