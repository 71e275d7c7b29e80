//! The laboratory of the demonstration: lb01, lb02, a client, the switch between them, and everything that
//! watches them.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lab::{
    Caller, Capture, Change, Client, Daemon, Ended, Lab, Line, Lossy, Machine, Result, Signal, Traffic, Watch,
};
use linux::signals::Signals;
use timeline::Instant;
use wire::Mac;
use wire::frame::Seen;

use super::measure::{History, Power, What, holds, sight, sights};
use super::scenario::{ASKS_EVERY, CALLS_EVERY, CLIENT, LOOK, PATIENCE, PORT, Pair, VIP, Who, configuration};
use super::service;

/// Long enough for whatever happens at once, on a busy machine too.
pub(crate) const SOON: Duration = Duration::from_secs(10);
/// What the network card of each machine is called.
const ETH0: &str = "eth0";
/// The start of a daemon's log line that says that it listens for others now.
pub(crate) const LISTENS: &str = "Entering BACKUP STATE";

/// A program that can be a load balancer's daemon.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// What is started.
    path: PathBuf,
    /// It is keepalived: it wants its options, and has its words.
    pub(crate) keepalived: bool,
    /// What it calls itself.
    pub(crate) version: String,
}

impl Program {
    /// This very program.
    pub(crate) fn own() -> Self {
        let version = format!("standfast {}", env!("CARGO_PKG_VERSION"));
        Self { path: "/proc/self/exe".into(), keepalived: false, version }
    }

    /// Another one, which is asked for its version.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn other(path: &Path, lab: &Lab) -> Result<Self> {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let asked = lab.machine("client")?.spawn(path, |command| {
            command.arg("--version");
        })?;
        let said = asked.lines().wait(SOON, |line| !line.text.trim().is_empty());
        let version = said.map_or(name.clone(), |line| first_words(&line.text));
        Ok(Self { path: path.to_owned(), keepalived: name.contains("keepalived"), version })
    }
}

/// `Keepalived v2.2.7 (01/16,2022)` → `keepalived 2.2.7`.
fn first_words(line: &str) -> String {
    let mut words = line.split_whitespace();
    let name = words.next().unwrap_or_default().to_lowercase();
    let version = words.next().unwrap_or_default().trim_start_matches('v');
    if version.starts_with(|c: char| c.is_ascii_digit()) { format!("{name} {version}") } else { name }
}

/// What watches one of the load balancers.
#[derive(Debug)]
struct Post {
    machine: Machine,
    capture: Capture,
    watch: Watch,
}

/// What watches all of it; the screen looks through it while the story goes on.
#[derive(Debug)]
pub(crate) struct Eyes {
    client: Client,
    wire: Capture,
    posts: [Post; 2],
    macs: [Mac; 2],
    begun: Instant,
    power: Mutex<[Vec<(Instant, Power)>; 2]>,
    chapters: Mutex<Vec<(Instant, String)>>,
    page: Mutex<Option<Instant>>,
    caller: Mutex<Option<Arc<Caller>>>,
}

impl Eyes {
    /// When the machines stood ready.
    pub(crate) fn begun(&self) -> Instant {
        self.begun
    }

    /// Everything that was seen until now.
    pub(crate) fn history(&self) -> History {
        let power = lock(&self.power).clone();
        let timeline = self.client.timeline();
        let taken = timeline.taken;
        let mut held: Vec<_> = Who::BOTH
            .into_iter()
            .flat_map(|who| {
                let index = who.index();
                holds(who, &self.posts[index].watch.events().all(), &power[index], taken)
            })
            .collect();
        held.sort_by_key(|hold| hold.from);
        History {
            begun: self.begun,
            taken,
            sights: sights(&self.wire.records(), self.macs),
            probes: timeline.probes,
            answers: timeline.answers,
            holds: held,
            calls: lock(&self.caller).as_deref().map(|caller| caller.calls().all()).unwrap_or_default(),
            power,
            macs: self.macs,
        }
    }

    /// The parts of the story so far, with their beginnings.
    pub(crate) fn chapters(&self) -> Vec<(Instant, String)> {
        lock(&self.chapters).clone()
    }

