//! The story in steps: what is done to the machines, and what is looked at afterwards.
//!
//! Every wait is for something that happens (a frame, a log line, an answer), with a deadline; nothing sleeps.

mod service;
mod split;

use lab::{Ended, Result};
use serde_json::json;
use timeline::Instant;

use super::judge::{self, Takeover, Window};
use super::report::Step;
use super::scenario::{INTERVAL, Pair, Term, Who, down, heard, noticed, noticed_back, skew, unheard};
use super::screen::Screen;
use super::without_time;
use super::world::World;
use crate::draw::words::{millis, secs, span};

const LB01: Who = Who::Lb01;
const LB02: Who = Who::Lb02;

/// How Standfast begins the reason of what it has said.
const BECAUSE: &str = " because ";
/// How it begins what somebody should look at.
const ALARM: &str = "ALARM: ";
/// The steps of the quick story.
const QUICK: usize = 4;

/// The story so far.
#[derive(Debug)]
pub(crate) struct Story<'a> {
    pub(crate) world: World<'a>,
    screen: &'a Screen,
    pub(crate) steps: Vec<Step>,
}

/// How a step is played: it fills in its checks.
type Play<'a> = fn(&mut Story<'a>, &mut Step) -> Result<()>;

impl<'a> Story<'a> {
    pub(crate) fn new(world: World<'a>, screen: &'a Screen) -> Self {
        Self { world, screen, steps: Vec::new() }
    }

    /// Plays it. A step that cannot be played to its end is off, and the last one.
    pub(crate) fn play(&mut self, quick: bool) {
        let plays: [(&str, &str, &str, Play<'a>); 7] = [
            ("1 start", "S2", "both start: who has the address?", Self::start),
            ("", "S3", "lb01 loses power: processes killed, cable dead", Self::crash),
            ("3 back", "S4", "lb01 comes back and takes the address back", Self::come_back),
            ("4 stop", "S3", "lb01 is stopped in order (SIGTERM)", Self::stop),
            ("5 nopreempt", "S5", "nopreempt on both: lb01 loses power and comes back", Self::stay),
            ("", "S7", "a service on each, watched by a script: lb01's dies, and comes back", Self::service),
            ("", "S10", "split brain: the way between lb01 and lb02 is cut", Self::split),
        ];
        let count = if quick { QUICK } else { plays.len() };
        for (n, (chapter, story, title, play)) in plays.into_iter().take(count).enumerate() {
            let mut step = Step::new(n + 1, story, title, lab::now());
            step.allowed = allowed(n + 1);
            self.screen.say(step.head());
            let played = {
                step.from = lab::now();
                if !chapter.is_empty() {
                    self.world.eyes().begin(chapter);
                }
                play(self, &mut step)
            };
            if let Err(why) = &played {
                let mut why = vec![why.to_string()];
                let both = self.world.eyes().history().both_held(step.from, lab::now());
                if both > judge::AT_ONCE {
                    why.push(format!("meanwhile two machines had the address for {}", span(both)));
                }
                step.check("stopped", "this step could not be played to its end".into(), why, json!({}));
            }
            step.until = lab::now();
            self.screen.say(step.tail());
            self.screen.say([crate::draw::ink::Line::default()]);
            self.steps.push(step);
            if played.is_err() {
                return;
            }
        }
    }

    /// S2: both start, lb01 gets the address.
    fn start(&mut self, step: &mut Step) -> Result<()> {
        let started = self.world.start(LB01, Pair::Preempting)?;
        self.world.start(LB02, Pair::Preempting)?;
        let listening = self.world.wait_listening(LB01)?;
        self.world.wait_listening(LB02)?;
        let announced = self.world.wait_announcement(LB01, started)?;
        self.world.wait_answer(LB01)?;
        self.world.wait_next_advert(LB01)?;
        let held = [self.world.service_address(LB01)?, self.world.service_address(LB02)?];
        let taken = Takeover { by: LB01, base: listening, wait: down(LB01).length, announced };
        let history = self.world.eyes().history();
        let window = Window::since(&history, step.from);
        judge::takeover_after_start(step, &window, &taken, started);
        let [one, two] = held.clone().map(|held| held.unwrap_or("not".into()));
        let right = held[0].as_deref() == Some("10.0.0.3/32") && held[1].is_none();
        let why = if right { vec![] } else { vec!["lb01 alone should have 10.0.0.3/32".to_owned()] };
        let text = format!("on eth0 lb01 has {one}, lb02 has {two}");
        step.check("ip addr", text, why, json!({ "lb01": held[0], "lb02": held[1] }));
        judge::arp(step, history.macs, None, self.world.client_believes()?, LB01);
        judge::wire(step, &window, self.world.eyes().dropped());
        judge::holders(step, &window, false, 0);
        Ok(())
    }

    /// Power off right after an advert: the longest that a client can be made to wait.
    fn lose_power(&mut self, chapter: &str) -> Result<Takeover> {
        let last = self.world.wait_next_advert(LB01)?;
        self.world.eyes().begin(chapter);
        self.world.power_off(LB01)?;
        let announced = self.world.wait_announcement(LB02, last)?;
        let (base, _) = self.world.last_heard(LB02, announced).unwrap_or((last, 0));
        self.world.wait_answer(LB02)?;
        self.world.wait_next_advert(LB02)?;
        Ok(Takeover { by: LB02, base, wait: down(LB02).length, announced })
    }

    /// S3: lb01 is dead, lb02 takes over.
    fn crash(&mut self, step: &mut Step) -> Result<()> {
        let before = self.world.client_believes()?;
        let taken = self.lose_power("2 crash")?;
        let history = self.world.eyes().history();
        let window = Window::since(&history, taken.base);
        judge::takeover(step, &window, &taken);
        judge::client(step, &window, taken.wait, LB02);
        judge::arp(step, history.macs, before, self.world.client_believes()?, LB02);
        judge::wire(step, &Window::since(&history, step.from), self.world.eyes().dropped());
        judge::holders(step, &window, false, 1);
        Ok(())
    }

    /// S4: lb01 returns and takes the address back.
    fn come_back(&mut self, step: &mut Step) -> Result<()> {
        let before = self.world.client_believes()?;
        let started = self.world.power_on(LB01, Pair::Preempting)?;
        let listening = self.world.wait_listening(LB01)?;
        let announced = self.world.wait_announcement(LB01, started)?;
        self.world.wait_answer(LB01)?;
        self.world.wait_holds(LB02, false)?;
        self.world.wait_next_advert(LB01)?;
        let taken = Takeover { by: LB01, base: listening, wait: down(LB01).length, announced };
        let history = self.world.eyes().history();
        let window = Window::since(&history, started);
        judge::takeover_after_start(step, &window, &taken, started);
        judge::client(step, &window, std::time::Duration::ZERO, LB01);
        judge::arp(step, history.macs, before, self.world.client_believes()?, LB01);
        judge::wire(step, &window, self.world.eyes().dropped());
        judge::holders(step, &window, true, 1);
        Ok(())
    }

    /// S3, the other way: lb01 is stopped and says so.
    fn stop(&mut self, step: &mut Step) -> Result<()> {
        let before = self.world.client_believes()?;
        // Right after an advert, so that a resignation that is not sent would cost the most.
        let last = self.world.wait_next_advert(LB01)?;
        self.world.ask_to_stop(LB01)?;
        let announced = self.world.wait_announcement(LB02, last)?;
        let heard = self.world.last_heard(LB02, announced);
        let ended = self.world.wait_end(LB01)?;
        self.world.wait_answer(LB02)?;
        self.world.wait_adverts(LB02, 2)?;
        let left = self.world.service_address(LB01)?;
        let history = self.world.eyes().history();
        let window = Window::since(&history, last);
        let (base, wait) = match heard {
            Some((at, 0)) => (at, skew(LB02).length),
            _ => (last, down(LB02).length),
        };
        judge::takeover(step, &window, &Takeover { by: LB02, base, wait, announced });
        judge::client(step, &window, skew(LB02).length, LB02);
        judge::arp(step, history.macs, before, self.world.client_believes()?, LB02);
        resigned(step, heard, ended, left);
        judge::wire(step, &Window::since(&history, step.from), self.world.eyes().dropped());
        judge::holders(step, &window, false, 1);
        Ok(())
    }

    /// S5: with `nopreempt` on both the address moves once.
    fn stay(&mut self, step: &mut Step) -> Result<()> {
        self.world.ask_to_stop(LB02)?;
        self.world.wait_end(LB02)?;
        let started = self.world.start(LB01, Pair::Staying)?;
        self.world.start(LB02, Pair::Staying)?;
        let listening = self.world.wait_listening(LB01)?;
        let first = self.world.wait_announcement(LB01, started)?;
        self.world.wait_answer(LB01)?;
        self.world.wait_next_advert(LB01)?;
        let begun = Takeover { by: LB01, base: listening, wait: down(LB01).length, announced: first };

        let before = self.world.client_believes()?;
        let taken = self.lose_power("crash")?;
        let moved = self.world.client_believes()?;
        let served = self.world.eyes().history();

        self.world.eyes().begin("back");
        let returned = self.world.power_on(LB01, Pair::Staying)?;
        let since = self.world.wait_listening(LB01)?;
        // Longer than lb01 would have to wait if it preempted.
        let enough = down(LB01).length.as_secs() + 2;
        let adverts = usize::try_from(enough / INTERVAL.as_secs().max(1)).unwrap_or(usize::MAX);
        let seen = self.world.wait_adverts(LB02, adverts)?;

        let history = self.world.eyes().history();
        let all = Window::since(&history, first);
        let start = Window { until: first, ..Window::since(&history, started) };
        judge::takeover_after_start(step, &start, &begun, started);
        judge::takeover(step, &Window::since(&served, taken.base), &taken);
        judge::client(step, &Window::since(&history, taken.base), taken.wait, LB02);
        judge::arp(step, history.macs, before, moved, LB02);
        stayed(step, &Window::since(&history, returned), seen.since(since));
        judge::wire(step, &all, self.world.eyes().dropped());
        judge::holders(step, &all, false, 1);
        Ok(())
    }
}

/// What a daemon says about its new state, in one line, and when.
type Told = (Instant, String);

impl Story<'_> {
    /// Waits until `who` says `state`, not before `since`; with the reason, which Standfast gives in the next line.
    fn told(&self, who: Who, state: &str, since: Instant) -> Result<Told> {
        let line = self.world.wait_said(who, state, since)?;
        let text = without_time(&line.text).trim_start_matches(ALARM).to_owned();
        if self.world.is_keepalived(who) {
            return Ok((line.at, text));
        }
        let reason = self.world.wait_said(who, BECAUSE, line.at)?;
        let because = reason.text.find(BECAUSE).and_then(|at| reason.text.get(at..)).unwrap_or_default();
        Ok((line.at, format!("{text}{because}")))
    }
}