    /// A part of the story begins.
    pub(crate) fn begin(&self, name: impl Into<String>) {
        lock(&self.chapters).push((lab::now(), name.into()));
    }

    /// The second page of the picture begins.
    pub(crate) fn turn_page(&self) {
        *lock(&self.page) = Some(lab::now());
    }

    /// When the second page began, if it did.
    pub(crate) fn page(&self) -> Option<Instant> {
        *lock(&self.page)
    }

    /// Frames that the kernel had no room for: the numbers would be wrong.
    pub(crate) fn dropped(&self) -> u32 {
        let posts: u32 = self.posts.iter().map(|post| post.capture.dropped()).sum();
        posts + self.wire.dropped()
    }

    fn turn(&self, who: Who, power: Power) {
        self.note(who, lab::now(), power);
    }

    /// Notes what became of a machine, and when; later than what was noted before.
    pub(crate) fn note(&self, who: Who, at: Instant, power: Power) {
        lock(&self.power)[who.index()].push((at, power));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is in there is whole after every line that changes it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A daemon that was started at some time.
#[derive(Debug)]
struct Life {
    who: Who,
    daemon: Daemon,
}

/// The laboratory.
#[derive(Debug)]
pub(crate) struct World<'a> {
    // In this order: the daemons end before the machines do.
    lives: Vec<Life>,
    services: [Option<Daemon>; 2],
    lab: &'a Lab,
    eyes: &'a Eyes,
    programs: &'a [Program; 2],
    signals: &'a Signals,
}

/// Makes the machines.
///
/// # Errors
/// When the kernel refuses.
pub(crate) fn build() -> Result<Lab> {
    let [one, two] = Who::BOTH.map(|who| format!("{}/24", who.address()));
    Lab::builder()
        .machine("lb01", &one, None)
        .machine("lb02", &two, None)
        .machine("client", &format!("{CLIENT}/24"), None)
        .build()
}

/// Begins to watch.
///
/// # Errors
/// When sockets are refused.
pub(crate) fn watch(lab: &Lab) -> Result<Eyes> {
    let post = |who: Who| {
        let machine = lab.machine(who.name())?.clone();
        let (capture, watch) = (Capture::start(&machine, ETH0)?, machine.watch_addresses()?);
        Ok::<_, lab::Error>(Post { machine, capture, watch })
    };
    let posts = [post(Who::Lb01)?, post(Who::Lb02)?];
    let macs = [posts[0].machine.mac(ETH0)?, posts[1].machine.mac(ETH0)?];
    let client = lab.machine("client")?;
    Ok(Eyes {
        wire: Capture::start(client, ETH0)?,
        client: Client::start_every(client, VIP.into(), ASKS_EVERY)?,
        posts,
        macs,
        begun: lab::now(),
        power: Mutex::default(),
        chapters: Mutex::default(),
        page: Mutex::default(),
        caller: Mutex::default(),
    })
}

impl<'a> World<'a> {
    /// Nothing runs yet.
    pub(crate) fn new(
        lab: &'a Lab,
        eyes: &'a Eyes,
        programs: &'a [Program; 2],
        signals: &'a Signals,
    ) -> Self {
        Self { lives: Vec::new(), services: [None, None], lab, eyes, programs, signals }
    }

    /// What watches it.
    pub(crate) fn eyes(&self) -> &'a Eyes {
        self.eyes
    }

    fn machine(&self, who: Who) -> &'a Machine {
        &self.eyes.posts[who.index()].machine
    }

    /// Starts the daemon of `who`; says when.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(&mut self, who: Who, pair: Pair) -> Result<Instant> {
        let machine = self.machine(who);
        let (file, look) = (machine.file("keepalived.conf"), machine.file("look"));
        machine.write(&file, configuration(who, pair, &look))?;
        if pair == Pair::Looking {
            machine.write(&look, LOOK)?;
            let executable = || fs::set_permissions(&look, fs::Permissions::from_mode(0o755));
            machine.within(executable)?.map_err(|why| cannot_write(&look, why))?;
        }
        let program = &self.programs[who.index()];
        self.eyes.turn(who, Power::Serving);
        let at = lab::now();
        let daemon = machine.spawn(&program.path, |command| {
            // keepalived: in the foreground, on the console, and not in this machine's syslog.
            let words: &[&str] = if program.keepalived { &["-n", "-l", "-G", "-f"] } else { &["run", "-f"] };
            command.args(words).arg(&file);
            self.signals.restore_for(command);
        })?;
        self.lives.push(Life { who, daemon });
        Ok(at)
    }

    /// Starts the service of `who` and waits until it listens; says when it was started.
    ///
    /// # Errors
    /// When it does not come up.
    pub(crate) fn start_service(&mut self, who: Who) -> Result<Instant> {
        let at = lab::now();
        let service = self.machine(who).spawn("/proc/self/exe", |command| {
            command.args(["demo", "--serve", who.name()]);
            self.signals.restore_for(command);
        })?;
        let listens = service.wait_for_line(service::LISTENS, SOON).map(drop);
        self.services[who.index()] = Some(service);
        listens.map(|()| at)
    }

    /// Kills the service of `who`; says when it was dead.
    ///
    /// # Errors
    /// When there is none, or the kernel does not end it.
    pub(crate) fn kill_service(&mut self, who: Who) -> Result<Instant> {
        let service = self.services[who.index()].take();
        let service =
            service.ok_or_else(|| lab::Error::NoMachine(format!("{} with a service", who.name())))?;
        service.kill_crash().map(|_| lab::now())
    }

    /// Lets the client call the service from now on.
    ///
    /// # Errors
    /// When it cannot.
    pub(crate) fn call_service(&self) -> Result<()> {
        let client = self.lab.machine("client")?;
        let caller = Caller::start(client, (VIP, PORT).into(), CALLS_EVERY, PATIENCE)?;
        *lock(&self.eyes.caller) = Some(Arc::new(caller));
        Ok(())
    }

    /// Waits until a call of the client is answered by the service of `who`.
    ///
    /// # Errors
    /// When it is not.
    pub(crate) fn wait_served(&self, who: Who) -> Result<()> {
        // Not locked while it waits: the screen looks through the same eyes.
        let caller = lock(&self.eyes.caller).clone();
        let caller =
            caller.ok_or_else(|| lab::Error::NoMachine("client that calls the service".to_owned()))?;
        caller.wait_for_body(who.name(), SOON).map(drop)
    }

    fn life(&self, who: Who) -> Result<&Daemon> {
        let last = self.lives.iter().rev().find(|life| life.who == who);
        last.map(|life| &life.daemon).ok_or_else(|| lab::Error::NoMachine(who.name().to_owned()))
    }

    /// Waits until the latest daemon of `who` says that it listens; says when that was.
    ///
    /// # Errors
    /// When it does not say so, or ends.
    pub(crate) fn wait_listening(&self, who: Who) -> Result<Instant> {
        let daemon = self.life(who)?;
        daemon.wait_for_line(LISTENS, SOON).map(|line| line.at).map_err(|late| match daemon.ended() {
            Some(ended) => ended_early(who, ended),
            None => late,
        })
    }

    /// Cuts the power of `who`: all its processes stop at once and its cable is dead. What was in its memory (the
    /// addresses that its kernel held, its `/run`) is gone when it comes back.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(crate) fn power_off(&self, who: Who) -> Result<()> {
        let machine = self.machine(who);
        let daemon = self.life(who)?;
        self.eyes.turn(who, Power::Off);
        // Frozen, none of them can say or do anything more; dead, none can be woken.
        daemon.freeze()?;
        self.lab.cable(machine).unplug()?;
        daemon.kill_crash().map(drop)
    }

    /// Gives `who` its power back and starts its daemon; says when.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(crate) fn power_on(&mut self, who: Who, pair: Pair) -> Result<Instant> {
        let machine = self.machine(who);
        let watch = &self.eyes.posts[who.index()].watch;
        let mark = watch.events().mark();
        if forget(machine)? {
            // Not before the watch knows it too, or the machine would seem to hold it for a moment.
            watch.wait_for_address_gone(mark, VIP.into(), SOON)?;
        }
        self.eyes.turn(who, Power::Idle);
        self.lab.cable(machine).plug()?;
        let carrier =
            |change: &Change| matches!(change, Change::Link { name, carrier: true, .. } if name == ETH0);
        watch.wait_from(mark, "the cable has carrier", SOON, |event| carrier(&event.change))?;
        self.start(who, pair)
    }

    /// Asks the daemon of `who` to stop (SIGTERM).
    ///
    /// # Errors
    /// When it has ended before.
    pub(crate) fn ask_to_stop(&self, who: Who) -> Result<()> {
        self.life(who)?.signal(Signal::TERM)
    }

    /// Waits for the end of that daemon.
    ///
    /// # Errors
    /// When it goes on.
    pub(crate) fn wait_end(&self, who: Who) -> Result<Ended> {
        let ended = self.life(who)?.wait(SOON)?;
        self.eyes.turn(who, Power::Idle);
        Ok(ended)
    }

    /// Waits for the next advert of `who`; says when it was sent.
    ///
    /// # Errors
    /// When none comes.
    pub(crate) fn wait_next_advert(&self, who: Who) -> Result<Instant> {
        self.wait_adverts(who, 1)
    }

    /// Waits for the next `count` adverts of `who`; says when the last of them was sent.
    ///
    /// # Errors
    /// When they do not come.
    pub(crate) fn wait_adverts(&self, who: Who, count: usize) -> Result<Instant> {
        let capture = &self.eyes.wire;
        let mut mark = capture.tape().mark();
        let mut at = lab::now();
        for _ in 0..count {
            let what = format!("an advert of {}", who.name());
            let wanted = |record: &lab::Record| matches!(record.seen, Some(Seen::Vrrp { source, .. }) if source == who.address());
            let (next, record) = capture.wait_from(mark, &what, SOON, wanted)?;
            (mark, at) = (next, record.at);
        }
        Ok(at)
    }

    /// Waits for the first gratuitous ARP of `who` for the service address since `since`; says when it left.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn wait_announcement(&self, who: Who, since: Instant) -> Result<Instant> {
        let what = format!("{} announces {VIP} by gratuitous ARP", who.name());
        let wanted = |record: &lab::Record| {
            record.outgoing
                && record.at >= since
                && sight(record, self.eyes.macs)
                    .is_some_and(|sight| sight.who == Some(who) && sight.what == What::Announcement)
        };
        Ok(self.eyes.posts[who.index()].capture.wait_for(&what, SOON, wanted)?.at)
    }

    /// Waits until `who` answers the client.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) fn wait_answer(&self, who: Who) -> Result<Instant> {
        Ok(self.eyes.client.wait_for_answer_by(self.eyes.macs[who.index()], SOON)?.at)
    }

    /// Waits until the kernel of `who` holds the address, or does not.
    ///
    /// # Errors
    /// When that does not happen.
    pub(crate) fn wait_holds(&self, who: Who, held: bool) -> Result<()> {
        self.machine(who).wait_until_holds(VIP.into(), held, SOON).map(drop)
    }

    /// The last advert that `by` received from the other before `until`, with its priority.
    pub(crate) fn last_heard(&self, by: Who, until: Instant) -> Option<(Instant, u8)> {
        let records = self.eyes.posts[by.index()].capture.records();
        let heard = records.iter().filter(|record| !record.outgoing && record.at < until);
        let adverts = heard.filter_map(|record| match sight(record, self.eyes.macs)?.what {
            What::Advert { priority, .. } => Some((record.at, priority)),
            What::Announcement => None,
        });
        adverts.last()
    }

    /// The service address as the kernel of `who` has it, with its prefix length.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub(crate) fn service_address(&self, who: Who) -> Result<Option<String>> {
        let all = self.machine(who).addresses(ETH0)?;
        Ok(all.iter().find(|cidr| cidr.address == VIP).map(ToString::to_string))
    }

    /// Where the client would send a packet for the service address.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub(crate) fn client_believes(&self) -> Result<Option<Mac>> {
        self.lab.machine("client")?.neighbour(VIP.into())
    }

    /// What the daemons of `who` said between `since` and `until`.
    pub(crate) fn said(&self, who: Who, since: Instant, until: Instant) -> Vec<Line> {
        let lives = self.lives.iter().filter(|life| life.who == who);
        lives
            .flat_map(|life| life.daemon.lines().all())
            .filter(|line| line.at >= since && line.at <= until)
            .collect()
    }

    /// Copies captures, logs and configurations into a directory; says what it is called there.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(crate) fn keep(&self, directory: &Path) -> Result<()> {
        for who in Who::BOTH {
            let name = who.name();
            self.eyes.posts[who.index()].capture.write_pcap(directory.join(format!("{name}.pcap")))?;
            let look = self.machine(who).file("look");
            for (pair, suffix) in Pair::ALL {
                let file = directory.join(format!("{name}{suffix}.conf"));
                fs::write(&file, configuration(who, pair, &look)).map_err(|why| cannot_write(&file, why))?;
            }
            let lives = self.lives.iter().filter(|life| life.who == who);
            for (number, life) in lives.enumerate() {
                let file = directory.join(format!("{name}-{}.log", number + 1));
                fs::write(&file, life.daemon.log()).map_err(|why| cannot_write(&file, why))?;
            }
        }
        let look = directory.join("look");
        fs::write(&look, LOOK).map_err(|why| cannot_write(&look, why))?;
        self.eyes.wire.write_pcap(directory.join("client.pcap"))
    }

    /// Cuts the way between the two; the client reaches both, and every link has carrier.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(crate) fn cut(&self) -> Result<()> {
        self.lab.isolate(&[self.machine(Who::Lb01), self.machine(Who::Lb02)])
    }

    /// Opens the way again that [`World::cut`] has cut.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(crate) fn join(&self) -> Result<()> {
        self.lab.heal()
    }

    /// Loses all adverts on their way to `who`, until the result is dropped.
    ///
    /// # Errors
    /// When the kernel refuses, or has no such filters.
    pub(crate) fn deafen(&self, who: Who) -> Result<Lossy> {
        self.lab.lose_to(self.machine(who), Traffic::Vrrp)
    }

    /// Whether `who` runs keepalived.
    pub(crate) fn is_keepalived(&self, who: Who) -> bool {
        self.programs[who.index()].keepalived
    }

    /// Waits until the latest daemon of `who` says something with `words` in it, not before `since`.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) fn wait_said(&self, who: Who, words: &str, since: Instant) -> Result<Line> {
        let daemon = self.life(who)?;
        let said = daemon.lines().wait(SOON, |line| line.at >= since && line.text.contains(words));
        said.ok_or_else(|| lab::Error::Late {
            what: format!("{} says {words:?}", who.name()),
            within: SOON,
            seen: String::new(),
        })
    }
}