/// What the protocol allows in each step.
fn allowed(step: usize) -> Vec<(&'static str, Term)> {
    match step {
        1 | 3 => vec![("lb01 listens first", down(LB01))],
        2 => vec![("after lb01's last advert", down(LB02))],
        4 => vec![("after lb01's resignation", skew(LB02))],
        5 => vec![("lb01 listens first", down(LB01)), ("after lb01's last advert", down(LB02))],
        6 => vec![
            ("until two looks in a row have failed", noticed()),
            ("after lb01's resignation", skew(LB02)),
            ("until a look has succeeded", noticed_back()),
            ("lb01 listens first", down(LB01)),
        ],
        _ => vec![
            ("after the last advert that lb02 heard", down(LB02)),
            ("half open: lb01 has answered lb02's adverts in vain", unheard()),
            ("after the heal, until one of them hears the other", heard()),
        ],
    }
}

/// An orderly stop: priority 0 was sent, the address removed, the exit code is 0.
fn resigned(step: &mut Step, heard: Option<(Instant, u8)>, ended: Ended, left: Option<String>) {
    let mut why = Vec::new();
    let resigned = matches!(heard, Some((_, 0)));
    if !resigned {
        why.push("lb02 heard no advert with priority 0".to_owned());
    }
    if ended != Ended::Code(0) {
        why.push("the exit code should be 0".to_owned());
    }
    if let Some(left) = &left {
        why.push(format!("{left} is still on lb01"));
    }
    let code = match ended {
        Ended::Code(code) => format!("exit code {code}"),
        Ended::Signal(signal) => format!("killed by signal {signal}"),
    };
    let first = if resigned { "lb01 resigned (priority 0)" } else { "lb01 did not resign" };
    let second = if left.is_none() { "removed the address" } else { "left the address" };
    let exit = match ended {
        Ended::Code(code) => json!(code),
        Ended::Signal(_) => json!(null),
    };
    let facts = json!({ "resigned": resigned, "exit_code": exit, "address_removed": left.is_none() });
    step.check("resigns", format!("{first}, {second}, {code}"), why, facts);
}

/// lb01 is back and keeps quiet.
fn stayed(step: &mut Step, window: &Window<'_>, listened: std::time::Duration) {
    let traffic = window.history.traffic(window.from, window.until);
    let moves = window.history.moves(window.from, window.until);
    let gap = window.history.longest_gap(window.from, window.until);
    let mut why = Vec::new();
    if traffic.adverts[LB01.index()] > 0 {
        why.push("lb01 sent adverts after its return".to_owned());
    }
    if moves > 0 {
        why.push("the address moved when lb01 returned".to_owned());
    }
    let text = format!("lb01 is back, listened for {} and let lb02 serve", span(listened));
    let facts = json!({
        "listened_s": secs(listened), "moves": moves, "adverts_lb01": traffic.adverts[LB01.index()],
        "silent_ms": millis(gap.length()),
    });
    step.check("stays", text, why, facts);
}