/// How a daemon ended that should not have.
fn ended_early(who: Who, ended: Ended) -> lab::Error {
    let how = match ended {
        Ended::Code(code) => format!("it ended with exit code {code}"),
        Ended::Signal(signal) => format!("signal {signal} ended it"),
    };
    lab::Error::System { doing: format!("run the daemon of {}", who.name()), why: std::io::Error::other(how) }
}

fn cannot_write(file: &Path, why: std::io::Error) -> lab::Error {
    let name = file.file_name().unwrap_or(OsStr::new("?")).to_string_lossy();
    lab::Error::System { doing: format!("write {name}"), why }
}

/// What a power cut does to memory. Says whether the kernel held the service address.
fn forget(machine: &Machine) -> Result<bool> {
    let service = lab::Cidr::host(VIP.into());
    let held = machine.holds(service.address)?;
    if held {
        machine.del_address(ETH0, service)?;
    }
    machine.within(|| {
        for entry in fs::read_dir("/run").into_iter().flatten().flatten() {
            let path = entry.path();
            // The laboratory's own directory is no part of the machine.
            if path.ends_with("lab") {
                continue;
            }
            let _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        }
    })?;
    Ok(held)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_shortened() {
        assert_eq!(first_words("Keepalived v2.2.7 (01/16,2022)"), "keepalived 2.2.7");
        assert_eq!(first_words("standfast 0.1.0"), "standfast 0.1.0");
        assert_eq!(first_words("odd (GNU coreutils) 9.1"), "odd");
    }
}
